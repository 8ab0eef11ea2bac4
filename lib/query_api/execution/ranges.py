"""What rows are grouped by: a value, or the named range that it lies in; and how groups sort."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from operator import itemgetter
from typing import Any

from common.duration import Duration
from query_api.execution import row_operations
from query_api.language import times
from query_api.language.groups import OTHER, Group, range_of, typed
from query_api.language.kinds import NUMBERS, a_kind, value_for
from query_api.language.schema import Property

Row = tuple[Any, ...]
Key = Callable[[Row], Any]
# What groups' values, missing ones aside, are compared by.
Order = row_operations.Order


def key_of(group: Group, prop: Property, at: int, now: datetime) -> tuple[Key, Order]:
    """Return what a row is grouped by, its value standing at ``at``, and how groups are sorted.

    Raises UserError if the group has ranges and the property is neither a number nor a time.
    """
    if not group.ranges:
        return itemgetter(at), row_operations.ORDERS.get(prop.kind)
    # Ranges sort as they were given, and what lies in none comes after them.
    order = [*(one.name for one in group.ranges), OTHER].index
    if prop.kind == "time":
        made = typed(group, lambda given: float(Duration.parse(given)), touching=True)
        label, age = range_of(made), _age(now)
        return lambda row: label(age(row[at])), order
    if prop.kind in NUMBERS:
        made = typed(group, lambda given: value_for(prop, given), touching=prop.kind == "number")
        label = range_of(made)
        return lambda row: label(row[at]), order
    message = f"{group.path} is {a_kind(prop.kind)}: only numbers and times have ranges."
    raise group.wrong(message, group.ranges[0].at)


def _age(now: datetime) -> Callable[[str | None], float | None]:
    """Return what tells the age in seconds of a time in our form."""

    @cache
    def age(time: str | None) -> float | None:
        if time is None:
            return None
        moment = datetime.fromisoformat(_fraction_of_six(times.sortable(time)))
        return (now - moment.replace(tzinfo=timezone.utc)).total_seconds()

    return age


def _fraction_of_six(text: str) -> str:
    # Python 3.10 reads fractions of 3 and 6 digits only.
    head, dot, digits = text.partition(".")
    return f"{head}.{digits:0<6}" if dot else head
