"""Strategies for worlds of synthetic rows: few values, so that rows meet, and each awkward once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.oracle_rows import Row, World

NAMES = ("web-1", "Web-2", "web", "db.1", "wéb", "", "null", "a\nweb-1")
STATUSES = ("ACTIVE", "ERROR", "SHUTOFF", "ODD")
MOODS = ("calm", "busy")
THING_IDS = ("t0", "t1", "t2", "t3", "t4")
OWNER_IDS = ("o0", "o1", "o2", "nobody")
PART_IDS = ("p0", "p1", "p2", "p3", "p4", "p5", "none")
RAMS = (0, 512, 1024, 2048, 10240)
DISKS = (0, 1, 10, 20)
# Sums of these are exact, whatever their order.
LOADS = (0, 0.25, 1.5, -2.75, 1e6)
# As Nova, Cinder, Keystone, Neutron and others write them; some are the same moment.
TIMES = (
    "2026-02-28T12:00:00Z",
    "2026-02-28T21:00:00+09:00",
    "2026-02-28T12:00:00.000000",
    "2026-02-28T12:00:00.5",
    "2026-02-28T12:00:00.120000Z",
    "2026-02-28T06:59:59.999999-05:00",
    "2026-01-30T12:00:00",
    "2026-01-30T12:00:00.000001Z",
    "2026-02-28T23:30:00.123456789Z",
    "2025-12-31T23:59:59Z",
    "2026-03-01T10:30:00Z",
    "2026-03-02T00:00:00Z",
)
ADDRESSES = ("10.0.0.9", "10.0.0.10", "192.168.1.1", "2001:db8::9", "2001:DB8:0::9", "fe80::1")
TAGS = ("prod", "prod-eu", "x", "")
NETWORKS = ("blue", "red", "web")
KEYS = ("owner", "n", "hw:cpu.policy", "gone")
INNER = ("ann", "bob", "", 1, True, 1.5, None, ["a"], {"b": None})
WORDS = ("made", "moved", "deleted")


def _or_none(*values: Any) -> st.SearchStrategy[Any]:
    # Often enough missing: that is what the rivals get wrong.
    return st.sampled_from((*values, None, None))


def _lists(*values: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(st.sampled_from(values), max_size=3, unique=True)


_maps = st.none() | st.dictionaries(st.sampled_from(KEYS), st.sampled_from(INNER), max_size=3)
_things = st.fixed_dictionaries(
    {
        "name": _or_none(*NAMES),
        "status": _or_none(*STATUSES),
        "mood": _or_none(*MOODS),
        "spec.ram": _or_none(*RAMS),
        "spec.disk": _or_none(*DISKS),
        "load": _or_none(*LOADS),
        "locked": _or_none(True, False),
        "created_at": _or_none(*TIMES),
        "seen_at": _or_none(*TIMES),
        "ip": _or_none(*ADDRESSES),
        "tags": _lists(*TAGS),
        "networks": _lists(*NETWORKS),
        "addresses": st.lists(st.sampled_from(ADDRESSES), max_size=3),
        "labels": _maps,
        "spec.extra": _maps,
        "owner_id": _or_none(*OWNER_IDS),
        "spare_ids": _lists(*PART_IDS),
        "image_id": _or_none("i0", "i1"),
        "uses": _or_none(0, 1, 7),
        "off_since": _or_none(*TIMES),
    }
)
_owners = st.fixed_dictionaries(
    {
        "name": _or_none("ann", "bob"),
        "email": _or_none("ann@example.org", "bob@example.org"),
        "age": _or_none(30, 40),
        "born_at": _or_none(*TIMES),
        "boss_id": _or_none(*OWNER_IDS),
    }
)
_parts = st.fixed_dictionaries(
    {
        "thing_id": _or_none(*THING_IDS, "ghost"),
        "size": _or_none(*DISKS),
        "sound": _or_none(True, False),
        "made_at": _or_none(*TIMES),
        "ip": _or_none(*ADDRESSES),
        "tags": _lists(*TAGS),
        "labels": _maps,
    }
)
_pools = st.fixed_dictionaries(
    {
        "name": _or_none("east", "west"),
        "weight": _or_none(*LOADS),
        "members": _lists(*THING_IDS, "ghost"),
    }
)
_events = st.fixed_dictionaries(
    {
        "thing_id": st.sampled_from(THING_IDS),
        "what": _or_none(*WORDS),
        "at": _or_none(*TIMES),
        "took": _or_none(1, 90),
    }
)


def _numbered(rows: list[dict[str, Any]], letter: str) -> list[Row]:
    return [{"id": f"{letter}{number}", **row} for number, row in enumerate(rows)]


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """Return a thing with what follows from the rest of it."""
    nets = row["networks"]
    found = row["addresses"] if nets else nets  # which is None or empty
    holding = "owned" if row["owner_id"] else "free"
    off = row["off_since"] if row["status"] == "SHUTOFF" else None
    return {**row, "addresses": found, "holding": holding, "off_since": off}


def _counted(things: list[Row], parts: list[Row]) -> list[Row]:
    """Return things with the number of their parts."""
    of = [part["thing_id"] for part in parts]
    return [{**row, "part_count": of.count(row["id"])} for row in things]


def _some(rows: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    # Mostly as many as there may be: of few rows little can be asked.
    sizes = st.sampled_from((most, most - 1, most, most, 1, most, 0, most))
    return sizes.flatmap(lambda size: st.lists(rows, min_size=size, max_size=size))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return rows of every resource."""
    things = [_whole(row) for row in draw(_some(_things, len(THING_IDS)))]
    events = draw(_some(_events, 4))
    parts = _numbered(draw(_some(_parts, 6)), "p")
    return {
        "thing": _counted(_numbered(things, "t"), parts),
        "owner": _numbered(draw(_some(_owners, 3)), "o"),
        "part": parts,
        "pool": _numbered(draw(_some(_pools, 3)), "q"),
        # They are read thing by thing, of the things that there are.
        "event": [
            event
            for number in range(len(things))
            for event in events
            if event["thing_id"] == f"t{number}"
        ],
    }


@st.composite
def gone(draw: st.DrawFn) -> list[Row]:
    """Return things that were deleted."""
    rows = draw(st.lists(_things, max_size=1))
    return [{**_whole(row), "id": f"g{n}", "status": "GONE"} for n, row in enumerate(rows)]
