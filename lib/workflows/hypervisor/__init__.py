"""Runbooks about hypervisors: list and search here, the others in the modules beside."""

from searches.searching import register

register(
    "hypervisor",
    "hypervisors",
    where="state = down or disabled_reason contains disk",
    group_by="state, status",
    join="servers: name; aggregates: name",
)
