"""Runbooks about security groups: security_group.list, security_group.search."""

from searches.searching import register

register(
    "security_group",
    "security groups",
    where="name != default and stateful = true",
    group_by="project.name",
    join="project: name; ports: name",
)
