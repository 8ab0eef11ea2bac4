"""What is done with rows once they are here: sorted, made distinct, grouped, reckoned with.

Missing values sort last in both directions, are a group of their own, and count in no aggregate
but the plain count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from query_api.language import times
from query_api.language.kinds import SINGLE
from query_api.language.schema import Kind

Row = tuple[Any, ...]
# What a value that is not missing is compared by; None if by itself.
Order = Callable[[Any], Any] | None


def sorted_by(rows: list[Row], keys: Sequence[tuple[int, Order, bool]]) -> list[Row]:
    """Return rows sorted by (place, order, descending) keys, the first one deciding first."""
    for at, order, descending in reversed(keys):
        there = [row for row in rows if row[at] is not None]
        missing = [row for row in rows if row[at] is None] if len(there) < len(rows) else []
        there.sort(key=_comparable(at, order), reverse=descending)
        rows = there + missing
    return rows


def _comparable(at: int, order: Order) -> Callable[[Row], Any]:
    return itemgetter(at) if order is None else lambda row: order(row[at])


def _address(text: str) -> tuple[int, int, str]:
    """Return what sorts addresses as numbers: version 4, version 6, and what is none."""
    from ipaddress import ip_address

    try:
        address = ip_address(text)
    except ValueError:
        return (9, 0, text)
    return (address.version, int(address), "")


# The kinds whose values are not compared as they are.
ORDERS: dict[Kind, Callable[[Any], Any]] = {"time": times.sortable, "address": _address}


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
        return json.dumps(value, sort_keys=True)  # which tells 1 from true
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


# What each makes of the values that are not missing; of none, a sum and a count are 0.
AGGREGATES: dict[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "sum": _sum,
    "avg": _average,
}
_ENDS = {"min": min, "max": max}


def aggregated(rows: Sequence[Row], function: str, at: int | None, kind: Kind | None) -> Any:
    """Return what an aggregate makes of a column; with no place it is the number of rows."""
    if at is None:
        return len(rows)
    if kind is not None and kind not in SINGLE:
        return sum(1 for row in rows if row[at])  # a list with nothing in it is missing
    values = [row[at] for row in rows if row[at] is not None]
    if (end := _ENDS.get(function)) is None:
        return AGGREGATES[function](values)
    return end(values, key=ORDERS.get(kind) if kind else None, default=None)
