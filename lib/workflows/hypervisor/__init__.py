"""Runbooks about hypervisors: hypervisor.list and hypervisor.search; more in the other modules."""

from searches.searching import register

register(
    "hypervisor",
    "hypervisors",
    where="state = down or disabled_reason contains disk",
    group_by="state, status",
    join="servers: name; aggregates: name",
)
