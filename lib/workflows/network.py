"""Runbooks about networks: network.list, network.search."""

from searches.searching import register

register(
    "network",
    "networks",
    where="external = true or shared = true",
    group_by="provider_network_type",
    join="project: name; subnets: name",
)
