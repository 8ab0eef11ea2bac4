"""Runbooks about ports: list, search."""

from searches.searching import register

register("port", "ports")
