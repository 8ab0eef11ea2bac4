"""The verbs of host aggregates. Nova has them done when it answers: nothing is waited for.

An aggregate with a zone puts its hosts into that zone. Nova changes no host's zone under servers,
and a host has one zone at most; both is told before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.config import PackConfig
from common.pairs import pairs
from openstack_api import aggregate as change
from protection.marks import protected
from query_api.execution.query import query
from query_api.lookups import compute, things
from query_api.lookups.things import Thing
from verbs.verb import Options, Subject, Verb
from workflow_api import ParameterGroup, clean, count, listed
from workflow_api.parameters import HostAggregateName, HypervisorName, Name

_ZONE = "availability_zone"


class AboutAggregate(ParameterGroup, frozen=True, kw_only=True):
    """The aggregate that a verb is about."""

    aggregate: HostAggregateName


def _kept(aggregate: Any, config: PackConfig, verb: Verb) -> str:
    return protected((), aggregate.metadata, config.protected) if verb.disturbs else ""


AGGREGATE = Subject(
    name="aggregate",
    about=AboutAggregate,
    find=lambda cloud, wanted: things.find(cloud, "aggregate", wanted),
    look=lambda cloud, id: things.look(cloud, "aggregate", id),
    state=lambda aggregate: "there",
    kept=_kept,
)


class HostOptions(ParameterGroup, frozen=True, kw_only=True):
    """Which host is added or removed; Nova knows it by its compute service."""

    no_parameters = frozenset({"host"})

    hypervisor: HypervisorName
    host: str = ""


class AggregateChanges(ParameterGroup, frozen=True, kw_only=True):
    """What is changed of an aggregate; all that is not given stays as it is.

    new_name: Its new name.
    zone: The new availability zone of its hosts.
    set_metadata: Metadata to set, as ssd=true; pinned=false.
    remove_metadata: Metadata to remove, by their names.
    """

    new_name: Name | None = None
    zone: Name | None = None
    set_metadata: str | None = None
    remove_metadata: list[str] = msgspec.field(default_factory=list)

    @property
    def metadata(self) -> dict[str, str | None]:
        """What is to be sent as metadata; None removes. Raises UserError."""
        removed = dict.fromkeys(self.remove_metadata)
        zone = {_ZONE: self.zone} if self.zone else {}
        return {**removed, **pairs("set_metadata", self.set_metadata), **zone}


# -- hosts ---------------------------------------------------------------------------------------


def _with_host(cloud: Cloud, aggregate: Any, options: Options) -> Options:
    host = compute.find_hypervisor(cloud, options.hypervisor).service.host
    return msgspec.structs.replace(options, host=host)


def _leaves_zone(cloud: Cloud, aggregate: Any, options: Options) -> Iterator[str]:
    """Tell if a host's zone would be another one after it was added, or removed."""
    zone = aggregate.availability_zone
    if not zone:
        return
    others = _zones(cloud, [options.host], but=aggregate)
    if against := sorted(others.keys() - {zone}):
        yield (
            f"{clean(options.host)} is in the availability zone {clean(against[0])} by aggregate "
            f"{clean(others[against[0]])}, and a host has one zone"
        )
    elif zone not in others:
        yield from _occupied(cloud, [options.host])


def _zones(cloud: Cloud, hosts: Iterable[str], but: Thing) -> dict[str, str]:
    """Return the zones that other aggregates put any of the hosts into, with whose they are."""
    wanted = set(hosts)
    return {
        one.availability_zone: one.name
        for one in things.of_query(cloud, query("aggregate"))
        if one.id != but.id and one.availability_zone and wanted & set(one.hosts)
    }


def _occupied(cloud: Cloud, hosts: Iterable[str]) -> Iterator[str]:
    """Tell which hosts have servers, which keeps their zone from being changed."""
    asked = query("hypervisor").where("service_host", "any_in", *hosts)
    asked = asked.where("server_count", "greater_than", 0).sort_by("service_host")
    for host, servers in asked.select("service_host", "server_count").run([cloud]).rows:
        yield (
            f"{clean(host)} has {count(servers, 'server')}, and Nova changes no zone under servers"
        )


