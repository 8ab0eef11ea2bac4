"""Flavors, and who may use those that not everybody may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from query_api.language.schema import Filter, Link, Listing, Resource, Source, exact
from query_api.resources.properties import (
    boolean,
    integer,
    mapping,
    number,
    text,
    texts,
    total,
)
from query_api.wire.objects import Accesses, Id
from query_api.wire.paging import rows

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

# Flavors come with their extra specs; the form of the rest has not changed since.
_FLAVORS = "2.61"


def _access(reading: Reading, flavors: list[str]) -> Mapping[str, list[str]]:
    """Return the projects that may use each flavor that not everybody may use."""
    private = rows(
        reading,
        "compute",
        "/flavors",
        Id,
        "flavors",
        params={"is_public": "False"},
        microversion=_FLAVORS,
    )
    wanted = set(flavors)
    asked = [flavor.id for flavor in private if flavor.id in wanted]
    where = f"projects of private flavors of {reading.cloud.name}"
    return reading.answers(
        lambda one: _projects(reading, one), asked, lambda one: f"{where} ({one})"
    )


def _projects(reading: Reading, flavor: str) -> list[str]:
    path = f"/flavors/{flavor}/os-flavor-access"
    answer: Accesses = reading.one("compute", path, Accesses, None, _FLAVORS)
    return [access.tenant_id for access in answer.flavor_access]


def _whole_number(size: float) -> str | None:
    return str(int(size)) if size >= 0 else None


def _at_least(param: str) -> dict[str, Filter]:
    least = Filter(param=param, encode=_whole_number)
    return {"greater_than": least, "greater_or_equal": least}


FLAVOR = Resource(
    name="flavor",
    plural="flavors",
    about="A size that servers can be booted with.",
    listings=(
        Listing(
            service="compute",
            path="/flavors/detail",
            collection="flavors",
            microversion=_FLAVORS,
            # Those too that only some projects may use.
            params={"is_public": "None"},
            paging="links",
            brief="/flavors",
        ),
    ),
    default=("id", "name", "vcpus", "ram", "disk", "is_public"),
    properties=(
        text("id", "Its id, often no UUID."),
        text("name", "Its name, unique."),
        integer("vcpus", "vCPUs."),
        integer("ram", "Memory.", unit="MiB", filters=_at_least("minRam")),
        integer(
            "disk",
            "Root disk; 0: as large as the image.",
            unit="GiB",
            filters=_at_least("minDisk"),
        ),
        integer("ephemeral", "A second disk.", "OS-FLV-EXT-DATA:ephemeral", unit="GiB"),
        # Nova says "" for none.
        integer(
            "swap", "Swap.", unit="MiB", shape=int | str | None, of=lambda size: int(size or 0)
        ),
        number("rxtx_factor", "Its share of the network, with Xen."),
        boolean(
            "is_public",
            "Whether every project may use it.",
            "os-flavor-access:is_public",
            filters=exact("is_public"),
        ),
        boolean("disabled", "Whether nobody may boot with it.", "OS-FLV-DISABLED:disabled"),
        text("description", "The description."),
        mapping("extra_specs", "What else it asks of a host."),
        texts("access_project_ids", "Who may use it, if not everybody.", source="access"),
        integer(
            "server_count", "How many servers have it, by its name.", over=("servers.id",), of=total
        ),
    ),
    links=(
        Link("servers", "server", "name", "flavor.name", many=True),
        Link("access_projects", "project", "access_project_ids"),
    ),
    sources={
        "access": Source(
            key="id", read=_access, cost="two requests, and one for each flavor that is not public"
        )
    },
)

RESOURCES = {"flavor": FLAVOR}
