"""Joining by hash: rows of one resource beside those of another, in one pass."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from query_api.language.kinds import LISTS
from query_api.language.schema import Link, Property

Row = tuple[Any, ...]


def values(rows: Iterable[Row], at: int, prop: Property) -> list[Any]:
    """Return the different values at a place of the rows, in the order in which they come."""
    if prop.kind in LISTS:
        return list(dict.fromkeys(value for row in rows for value in row[at] or ()))
    return [value for value in dict.fromkeys(row[at] for row in rows) if value is not None]


def index(
    rows: Iterable[Row], at: int, prop: Property, inner: Sequence[int]
) -> Mapping[Any, list[Row]]:
    """Return by the value at ``at`` (or each element of it) the rows, cut to ``inner`` columns."""
    found: dict[Any, list[Row]] = {}
    many = prop.kind in LISTS
    for row in rows:
        cut = tuple(row[i] for i in inner)
        for value in (row[at] or ()) if many else (row[at],):
            found.setdefault(value, []).append(cut)
    return found


def side_by_side(
    rows: Iterable[Row],
    at: int,
    here: Property,
    known: Mapping[Any, list[Row]],
    ends: Sequence[Property],
    link: Link,
) -> list[Row]:
    """Return the rows, each with the columns of what its value at ``at`` leads to, or None."""
    nothing = (None,) * len(ends)
    if here.kind in LISTS or link.many:
        listed = here.kind in LISTS
        return [
            row + _gathered(row[at] or () if listed else (row[at],), known, ends) for row in rows
        ]
    first = {value: found[0] for value, found in known.items()}
    return [row + first.get(row[at], nothing) for row in rows]


def _gathered(keys: Iterable[Any], known: Mapping[Any, list[Row]], ends: Sequence[Property]) -> Row:
    """Return for each column the list of the values there, without the missing ones."""
    found = [cut for key in keys for cut in known.get(key, ())]
    columns: list[Any] = []
    for place in range(len(ends)):
        gathered: dict[str, None] = {}
        for cut in found:
            value = cut[place]
            for one in value if isinstance(value, list) else (value,):
                if one is not None:
                    gathered[one if isinstance(one, str) else json.dumps(one)] = None
        columns.append(list(gathered))
    return tuple(columns)
