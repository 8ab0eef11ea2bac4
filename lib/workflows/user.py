"""Runbooks about users: list, search."""

from workflows.searching import register

register("user", "users")
