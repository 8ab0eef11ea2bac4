"""Runbooks about users: user.list, user.search."""

from searches.searching import register

register(
    "user",
    "users",
    where="email is null or enabled = false",
    group_by="domain.name, enabled",
    join="domain: name; default_project: name",
)
