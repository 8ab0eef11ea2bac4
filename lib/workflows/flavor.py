"""Runbooks about flavors: list, search."""

from searches.searching import register

register("flavor", "flavors")
