"""Runbooks about ports: list, search."""

from workflows.searching import register

register("port", "ports")
