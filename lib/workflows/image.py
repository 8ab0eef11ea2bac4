"""Runbooks about images: list, search."""

from workflows.searching import register

register("image", "images")
