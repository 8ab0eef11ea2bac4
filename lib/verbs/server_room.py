"""Whether there is quota and room for a server of a size, in one request each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from accounts.cloud import Cloud
from common.units import size as amount
from query_api.lookups import placement, quotas
from query_api.lookups.compute_types import Flavor, Server
from query_api.lookups.things import Thing
from workflow_api import clean


def size_of(flavor: Thing) -> Flavor:
    """Return a flavor of the query as Nova embeds it in the servers that have it."""
    return Flavor(
        original_name=flavor.name,
        vcpus=flavor.vcpus or 0,
        ram=flavor.ram or 0,
        disk=flavor.disk or 0,
        ephemeral=flavor.ephemeral or 0,
        swap=flavor.swap or 0,
        extra_specs=flavor.extra_specs or {},
    )


def as_data(size: Flavor) -> dict[str, Any]:
    """Return a size as plain data, which a plan can hold."""
    data: dict[str, Any] = msgspec.to_builtins(size)
    return data


def beyond_quota(cloud: Cloud, project: str, more: Mapping[str, int], *, by: str) -> Iterator[str]:
    """Tell what of a project's quota of Nova does not suffice for so much more of each."""
    needed = {resource: need for resource, need in more.items() if need > 0}
    yield from quotas.lacking(cloud, "compute", project, needed, by=by)


def no_room(
    cloud: Cloud, size: Flavor, *, from_volume: bool, on: str | None = None
) -> Iterator[str]:
    """Tell it if Placement knows no enabled hypervisor with room for one server more of a size.

    ``from_volume`` says that its root disk needs none of a hypervisor; ``on`` is the id of the one
    hypervisor that is asked about.
    """
    wanted = Server(id="one more", name="one more", flavor=size, image="" if from_volume else "any")
    fitting = placement.room(cloud, [placement.flavor_demand(wanted.id, wanted)]).hosts[wanted.id]
    if on is None and not fitting:
        yield f"no hypervisor has room for {described(size)}"
    elif on is not None and on not in fitting:
        yield f"that hypervisor has no room for {described(size)}, or is disabled"


def described(size: Flavor) -> str:
    """Return a size in words."""
    parts = [f"{size.vcpus} vCPU", amount(size.ram, 2)]
    parts += [f"{size.disk} GiB of disk"] if size.disk else []
    return f"flavor {clean(size.original_name)} ({', '.join(parts)})"
