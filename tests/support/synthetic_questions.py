"""Strategies for questions about synthetic worlds, with every verb, operator and depth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from query_api.language.conditions import All, Any_, Condition, Not, Test
from support import synthetic_worlds as w
from support.oracle import Question
from support.oracle_rows import Rows
from support.oracle_values import LISTS, NUMBERS, About
from support.synthetic import SHEETS

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ROWS = Rows(SHEETS, NOW)

_POOLS: dict[str, dict[str, tuple[Any, ...]]] = {
    "thing": {
        "id": w.THING_IDS,
        "name": w.NAMES,
        "status": w.STATUSES,
        "mood": w.MOODS,
        "spec.ram": w.RAMS,
        "spec.disk": w.DISKS,
        "load": w.LOADS,
        "locked": (True, False),
        "created_at": w.TIMES,
        "seen_at": w.TIMES,
        "ip": w.ADDRESSES,
        "tags": w.TAGS,
        "addresses": w.ADDRESSES,
        "networks": w.NETWORKS,
        "labels": w.KEYS,
        "labels.owner": w.INNER,
        "labels.n": w.INNER,
        "spec.extra": w.KEYS,
        "spec.extra.hw:cpu.policy": w.INNER,
        "owner_id": w.OWNER_IDS,
        "spare_ids": w.PART_IDS,
        "image_id": ("i0", "i1"),
        "holding": ("owned", "free"),
        "uses": (0, 1, 7),
        "off_since": w.TIMES,
        "part_count": (0, 1, 2),
    },
    "owner": {
        "id": w.OWNER_IDS,
        "name": ("ann", "bob"),
        "email": ("ann@example.org",),
        "age": (30, 40),
        "born_at": w.TIMES,
        "boss_id": w.OWNER_IDS,
    },
    "part": {
        "id": w.PART_IDS,
        "thing_id": w.THING_IDS,
        "size": w.DISKS,
        "sound": (True, False),
        "made_at": w.TIMES,
        "ip": w.ADDRESSES,
        "tags": w.TAGS,
        "labels": w.KEYS,
        "labels.owner": w.INNER,
    },
    "pool": {
        "id": ("q0", "q1"),
        "name": ("east", "west"),
        "weight": w.LOADS,
        "members": w.THING_IDS,
    },
    "event": {"thing_id": w.THING_IDS, "what": w.WORDS, "at": w.TIMES, "took": (1, 90)},
}
_DURATIONS = ("0s", "1d", "30d", "1h30m", "1.5d", "2w", "59d12h0.5s")
_OWN_TIMES = (
    "2026-02-28",
    "2026-02-28 12:00:00",
    "2026-02-28T12:00",
    "2026-02-28T14:00:00.12+02:00",
    datetime(2026, 2, 28, 12),
    datetime(2026, 2, 28, 21, tzinfo=timezone(timedelta(hours=9))),
)
_SIZES = ("1GiB", "10 GB", "0.5GiB", "512MiB", "1024", "1TiB")
_PATTERNS = ("web", "^web", "-1$", "^a.*1$", "(?i)WEB", "[0-9]", "", "^$", "x|prod", r"\.")
_PARTS = ("web", "b", "1", "", "pro", "Act", "AN", "10.0.")
_GLOBS = ("web*", "*-?", "*", "", "[a-d]*", "10.0.0.*", "act*", "we?-1")
_RANGES = ("10.0.0.0/8", "10.0.0.9", "2001:db8::/32", "::/0", "0.0.0.0/0", "10.0.0.9/24")

_EQUAL = ("equal_to", "not_equal_to", "any_in", "not_any_in")
_ORDER = ("greater_than", "less_than", "greater_or_equal", "less_or_equal")
_TEXT = ("matches_regex", "not_matches_regex", "contains", "starts_with", "glob")
_NULL = ("is_null", "not_null")
FITS: dict[str, tuple[str, ...]] = {
    "text": (*_EQUAL, *_TEXT, *_NULL),
    "integer": (*_EQUAL, *_ORDER, *_NULL),
    "number": (*_EQUAL, *_ORDER, *_NULL),
    "boolean": (*_EQUAL, *_NULL),
    "time": (*_EQUAL, *_ORDER, "older_than", "younger_than", *_NULL),
    "address": (*_EQUAL, *_TEXT, *_NULL, "in_cidr"),
    "texts": (*_EQUAL, *_TEXT, *_NULL, "has_tag"),
    "addresses": (*_EQUAL, *_TEXT, *_NULL, "in_cidr"),
    "map": (*_NULL, "has_key"),
}
_SINGLE = frozenset(FITS) - {"texts", "addresses", "map"}


def _paths(name: str, depth: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield from _POOLS[name].items()
    for link, (other, *_ends) in SHEETS[name].links.items() if depth else ():
        for path, pool in _paths(other, depth - 1):
            yield f"{link}.{path}", pool


# What can be asked for of a resource: its own, and what is one or two links away.
_OWN = {name: tuple(pools.items()) for name, pools in _POOLS.items()}
_NEAR = {name: tuple(_paths(name, 1)) for name in _POOLS}
_FAR = {name: tuple(_paths(name, 2)) for name in _POOLS}


def _places(name: str) -> st.SearchStrategy[tuple[str, tuple[Any, ...]]]:
    return st.sampled_from((_OWN, _OWN, _NEAR, _FAR)).flatmap(lambda of: st.sampled_from(of[name]))


_SINGLES = {
    name: tuple(p for p, _ in _NEAR[name] if ROWS.about(name, p).kind in _SINGLE) for name in _NEAR
}


_FITTING = {
    operator: tuple(
        (name, path, pool)
        for name in ("thing", "part")
        for path, pool in _NEAR[name]
        if operator in FITS[ROWS.about(name, path).kind]
    )
    for operator in {operator for operators in FITS.values() for operator in operators}
}


def _given(about: About, operator: str, pool: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """Return values as an operator gives them."""
    fixed: dict[str, tuple[Any, ...]] = {
        "matches_regex": _PATTERNS,
        "not_matches_regex": _PATTERNS,
        "starts_with": _PARTS,
        "glob": _GLOBS,
        "in_cidr": _RANGES,
        "has_key": w.KEYS,
        "older_than": (*_DURATIONS, *_OWN_TIMES, *w.TIMES),
        "younger_than": (*_DURATIONS, *_OWN_TIMES, *w.TIMES),
    }
    if operator == "contains" and about.kind not in LISTS:
        return st.sampled_from(_PARTS)
    if operator in fixed:
        return st.sampled_from(fixed[operator])
    if about.kind == "time":
        return st.sampled_from((*pool, *_OWN_TIMES))
    if about.kind in NUMBERS:
        sizes = _SIZES if about.unit in ("MiB", "GiB") else ("1", "-2.75")
        return st.sampled_from((*pool, *sizes))
    if about.kind == "boolean":
        return st.sampled_from((True, False, "true", "No"))
    if about.kind in ("address", "addresses"):
        return st.sampled_from(pool)
    texts = [one if isinstance(one, str) else json.dumps(one) for one in pool]
    return st.sampled_from((*texts, *(text.lower() for text in texts)))


@st.composite
def checks(draw: st.DrawFn, name: str) -> Test:
    """Return one test of a path of a resource."""
    path, pool = draw(_places(name))
    operator = draw(st.sampled_from(FITS[ROWS.about(name, path).kind]))
    return draw(_check(name, path, operator, pool))


@st.composite
def asking(draw: st.DrawFn, operator: str) -> tuple[str, Test]:
    """Return a resource and a test of one of its paths that asks by an operator."""
    name, path, pool = draw(st.sampled_from(_FITTING[operator]))
    return name, draw(_check(name, path, operator, pool))


@st.composite
def _check(draw: st.DrawFn, name: str, path: str, operator: str, pool: tuple[Any, ...]) -> Test:
    if operator in _NULL:
        return Test(path, operator)
    given = _given(ROWS.about(name, path), operator, pool)
    if operator in ("any_in", "not_any_in"):
        return Test(path, operator, tuple(draw(st.lists(given, max_size=4))))
    return Test(path, operator, (draw(given),))


@st.composite
def conditions(draw: st.DrawFn, name: str, depth: int = 4) -> Condition:
    """Return a condition on a resource's rows, at most so many joints deep."""
    joint = draw(st.sampled_from((None, None, Not, All, Any_))) if depth else None
    if joint is None:
        return draw(checks(name))
    if joint is Not:
        return Not(draw(conditions(name, depth - 1)))
    parts = st.lists(conditions(name, depth - 1), max_size=3)
    return joint(tuple(draw(parts)))


