"""Runbooks about ports: port.list, port.search."""

from searches.searching import register

register(
    "port",
    "ports",
    where="addresses in_cidr 10.0.0.0/8 and status = DOWN",
    group_by="device_owner",
    join="project: name; server: name",
)
