"""Runbooks about security groups: list, search."""

from workflows.searching import register

register("security_group", "security groups")
