"""Made-up resources with properties of every kind, for tests of the query engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from query_api import resources
from query_api.language.schema import WHOLE, Filter, Link, Listing, Resource, Source, exact
from query_api.language.times import normal
from query_api.resources.properties import (
    address,
    addresses,
    boolean,
    integer,
    mapping,
    number,
    or_none,
    text,
    texts,
    time,
    total,
)
from query_api.wire.reading import Reading
from support.oracle_rows import Sheet

STATUSES = ("ACTIVE", "ERROR", "SHUTOFF")


class _Id(msgspec.Struct):
    id: str


class _Address(msgspec.Struct):
    addr: str


_NETS: dict[str, Any] = {"wire": "nets", "shape": dict[str, list[_Address]] | None}


def _flat(nets: dict[str, list[_Address]]) -> list[str]:
    return [entry.addr for entries in nets.values() for entry in entries]


def _image(image: _Id | str) -> str | None:
    return image.id if isinstance(image, _Id) else None


def _holding(row: Mapping[str, Any]) -> str:
    return "owned" if row.get("owner_id") else "free"


def _status(status: str) -> str | None:
    return status if status in STATUSES else None


def _uses(reading: Reading, ids: list[Any]) -> Mapping[Any, Any]:
    return reading.one("synthetic", "/usage", dict[str, int | None])  # type: ignore[no-any-return]


def _histories(reading: Reading, ids: list[Any]) -> Mapping[Any, Any]:
    def history(id: str) -> str | None:
        return reading.one("synthetic", f"/history/{id}", str | None)  # type: ignore[no-any-return]

    return reading.answers(history, ids, str)


def _listing(path: str, collection: str, **more: Any) -> tuple[Listing, ...]:
    return (Listing(service="synthetic", path=path, collection=collection, **more),)


_NAME = Filter(param="name", encode=lambda name: name or None)
_TAG = Filter(param="tag")
THING = Resource(
    name="thing",
    plural="things",
    about="What has a property of every kind.",
    listings=_listing("/things", "things", paging="links"),
    default=("id", "name", "status"),
    properties=(
        text("id", "", filters=exact("id")),
        text("name", "", filters={"equal_to": _NAME, "starts_with": _NAME, "contains": _NAME}),
        text("status", "", case="upper", filters=exact("status", encode=_status, many="repeat")),
        text("mood", "", "state/mood", case="lower"),
        integer("spec.ram", "", "spec/ram", unit="MiB"),
        integer("spec.disk", "", "spec/disk", unit="GiB"),
        number("load", ""),
        boolean("locked", "", "x:locked"),
        time(
            "created_at",
            "",
            "created",
            filters={
                "younger_than": Filter(param="since", unless=("status", "GONE")),
                "older_than": Filter(param="before"),
                "greater_than": Filter(param="after"),
            },
        ),
        time("seen_at", "", "state/times/seen"),
        address("ip", "", of=or_none, filters=exact("ip")),
        texts("tags", "", filters={"equal_to": _TAG, "has_tag": _TAG, "contains": _TAG}),
        addresses("addresses", "", of=_flat, **_NETS),
        texts("networks", "", of=list, **_NETS),
        mapping("labels", ""),
        mapping("spec.extra", "", "spec/extra"),
        text("owner_id", "", filters=exact("owner_id")),
        texts("spare_ids", ""),
        text("image_id", "", "image", shape=_Id | str | None, of=_image),
        text("holding", "", WHOLE, of=_holding),
        integer("uses", "", source="usage"),
        time("off_since", "", source="history", of=normal, only=("status", "SHUTOFF")),
        integer("part_count", "", over=("parts.id",), of=total),
    ),
    links=(
        Link("owner", "owner", "owner_id"),
        Link("parts", "part", "id", "thing_id", many=True),
        Link("spares", "part", "spare_ids"),
        Link("pools", "pool", "id", "members", many=True),
        Link("events", "event", "id", "thing_id", many=True),
    ),
    sources={
        "usage": Source(key="id", read=_uses, cost="1 request"),
        "history": Source(key="id", read=_histories, cost="1 request for each", each=True),
    },
)
OWNER = Resource(
    name="owner",
    plural="owners",
    about="Who has things.",
    listings=_listing("/owners", "owners"),
    default=("id", "name"),
    properties=(
        text("id", "", filters=exact("id", many="in:")),
        text("name", ""),
        text("email", "", "more/email"),
        integer("age", ""),
        time("born_at", "", "born"),
        text("boss_id", "", "boss/id"),
    ),
    links=(Link("boss", "owner", "boss_id"), Link("things", "thing", "id", "owner_id", many=True)),
)
PART = Resource(
    name="part",
    plural="parts",
    about="What things are made of.",
    listings=_listing("/parts", "parts", paging="offset"),
    default=("id", "thing_id", "size"),
    properties=(
        text("id", "", filters=exact("id")),
        text("thing_id", "", filters=exact("thing_id", many="comma")),
        integer("size", "", unit="GiB", filters={"greater_or_equal": Filter(param="size_min")}),
        boolean("sound", ""),
        time("made_at", ""),
        address("ip", ""),
        texts("tags", ""),
        mapping("labels", ""),
    ),
    links=(Link("thing", "thing", "thing_id"),),
)
POOL = Resource(
    name="pool",
    plural="pools",
    about="Things by their names, as an aggregate has hosts.",
    listings=_listing("/pools", "pools"),
    default=("id", "name"),
    properties=(
        text("id", ""),
        text("name", ""),
        number("weight", ""),
        texts("members", ""),
    ),
    links=(Link("things", "thing", "members"),),
)
EVENT = Resource(
    name="event",
    plural="events",
    about="What happened to one thing: it has no id, and is asked for by thing.",
    listings=_listing("/things/{thing_id}/events", "events"),
    key="",
    default=("thing_id", "what"),
    needs={"thing_id": "thing.id"},
    properties=(
        text("thing_id", "", asked=True),
        text("what", ""),
        time("at", ""),
        integer("took", "", unit="seconds"),
    ),
    links=(Link("thing", "thing", "thing_id"),),
)
RESOURCES = {one.name: one for one in (THING, OWNER, PART, POOL, EVENT)}
# The same as the oracle wants to know it.
SHEETS = {
    one.name: Sheet(
        kinds={prop.name: prop.kind for prop in one.properties},
        units={prop.name: prop.unit for prop in one.properties},
        cases={prop.name: prop.case for prop in one.properties},
        links={link.name: (link.resource, link.here, link.there, link.many) for link in one.links},
        default=one.default,
    )
    for one in RESOURCES.values()
}


@contextmanager
def registered() -> Iterator[None]:
    """Have the resources of this module among those that can be asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "query_api.resources.synthetic", sys.modules[__name__])
        for name in RESOURCES:
            patch.setitem(resources._MODULE_OF, name, "synthetic")
        yield
    resources.resource.cache_clear()
