"""Runbooks about security groups: list, search."""

from searches.searching import register

register(
    "security_group",
    "security groups",
    where="name != default and stateful = true",
    group_by="project.name",
    join="project: name; ports: name",
)
