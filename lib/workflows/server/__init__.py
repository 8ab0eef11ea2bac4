"""Runbooks about servers: server.list and server.search; more in the other modules."""

from searches.searching import register

register(
    "server",
    "servers of all projects",
    where="status any_in (SHUTOFF, ERROR) and updated_at older_than 30d",
    group_by="host, status",
    join="project: name; user: name",
)
