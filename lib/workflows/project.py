"""Runbooks about projects: list, search."""

from workflows.searching import register

register("project", "projects")
