"""Hypervisors as who watches them needs them: state, servers and uptime in one listing.

A query of the same takes three: this one is asked for every minute, and of every page Nova asks
each host for its uptime.
"""

from __future__ import annotations

import msgspec

from query_api.resources.hypervisor_sources import (
    NOVA,
    Guest,
    listed_with_uptimes,
    seconds_up,
    server_counts,
    uptimes_one_by_one,
)
from query_api.wire import visibility
from query_api.wire.paging import rows
from query_api.wire.reading import Reading

_WITH_SERVERS = {"with_servers": "True"}


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A hypervisor: ``uptime`` in seconds, None where its driver does not tell it."""

    id: str
    name: str
    state: str
    status: str
    disabled_reason: str | None
    service_host: str
    servers: int
    uptime: int | None


class _Service(msgspec.Struct):
    host: str
    disabled_reason: str | None = None


class _Row(msgspec.Struct):
    id: str
    hypervisor_hostname: str
    state: str
    status: str
    service: _Service
    servers: list[Guest] = []
    uptime: str | None = None


def watched(reading: Reading) -> list[Watched]:
    """Return all hypervisors; what may be missing is said to the reading. Raises CloudError.

    Two requests for less than a thousand. Where Nova is older than Wallaby, one more for each; and
    a few more where a compute service has several, as that of Ironic.
    """
    found = listed_with_uptimes(reading, _Row, _WITH_SERVERS)
    uptimes: dict[str, int | None] = {}
    if found is None:
        path = "/os-hypervisors/detail"
        found = rows(
            reading,
            "compute",
            path,
            _Row,
            "hypervisors",
            params=_WITH_SERVERS,
            microversion=NOVA,
        )
        uptimes |= uptimes_one_by_one(reading, [one.id for one in found])
    else:
        uptimes |= {one.id: seconds_up(one.uptime) for one in found}
    counts = server_counts(reading, {one.id: [it.uuid for it in one.servers] for one in found})
    if why := visibility.unseen(reading, "compute"):
        reading.incomplete(f"hypervisors of {reading.cloud.name}", why)
    return [
        Watched(
            id=one.id,
            name=one.hypervisor_hostname,
            state=one.state,
            status=one.status,
            disabled_reason=one.service.disabled_reason or None,
            service_host=one.service.host,
            servers=counts[one.id],
            uptime=uptimes.get(one.id),
        )
        for one in found
    ]
