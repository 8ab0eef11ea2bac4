"""Runbooks about users: list, search."""

from searches.searching import register

register("user", "users")
