"""Runbooks about flavors: list, search."""

from workflows.searching import register

register("flavor", "flavors")