def _ranges(about: About) -> tuple[tuple[str, Any, Any], ...]:
    if about.kind == "time":
        return (("new", None, "1d"), ("old", "30d", None), ("middling", "1d", "1.5d"))
    if about.unit in ("MiB", "GiB"):
        return (("large", "2GiB", None), ("none", 0, 0), ("small", 1, "1GiB"))
    return (("some", 0, 5), ("few", None, -1), ("many", 6, None))


@st.composite
def groupings(draw: st.DrawFn, name: str) -> dict[str, tuple[tuple[str, Any, Any], ...]]:
    """Return what to group by, with or without ranges."""
    found: dict[str, tuple[tuple[str, Any, Any], ...]] = {}
    for path in draw(
        st.lists(st.sampled_from(_SINGLES[name]), min_size=1, max_size=2, unique=True)
    ):
        about = ROWS.about(name, path)
        ranged = about.kind in ("time", *NUMBERS) and draw(st.booleans())
        found[path] = _ranges(about) if ranged else ()
    return found


@st.composite
def _aggregates(draw: st.DrawFn, name: str) -> list[tuple[str, str]]:
    found = [("count", "")] if draw(st.booleans()) else []
    for path, _ in draw(st.lists(_places(name), min_size=1, max_size=2)):
        kind = ROWS.about(name, path).kind
        fits = ["count"]
        fits += ["min", "max"] if kind in _SINGLE else []
        fits += ["sum", "avg"] if kind in NUMBERS else []
        one = (draw(st.sampled_from(fits)), path)
        found += [one] if one not in found else []
    return found


