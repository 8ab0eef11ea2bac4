"""Runbooks about routers: router.list, router.search."""

from searches.searching import register

register(
    "router",
    "routers",
    where="external_network_id is null",
    group_by="project.name, status",
    join="project: name; external_network: name",
)
