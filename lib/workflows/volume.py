"""Runbooks about volumes: list, search."""

from workflows.searching import register

register("volume", "volumes")
