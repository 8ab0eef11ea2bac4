"""Which notification is about what, and where in its payload each fact stands: one table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

from common.text import clean, shorten
from notification_api.messages import Message
from notification_api.notified import (
    TRIGGERS,
    Compute,
    Identity,
    Image,
    Network,
    Notified,
    Port,
    Server,
    Volume,
)

_LONGEST = 255


class Event(NamedTuple):
    """A trigger that is to be dispatched: ``trigger`` is its name without the pack's."""

    trigger: str
    payload: dict[str, Any]

    @property
    def id(self) -> str:
        """What it is known by, wherever it is dispatched."""
        return str(self.payload["id"])


class Row(NamedTuple):
    """Notifications that are read alike.

    ``facts`` are the fields of the struct, each with the places in the payload where it stands: the
    first that is there counts. In a place ``{kind}`` is the kind of thing. ``within`` is the word
    that event types have before their kind. ``by_request`` says that a start and its end have the
    request in common, and not always the id.
    """

    pattern: str
    service: str
    struct: type[Notified]
    facts: Mapping[str, str]
    within: str = ""
    by_request: bool = False


_OF_NEUTRON = {
    "subject_id": "{kind}.id {kind}_id id",
    "name": "{kind}.name",
    "state": "{kind}.status",
    "project": "{kind}.project_id {kind}.tenant_id",
}
_OF_CINDER = {
    "name": "display_name",
    "state": "status",
    "project": "tenant_id",
    "user": "user_id",
    "host": "host",
}

TABLE = (
    Row(
        "instance.*",
        "compute",
        Server,
        {
            "subject_id": "uuid",
            "name": "display_name",
            "project": "tenant_id",
            "user": "action_initiator_user user_id",
            "request_id": "request_id",
            "state": "state",
            "state_before": "state_update.old_state",
            "task": "task_state",
            "host": "host",
            "hypervisor": "node",
            "flavor": "flavor.name",
            "image": "image_uuid",
            "fault": "fault.exception_message",
        },
    ),
    Row(
        "service.*",
        "compute",
        Compute,
        {
            "subject_id": "uuid",
            "name": "host",
            "host": "host",
            "binary": "binary",
            "disabled": "disabled",
            "forced_down": "forced_down",
            "reason": "disabled_reason",
        },
    ),
    *(
        Row(f"{kind}.*", "compute", Compute, {"subject_id": "uuid flavorid id", "name": name})
        for kind, name in (
            ("aggregate", "name"),
            ("flavor", "name"),
            ("keypair", "key_name"),
            ("server_group", "name"),
        )
    ),
    Row(
        "volume.*",
        "block-storage",
        Volume,
        {
            **_OF_CINDER,
            "subject_id": "volume_id",
            "size_gib": "size",
            "volume_type": "volume_type",
        },
    ),
    Row(
        "snapshot.*",
        "block-storage",
        Volume,
        {
            **_OF_CINDER,
            "subject_id": "snapshot_id",
            "size_gib": "volume_size",
            "volume": "volume_id",
        },
    ),
    Row(
        "backup.*",
        "block-storage",
        Volume,
        {
            **_OF_CINDER,
            "subject_id": "backup_id",
            "size_gib": "size",
            "volume": "volume_id",
        },
    ),
    Row(
        "image.*",
        "image",
        Image,
        {
            "subject_id": "id image_id",
            "name": "name",
            "state": "status",
            "project": "owner owner_id",
            "visibility": "visibility",
            "size_bytes": "size bytes_sent",
            "member": "member_id",
            "fault": "message",
        },
    ),
    Row(
        "port.*",
        "network",
        Port,
        {
            **_OF_NEUTRON,
            "network": "{kind}.network_id",
            "device": "{kind}.device_id",
            "device_owner": "{kind}.device_owner",
            "host": "{kind}.binding:host_id",
        },
        by_request=True,
    ),
    *(
        Row(
            f"{kind}.*",
            "network",
            Network,
            {
                **_OF_NEUTRON,
                "network": "{kind}.network_id {kind}.floating_network_id",
                "router": "{kind}.router_id router_interface.id",
                "port": "{kind}.port_id router_interface.port_id",
                "address": "{kind}.floating_ip_address",
                "cidr": "{kind}.cidr",
            },
            by_request=True,
        )
        for kind in (
            *("network", "subnet", "subnetpool", "router", "floatingip"),
            *("security_group", "security_group_rule"),
        )
    ),
    Row(
        "identity.*",
        "identity",
        Identity,
        {
            "subject_id": "resource_info",
            "user": "initiator.user_id initiator.id",
            "role": "role",
            "of_user": "user",
            "of_group": "group",
            "on_project": "project",
            "on_domain": "domain",
        },
        within="identity.",
    ),
)

