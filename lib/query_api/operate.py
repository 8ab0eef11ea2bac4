"""What is done with rows once they are here: sorted, made distinct, grouped, reckoned with.

Missing values sort last in both directions, are a group of their own, and count in no aggregate
but the plain count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from query_api import times
from query_api.schema import Kind

Row = tuple[Any, ...]


def sorted_by(rows: list[Row], keys: Sequence[tuple[int, Kind, bool]]) -> list[Row]:
    """Return rows sorted by (place, kind, descending) keys, the first one deciding first."""
    for at, kind, descending in reversed(keys):
        value: Callable[[Row], Any] = itemgetter(at)
        there = [row for row in rows if row[at] is not None]
        missing = [row for row in rows if row[at] is None] if len(there) < len(rows) else []
        if kind == "time":
            there.sort(key=lambda row: times.sortable(row[at]), reverse=descending)
        elif kind == "address":
            there.sort(key=lambda row: _address(row[at]), reverse=descending)
        else:
            there.sort(key=value, reverse=descending)
        rows = there + missing
    return rows


def _address(text: str) -> tuple[int, int, str]:
    """Return what sorts addresses as numbers: version 4, version 6, and what is none."""
    from ipaddress import ip_address  # few sort by addresses

    try:
        address = ip_address(text)
    except ValueError:
        return (9, 0, text)
    return (address.version, int(address), "")


def distinct(rows: Iterable[Row]) -> list[Row]:
    """Return each row once, in the order in which they come first."""
    found: dict[Any, Row] = {}
    for row in rows:
        try:
            found.setdefault(row, row)
        except TypeError:  # lists and maps cannot be hashed
            found.setdefault(_frozen(row), row)
    return list(found.values())


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return frozenset((key, _frozen(inner)) for key, inner in value.items())
    return value


def grouped(rows: Iterable[Row], keys: Sequence[Callable[[Row], Any]]) -> dict[Row, list[Row]]:
    """Return the rows by what ``keys`` say of them, in the order of the groups' first rows."""
    found: dict[Row, list[Row]] = {}
    for row in rows:
        key = tuple(of(row) for of in keys)
        if key in found:
            found[key].append(row)
        else:
            found[key] = [row]
    return found


def _sum(values: Sequence[Any]) -> Any:
    return sum(values)


def _average(values: Sequence[Any]) -> Any:
    return sum(values) / len(values) if values else None


def _least(values: Sequence[Any]) -> Any:
    return min(values, default=None)


def _most(values: Sequence[Any]) -> Any:
    return max(values, default=None)


# What each makes of the values that are not missing; of none, a sum and a count are 0.
AGGREGATES: dict[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "sum": _sum,
    "min": _least,
    "max": _most,
    "avg": _average,
}


def aggregated(rows: Sequence[Row], function: str, at: int | None, kind: Kind | None) -> Any:
    """Return what an aggregate makes of a column; with no place it is the number of rows."""
    if at is None:
        return len(rows)
    values = [row[at] for row in rows if row[at] is not None]
    if kind == "time" and values and function != "count":
        return (max if function == "max" else min)(values, key=times.sortable)
    return AGGREGATES[function](values)
