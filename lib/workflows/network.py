"""Runbooks about networks: list, search."""

from workflows.searching import register

register("network", "networks")
