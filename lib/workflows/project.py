"""Runbooks about projects: list, search."""

from searches.searching import register

register("project", "projects")
