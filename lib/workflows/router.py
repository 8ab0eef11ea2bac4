"""Runbooks about routers: list, search."""

from workflows.searching import register

register("router", "routers")
