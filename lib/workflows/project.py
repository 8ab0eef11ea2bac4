"""Runbooks about projects: project.list, project.search."""

from searches.searching import register

register(
    "project",
    "projects",
    where="enabled = true and description is null",
    group_by="domain.name, enabled",
    join="domain: name; parent: name",
)
