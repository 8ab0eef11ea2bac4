"""The hosts of a cloud and where they stand: their aggregates and availability zones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.cloud import Cloud
from query_api.lookups import compute
from query_api.lookups.compute_types import Aggregate, Hypervisor, HypervisorService
from workflow_api import CloudError, NotFound, clean, near, picked

if TYPE_CHECKING:
    from query_api.execution.answer import Answer
    from query_api.execution.query import Query

_HOST = ("id", "name", "state", "status", "disabled_reason", "service_id", "service_host")


class Host(msgspec.Struct):
    """A hypervisor in its place. ``servers`` is None where Nova does not say how many there are."""

    id: str
    name: str
    state: str
    status: str
    reason: str | None
    service_id: str
    service_host: str
    others: list[str] = []
    servers: int | None = None
    zone: str | None = None
    aggregates: list[str] = []

    @property
    def usable(self) -> bool:
        """Whether servers may be put on it: it is up and enabled."""
        return self.hypervisor.usable

    @property
    def hypervisor(self) -> Hypervisor:
        """The same as what the rules of migration know."""
        service = HypervisorService(self.service_id, self.service_host, self.reason, self.others)
        return Hypervisor(self.id, self.name, self.state, self.status, service)


class Hosts(msgspec.Struct):
    """All hosts, those that were asked for, and why the answer may not be whole.

    ``aggregates`` are those of the cloud; none, too, if they are ``aggregates_unread``.
    """

    all: list[Host]
    chosen: list[Host]
    aggregates: list[Aggregate]
    reasons: list[tuple[str, str]] = []
    aggregates_unread: bool = False
    # The aggregate that was asked for.
    aggregate: Aggregate | None = None


def hosts(
    cloud: Cloud,
    aggregate: str | None = None,
    zone: str | None = None,
    *,
    servers: bool = False,
    without_place: bool = False,
) -> Hosts:
    """Return the hosts, ``chosen`` those of an aggregate (by name or id) and a zone.

    ``servers`` has them counted. With ``without_place`` hosts are returned too where their zones or
    aggregates cannot be read, if none is asked for; the reasons say so. Three or four requests for
    a thousand hosts. Raises NotFound with near names, and CloudError.
    """
    from query_api.execution.query import query
    from query_api.wire.reading import Reading

    listing = query("hypervisor").select(*_HOST, *(["server_count"] if servers else []))
    services = query("compute_service").where("binary", "equal_to", "nova-compute")
    zones = services.select("host", "availability_zone")
    asked: list[Callable[[], Any]] = [
        _runs(listing.sort_by("name"), cloud),
        _runs(zones, cloud),
        lambda: compute.aggregates(cloud),
    ]
    tried: list[Any] = Reading(cloud).tried(lambda ask: ask(), asked)
    lost = [answer for answer in tried if isinstance(answer, CloudError)]
    bare = without_place and aggregate is None and zone is None
    if lost and (not bare or lost[0] is tried[0]):
        raise lost[0]
    answered: list[Any] = [None if one in lost else one for one in tried]
    listed, zoned, aggregates = answered[0], answered[1], answered[2] or []
    reasons = [(f"where hypervisors of {cloud.name} stand", str(error)) for error in lost]
    reasons += [*listed.reasons, *(zoned.reasons if zoned else ())]
    zone_of = dict(zoned.rows) if zoned else {}
    known = [_host(row, zone_of, aggregates) for row in listed.dicts()]
    others = compute.others_of_service((host.name, host.service_host) for host in known)
    for host in known:
        host.others = others[host.name]
    found = Hosts(known, known, aggregates, reasons, answered[2] is None)
    if aggregate is not None:
        found.aggregate = _aggregate(cloud, aggregate, aggregates)
        within = set(found.aggregate.hosts)
        found.chosen = [host for host in found.chosen if host.service_host in within]
    if zone is not None:
        _check_zone(cloud, zone, zoned.column("availability_zone"))
        found.chosen = [host for host in found.chosen if host.zone == zone]
    return found


def because(reason: str | None) -> str:
    """Return the reason for which a hypervisor is disabled, as it follows the word."""
    return f": {clean(reason)}" if reason else ""


def place(aggregate: str | None, zone: str | None) -> str:
    """Return where was looked, as `` in aggregate gpu in zone west``."""
    return (f" in aggregate {aggregate}" if aggregate else "") + (
        f" in zone {zone}" if zone else ""
    )


def _runs(asked: Query, cloud: Cloud) -> Callable[[], Answer]:
    return lambda: asked.run([cloud])


def _host(row: dict[str, Any], zones: dict[str, Any], aggregates: Sequence[Aggregate]) -> Host:
    service = row["service_host"] or row["name"]
    return Host(
        id=row["id"],
        name=row["name"],
        state=row["state"],
        status=row["status"],
        reason=row["disabled_reason"],
        service_id=row["service_id"],
        service_host=service,
        servers=row.get("server_count"),
        zone=zones.get(service),
        aggregates=sorted(one.name for one in aggregates if service in one.hosts),
    )


def _aggregate(cloud: Cloud, wanted: str, known: Sequence[Aggregate]) -> Aggregate:
    return picked("aggregate", wanted, known, where=f"cloud {cloud.name}")


def _check_zone(cloud: Cloud, wanted: str, known: Sequence[str | None]) -> None:
    zones = {zone for zone in known if zone}
    if wanted not in zones:
        likely = near(wanted, zones)
        raise NotFound("availability zone", wanted, where=f"cloud {cloud.name}", near=likely)
