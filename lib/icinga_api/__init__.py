"""Asking an Icinga and changing downtimes and acknowledgements there, over its API."""