# -- what it is ------------------------------------------------------------------------------------


def _is_updated(aggregate: Any, options: Options) -> bool:
    known = aggregate.metadata or {}
    return options.new_name in (None, aggregate.name) and all(
        known.get(name) == value for name, value in options.metadata.items()
    )


def _against_update(cloud: Cloud, aggregate: Any, options: Options) -> Iterator[str]:
    given = pairs("set_metadata", options.set_metadata)
    for name in sorted(given.keys() & set(options.remove_metadata)):
        yield f"the metadata {clean(name)} is to be set and to be removed"
    if _ZONE in given or _ZONE in options.remove_metadata:
        yield "its zone is set with zone, and Nova takes no aggregate's zone away"
    if options.new_name not in (None, aggregate.name):
        taken = [one.id for one in _called(cloud, options.new_name) if one.id != aggregate.id]
        yield from (f"there is one called {clean(options.new_name)} already: {id}" for id in taken)
    if options.zone not in (None, aggregate.availability_zone) and aggregate.hosts:
        others = _zones(cloud, aggregate.hosts, but=aggregate)
        for zone in sorted(others.keys() - {options.zone}):
            yield (
                f"some of its hosts are in the availability zone {clean(zone)} by aggregate "
                f"{clean(others[zone])}, and a host has one zone"
            )
        yield from _occupied(cloud, aggregate.hosts)


def _called(cloud: Cloud, name: str) -> list[Thing]:
    return things.of_query(cloud, query("aggregate").where("name", "equal_to", name))


def _update(cloud: Cloud, id: str, options: Options) -> None:
    """Send what is not so yet: a request for metadata and zone, and one for the name."""
    now = things.look(cloud, "aggregate", id)
    known = (now and now.metadata) or {}
    metadata = options.metadata
    if any(known.get(name) != value for name, value in metadata.items()):
        change.set_aggregate_metadata(cloud, id, metadata)
    if options.new_name and (now is None or now.name != options.new_name):
        change.rename_aggregate(cloud, id, options.new_name)


def _has_hosts(cloud: Cloud, aggregate: Any, options: Options) -> Iterator[str]:
    if hosts := aggregate.hosts:
        told = listed((clean(host) for host in sorted(hosts)), 5)
        yield f"it has {count(len(hosts), 'host')} ({told}): aggregate.remove_host takes them out"


AGGREGATE_VERBS = (
    Verb(
        name="aggregate.update",
        summary="Change an aggregate's name, availability zone and metadata.",
        sentence="update aggregate {name}",
        participle="updated",
        request=_update,
        ends=_is_updated,
        outcome=lambda aggregate, options: "as asked for",
        options=AggregateChanges,
        unfit=_against_update,
        disturbs=False,
    ),
    Verb(
        name="aggregate.add_host",
        summary="Add a hypervisor to an aggregate.",
        sentence="add {options[host]} to aggregate {name}",
        participle="changed",
        cannot="take this host",
        request=lambda cloud, id, options: change.add_host(cloud, id, options.host),
        ends=lambda aggregate, options: options.host in aggregate.hosts,
        outcome=lambda aggregate, options: f"with {clean(options.host)}",
        undo="aggregate.remove_host",
        options=HostOptions,
        completed=_with_host,
        unfit=_leaves_zone,
        disturbs=False,
    ),
    Verb(
        name="aggregate.remove_host",
        summary="Remove a hypervisor from an aggregate.",
        sentence="remove {options[host]} from aggregate {name}",
        participle="changed",
        cannot="lose this host",
        request=lambda cloud, id, options: change.remove_host(cloud, id, options.host),
        ends=lambda aggregate, options: options.host not in aggregate.hosts,
        outcome=lambda aggregate, options: f"without {clean(options.host)}",
        undo="aggregate.add_host",
        options=HostOptions,
        completed=_with_host,
        unfit=_leaves_zone,
    ),
    Verb(
        name="aggregate.delete",
        summary="Delete an aggregate that has no hosts.",
        sentence="delete aggregate {name}",
        participle="deleted",
        request=lambda cloud, id, options: change.delete_aggregate(cloud, id),
        gone=True,
        unfit=_has_hosts,
    ),
)
