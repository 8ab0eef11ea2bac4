"""Runbooks about volumes: list, search."""

from searches.searching import register

register("volume", "volumes")
