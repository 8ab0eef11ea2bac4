"""Telling addresses of a site's own what runbooks do, by a signed POST."""