_TRIGGER_OF = {struct: name for name, struct in TRIGGERS.items()}


def row_of(event_type: str) -> Row | None:
    """Return how notifications of an event type are read; None if nothing is made of them."""
    return next((row for row in TABLE if fnmatchcase(event_type, row.pattern)), None)


def events(message: Message, row: Row, *, cloud: str, broker: str) -> Iterator[Event]:
    """Yield what a notification says: most often one thing, and several of one that is bulk.

    The id of each is made of the broker and the notification, so that it is the same every time.
    """
    kind = kind_of(message, row)
    many = message.payload.get(f"{kind}s")
    bulk = many if isinstance(many, list) and kind not in message.payload else [None]
    for number, one in enumerate(bulk):
        payload = message.payload if one is None else {kind: one}
        found = {
            "project": message.project,
            "user": message.user,
            "request_id": message.request_id,
            **{name: value for name, value in _facts(payload, row, kind) if value is not None},
        }
        said = row.struct(
            id=event_id(broker, message.id, *([str(number)] if number else [])),
            cloud=cloud,
            broker=broker,
            event_type=_short(message.event_type),
            kind=_short(kind),
            service=row.service,
            publisher=_short(message.publisher),
            priority=_short(message.priority),
            at=shown(message.when),
            **found,
        )
        yield Event(_TRIGGER_OF[row.struct], _builtins(said))


def kind_of(message: Message, row: Row) -> str:
    """Return what kind of thing a notification is about: the first word of its event type."""
    return message.event_type.removeprefix(row.within).partition(".")[0]


def subject_of(message: Message, row: Row) -> str | None:
    """Return the id of the thing that a notification is about, if it has one."""
    found = dict(_facts(message.payload, row, kind_of(message, row))).get("subject_id")
    return found if isinstance(found, str) else None


def event_id(*parts: str) -> str:
    """Return the id of an event that is told from all others by these."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def shown(moment: float) -> str:
    """Return a time in seconds since 1970 as payloads have it: ``2026-03-29T06:00:00.123Z``."""
    found = datetime.fromtimestamp(moment, timezone.utc)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"


def _facts(payload: Mapping[str, Any], row: Row, kind: str) -> Iterator[tuple[str, Any]]:
    kinds = _kinds(row.struct)
    for name, places in row.facts.items():
        found = (_at(payload, place.format(kind=kind)) for place in places.split())
        yield name, next((one for one in map(kinds[name], found) if one is not None), None)


def _at(payload: Mapping[str, Any], place: str) -> Any:
    found: Any = payload
    for word in place.split("."):
        found = found.get(word) if isinstance(found, Mapping) else None
    return found


def _as_text(value: object) -> str | None:
    """Return a text or number as one short line: much of it was chosen by users of the cloud."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        return None
    return _short(str(value))


def _as_number(value: object) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if fits and isinstance(value, int) else None


def _as_flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_AS = {str: _as_text, int: _as_number, bool: _as_flag}


@cache
def _kinds(struct: type[Notified]) -> dict[str, Any]:
    """Return for each field of a struct how a value of a payload becomes one of it."""
    return {name: _AS[_kind(hint)] for name, hint in get_type_hints(struct).items()}


def _kind(hint: Any) -> type:
    """Return the one type that a field has beside None."""
    (kind,) = [one for one in get_args(hint) if one is not NoneType] or [hint]
    assert isinstance(kind, type)
    return kind


def _short(text: str) -> str:
    return shorten(clean(text[: 4 * _LONGEST]), _LONGEST)


def _builtins(said: Notified) -> dict[str, Any]:
    return {name: getattr(said, name) for name in said.__struct_fields__}
