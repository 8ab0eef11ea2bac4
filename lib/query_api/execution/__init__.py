"""Carrying a query out, from its check to its answer."""
