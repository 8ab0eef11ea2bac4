"""Runbooks about networks: list, search."""

from searches.searching import register

register("network", "networks")
