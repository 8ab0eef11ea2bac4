"""Runbooks about routers: list, search."""

from searches.searching import register

register("router", "routers")
