"""A dozen questions that operators ask, for bench/query_requests.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from accounts.cloud import Cloud
from query_api.execution.query import Query, query
from query_api.language.conditions import any_of, test

_OPEN = ("0.0.0.0/0", "::/0")
_LEFT = ("server", "volume", "port", "floating_ip", "network", "image", "security_group")


@dataclass(frozen=True)
class Question:
    """What is asked, and the queries that answer it.

    ``grows`` says what there is more of in a big cloud: all that is read, or only what the chain
    leads to at last, or nothing. ``by_id`` is how many requests a service wants for things by their
    ids: quotas are read a project at a time.
    """

    asks: str
    queries: Callable[[Cloud], list[Query]]
    grows: Literal["all", "last", "none"] = "all"
    by_id: int = 0


def _one(asked: Query) -> Callable[[Cloud], list[Query]]:
    return lambda cloud: [asked]


def _of_users_projects(cloud: Cloud) -> list[Query]:
    """Servers of the projects that a user has a role in, on the host that has most of them."""
    roles = query("user").where("name", "equal_to", "alice").then("role_assignments")
    servers = roles.then("project").then("servers")
    hosts = servers.where("host", "not_null").group_by("host").count().sort_by("-count")
    host = hosts.limit(1).run([cloud]).rows[0][0]
    asked = servers.where("host", "equal_to", host)
    return [asked.select("name", "project.name", "user.name", "user.email")]


def _whose_addresses(cloud: Cloud) -> list[Query]:
    device = test("device_owner", "starts_with", "compute:")
    found = query("port").where(device).select("addresses").limit(3).run([cloud])
    asked = query("port").where("addresses", "any_in", *(row[0][0] for row in found.rows))
    return [asked.select("server.name", "server.user.name", "server.user.email", "project.name")]


def _quotas(cloud: Cloud) -> list[Query]:
    found = query("project").select("id").sort_by("name").limit(3).run([cloud])
    asked = query("quota").where("project_id", "any_in", *found.column("id"))
    return [asked.select("project.name", "service", "resource", "limit", "in_use")]


def _left(cloud: Cloud) -> list[Query]:
    return [
        query(of).where("project_id", "not_null").where("project.name", "is_null") for of in _LEFT
    ]


def _shut_off() -> Query:
    asked = query("server").where("status", "equal_to", "SHUTOFF")
    asked = asked.where("updated_at", "older_than", "1m").group_by("project.name")
    return asked.select("name", "updated_at", "project.properties.contact")


def _columns(of: str, *paths: str, **where: Any) -> Query:
    asked = query(of)
    for path, (operator, *values) in where.items():
        asked = asked.where(path, operator, *values)
    return asked.select(*paths)


_OPEN_RULES = (
    query("security_group_rule")
    .where("direction", "equal_to", "ingress")
    .where(
        any_of(
            test("remote_ip_prefix", "any_in", *_OPEN),
            test("remote_ip_prefix", "is_null"),
        )
    )
    .then("security_group")
    .then("ports")
    .then("server")
    .select("name", "project.name", "user.email")
)

QUESTIONS = (
    Question("servers of a user's projects on a host, with mail", _of_users_projects, "last"),
    Question("whose three addresses are, with mail", _whose_addresses, "none"),
    Question("shut off for long, by project, with contact", _one(_shut_off())),
    Question("what is left of deleted projects, seven kinds", _left),
    Question(
        "ports that belong to nothing, with network and project",
        _one(_columns("port", "id", "network.name", "project.name", device_id=("is_null",))),
    ),
    Question(
        "volumes, their projects, servers and whose these are",
        _one(_columns("volume", "name", "project.name", "servers.name", "servers.user.email")),
    ),
    Question("servers that rules open to the world reach", _one(_OPEN_RULES)),
    Question("images and who uses them", _one(_columns("image", "name", "servers.user.name"))),
    Question(
        "hypervisors with free vCPUs, and how much",
        _one(_columns("hypervisor", "name", "memory_free", vcpus_free=("greater_than", 0))),
    ),
    Question(
        "flavors that no server has",
        _one(query("flavor").where("servers.id", "is_null").select("name", "ram")),
    ),
    Question(
        "role assignments with all names",
        _one(_columns("role_assignment", "role.name", "user.name", "group.name", "project.name")),
    ),
    Question("quotas and use of three projects", _quotas, "none", by_id=9),
)
