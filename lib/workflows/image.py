"""Runbooks about images: list, search."""

from searches.searching import register

register("image", "images")
