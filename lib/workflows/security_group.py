"""Runbooks about security groups: list, search."""

from searches.searching import register

register("security_group", "security groups")