@st.composite
def _stages(draw: st.DrawFn) -> list[tuple[str, Condition]]:
    name = draw(st.sampled_from(("thing", "thing", "thing", "owner", "part", "pool", "event")))
    links = draw(st.sampled_from((0, 0, 0, 0, 1, 2)))
    first = st.just(All(())) if links == 2 else _wide(name, 4)
    stages = [(name, draw(first))]
    for _ in range(links):
        link = draw(st.sampled_from(tuple(SHEETS[name].links)))
        name = SHEETS[name].links[link][0]
        stages.append((link, draw(_wide(name, 2))))
    return stages


def _wide(name: str, depth: int) -> st.SearchStrategy[Condition]:
    """Return conditions of which many leave rows: of none, little can be said."""
    found = conditions(name, depth)
    none = st.just(All(()))
    opposite = found.map(Not)
    either = st.lists(conditions(name, depth - 1), min_size=2, max_size=3).map(
        lambda parts: Any_(tuple(parts))
    )
    return st.sampled_from((none, found, opposite, either)).flatmap(lambda one: one)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Return a question with any of the verbs."""
    stages = draw(_stages())
    name = ROWS.end([link for link, _ in stages])
    groups = draw(st.sampled_from((st.just({}), groupings(name))).flatmap(lambda one: one))
    limit = draw(st.sampled_from((None, None, None, None, None, 3, 2, 1, 0)))
    verb = draw(st.sampled_from(("aggregate", "list", "sort")))
    if verb == "aggregate":
        aggregates = draw(_aggregates(name))
        sortable = [*groups, *(f"{function} {path}".strip() for function, path in aggregates)]
        sorting = draw(_sorting(sortable))
        return Question(stages, (), (), sorting, groups, aggregates, False, limit)
    select = draw(st.lists(_places(name).map(lambda place: place[0]), max_size=3, unique=True))
    append: list[tuple[str, tuple[str, ...]]] = []
    if draw(st.booleans()):
        link = draw(st.sampled_from(tuple(SHEETS[name].links)))
        paths = [path for path, _ in _OWN[SHEETS[name].links[link][0]]]
        append = [(link, tuple(draw(st.lists(st.sampled_from(paths), min_size=1, max_size=2))))]
    sorting = draw(_sorting([*_SINGLES[name], "cloud"])) if verb == "sort" else ()
    return Question(stages, select, append, sorting, groups, (), draw(st.booleans()), limit)


def _sorting(paths: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    keys = st.lists(st.sampled_from(paths), min_size=1, max_size=3, unique=True)
    return keys.flatmap(
        lambda keys: st.tuples(*(st.sampled_from((key, f"-{key}")) for key in keys))
    )
