"""Hypervisors: whether they are up, drained, due, empty, or just back from a reboot."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import HypervisorStateSettings
from common.errors import CloudError
from common.text import count
from observers.observer import Condition, Observer, Sight, Surroundings, sentences
from observers.tables import Table, state_of
from query_api.lookups import compute
from query_api.lookups.hypervisor_watch import Watched, watched
from query_api.wire.reading import Reading

# Providers can be asked for by a trait.
_BY_TRAIT = "1.18"
_NO_SUCH_TRAIT = 400
_DAY = 86400
_OFF = ("", "no", "false", "0")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a hypervisor."""

    host: Annotated[str, msgspec.Meta(description="The host of its compute service.")]
    service: Annotated[str, msgspec.Meta(description="up or down, as Nova says.")]
    status: Annotated[str, msgspec.Meta(description="enabled or disabled, as Nova says.")]
    disabled_reason: Annotated[str | None, msgspec.Meta(description="Why it is disabled.")] = None
    servers: Annotated[int | None, msgspec.Meta(description="How many servers are on it.")] = None
    uptime: Annotated[
        int | None, msgspec.Meta(description="For how many seconds it has been up, if it says so.")
    ] = None
    due: Annotated[str | None, msgspec.Meta(description="What makes it due for maintenance.")] = (
        None
    )
    aggregates: Annotated[
        list[str] | None, msgspec.Meta(description="The names of its aggregates.")
    ] = None


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What a state is told by."""

    service: Literal["up", "down", "unknown"]
    status: Literal["enabled", "disabled", "unknown"]
    servers: Literal["none", "some", "unknown"]
    up_for: Literal["short", "usual", "long", "unknown"]
    draining: Literal["yes", "no"]
    marked: Literal["yes", "no", "unknown"]


_UP = {"service": "up"}
_SETTLED = {**_UP, "up_for": "usual long unknown"}
_ENABLED = {**_SETTLED, "status": "enabled"}
_DISABLED = {**_SETTLED, "status": "disabled"}
_NOT_DUE = {**_ENABLED, "marked": "no", "up_for": "usual unknown"}

TABLE: Table = (
    ("DOWN", {"service": "down"}),
    ("UNKNOWN", {"service": "unknown"}),
    ("UNKNOWN", {**_UP, "status": "unknown"}),
    ("REBOOTED", {**_UP, "status": "enabled disabled", "up_for": "short"}),
    ("UNKNOWN", {**_DISABLED, "servers": "unknown"}),
    ("DRAINED", {**_DISABLED, "servers": "none"}),
    ("DRAINING", {**_DISABLED, "servers": "some", "draining": "yes"}),
    ("DISABLED", {**_DISABLED, "servers": "some", "draining": "no"}),
    ("PENDING_MAINTENANCE", {**_ENABLED, "marked": "yes"}),
    ("PENDING_MAINTENANCE", {**_ENABLED, "marked": "no unknown", "up_for": "long"}),
    ("UNKNOWN", {**_ENABLED, "marked": "unknown", "up_for": "usual unknown"}),
    ("UNKNOWN", {**_NOT_DUE, "servers": "unknown"}),
    ("EMPTY", {**_NOT_DUE, "servers": "none"}),
    ("RUNNING", {**_NOT_DUE, "servers": "some"}),
)


def look(cloud: Cloud, settings: HypervisorStateSettings, around: Surroundings) -> Sight:
    """Look at all hypervisors: four requests for less than a thousand. Raises CloudError."""
    reading = Reading(cloud)
    known = watched(reading)
    marks = _Marks(cloud, settings)
    unread = sentences(reading.reasons) + marks.unread
    disabled = [f"hypervisor:{one.id}" for one in known if one.status == "disabled"]
    runs = around.runs_on(disabled) if disabled else {}
    conditions = []
    for one in known:
        facts = _facts(one, settings, marks)
        signs = _signs(facts, settings, f"hypervisor:{one.id}" in runs, marks)
        state = state_of(TABLE, signs)
        if state == "UNKNOWN" and unread and "unknown" not in (signs.service, signs.status):
            continue  # it is not Nova that does not know
        conditions.append(Condition("hypervisor", one.id, one.name, state, facts))
    return Sight(conditions, unread)


class _Marks:
    """Which hosts are marked as due, and by what; what could not be read is said."""

    def __init__(self, cloud: Cloud, settings: HypervisorStateSettings) -> None:
        self.unread: list[str] = []
        self.by_host: dict[str, str] = {}
        self.by_id: dict[str, str] = {}
        self.aggregates: dict[str, list[str]] | None = {}
        self._read_aggregates(cloud, settings.due_metadata_key)
        if settings.due_trait:
            self._read_trait(cloud, settings.due_trait)

    def of(self, id: str, host: str) -> str | None:
        """Return the mark of a hypervisor, None if it has none."""
        return self.by_id.get(id) or self.by_host.get(host)

    def _read_aggregates(self, cloud: Cloud, key: str) -> None:
        try:
            known = compute.aggregates(cloud)
        except CloudError as error:
            self.aggregates = None
            self.unread.append(f"aggregates: {error}")
            return
        assert self.aggregates is not None
        for one in known:
            marked = key and one.metadata.get(key, "").strip().lower() not in _OFF
            for host in one.hosts:
                self.aggregates.setdefault(host, []).append(one.name)
                if marked:
                    self.by_host[host] = f"aggregate {one.name} has {key}"

    def _read_trait(self, cloud: Cloud, trait: str) -> None:
        try:
            found = Reading(cloud).one(
                "placement", "/resource_providers", _Providers, {"required": trait}, _BY_TRAIT
            )
        except CloudError as error:
            if error.status != _NO_SUCH_TRAIT:
                self.unread.append(f"traits: {error}")
            return
        self.by_id = {one.uuid: f"trait {trait}" for one in found.resource_providers}


class _Provider(msgspec.Struct):
    uuid: str


class _Providers(msgspec.Struct):
    resource_providers: list[_Provider]


def _facts(one: Watched, settings: HypervisorStateSettings, marks: _Marks) -> Facts:
    due = marks.of(one.id, one.service_host)
    if due is None and one.uptime is not None and one.uptime >= settings.due_after:
        due = f"it has been up for {count(one.uptime // _DAY, 'day')}"
    of = marks.aggregates
    return Facts(
        host=one.service_host,
        service=one.state,
        status=one.status,
        disabled_reason=one.disabled_reason,
        servers=one.servers,
        uptime=one.uptime,
        due=due,
        aggregates=None if of is None else sorted(of.get(one.service_host, ())),
    )


def _signs(facts: Facts, settings: HypervisorStateSettings, in_work: bool, marks: _Marks) -> Signs:
    reason = (facts.disabled_reason or "").lower()
    drains = in_work or any(fnmatchcase(reason, one.lower()) for one in settings.draining_reasons)
    up_for: Literal["short", "usual", "long", "unknown"] = "unknown"
    if facts.uptime is not None:
        up_for = "long" if facts.uptime >= settings.due_after else "usual"
        up_for = "short" if facts.uptime < settings.rebooted_within else up_for
    marked = facts.due is not None and up_for != "long"
    return Signs(
        service={"up": "up", "down": "down"}.get(facts.service, "unknown"),  # type: ignore[arg-type]
        status={"enabled": "enabled", "disabled": "disabled"}.get(  # type: ignore[arg-type]
            facts.status, "unknown"
        ),
        servers="unknown" if facts.servers is None else "some" if facts.servers else "none",
        up_for=up_for,
        draining="yes" if drains else "no",
        marked="yes" if marked else "unknown" if marks.unread else "no",
    )


OBSERVER = Observer(
    name="hypervisor_state",
    about="A hypervisor is in another state than before.",
    kind="hypervisor",
    facts=Facts,
    states={
        "RUNNING": "up and enabled, with servers.",
        "EMPTY": "up and enabled, without servers.",
        "PENDING_MAINTENANCE": "up and enabled, and due: up for longer than due_after, or marked "
        "by the trait or by the metadata of an aggregate.",
        "DISABLED": "up and disabled, with servers.",
        "DRAINING": "up and disabled, with servers, and a run works on it or the reason is one of "
        "draining_reasons.",
        "DRAINED": "up and disabled, without servers.",
        "REBOOTED": "up for less than rebooted_within, enabled or not.",
        "DOWN": "its compute service is not heard of.",
        "UNKNOWN": "Nova says neither up nor down, or neither enabled nor disabled.",
    },
    normal=frozenset({"RUNNING", "EMPTY"}),
    look=look,
)
