"""Runbooks about floating IPs: floating_ip.list, floating_ip.search."""

from searches.searching import register

register(
    "floating_ip",
    "floating IPs",
    where="port_id is null and created_at older_than 7d",
    group_by="project.name",
    join="project: name; port: name",
)
