"""What rows are grouped by, values or named ranges of them, and what is reckoned of each group."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from common.errors import UserError
from query_api.language.words import pointed, shown

# Each with whether it wants a property; a count without one counts rows.
FUNCTIONS: dict[str, bool] = {"count": False, "sum": True, "min": True, "max": True, "avg": True}
# What values that lie in no range are called: they are there, unlike those that are missing.
OTHER = "other"


class Range(msgspec.Struct, frozen=True):
    """Values from ``low`` to ``high``, both included; None is no end. ``at`` is its place in the
    text that it was read from. Raises UserError if it has neither end or no name."""

    name: str
    low: Any = None
    high: Any = None
    at: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError("A range wants a name.")
        if self.low is None and self.high is None:
            raise UserError(f"Range {shown(self.name)} has neither a low nor a high end.")

    def __str__(self) -> str:
        """Return ``small (..2047)``, for messages."""
        low, high = ("" if end is None else end for end in (self.low, self.high))
        return f"{shown(self.name)} ({low}..{high})"


class Group(msgspec.Struct, frozen=True):
    """A property to group by: by its values, or by named ranges of them. ``at`` is its place in the
    ``text`` that it was read from. Raises UserError if two ranges have one name."""

    path: str
    ranges: tuple[Range, ...] = ()
    at: int | None = None
    text: str = ""

    def __post_init__(self) -> None:
        names: set[str] = set()
        for one in self.ranges:
            if one.name in names:
                raise UserError(f"{self.path} has two ranges called {shown(one.name)}.")
            names.add(one.name)

    def wrong(self, message: str, at: int | None) -> UserError:
        """Return the error that points at a place of the text, if it was read from one."""
        return UserError(pointed(self.text, at if self.text else None, message))


class Aggregate(msgspec.Struct, frozen=True):
    """A number to reckon of each group: ``count`` of its rows or of those that have the property;
    ``sum``, ``min``, ``max`` or ``avg`` of the property. ``at`` is its place in the ``text`` that
    it was read from. Raises UserError for any other."""

    function: str
    path: str = ""
    at: int | None = None
    text: str = ""

    def __post_init__(self) -> None:
        if flaw := flaw_of(self.function, self.path):
            raise UserError(flaw)

    def wrong(self, message: str) -> UserError:
        """Return the error that points at it in the text, if it was read from one."""
        return UserError(pointed(self.text, self.at if self.text else None, message))


def flaw_of(function: str, path: str) -> str:
    """Return what is wrong with an aggregate of these, in words; empty if nothing is."""
    if function not in FUNCTIONS:
        return f"{shown(function)} is not an aggregate: there are {', '.join(FUNCTIONS)}"
    if FUNCTIONS[function] and not path:
        return f"{function} wants a property, as in {function} flavor.vcpus"
    return ""


def group(path: str, /, **ranges: tuple[Any, Any]) -> Group:
    """Return what to group by, its ranges by their names. Raises UserError as the types do.

    >>> group("flavor.ram", small=(None, 2047), large=(2048, None)).ranges[1].low
    2048
    """
    return Group(path, tuple(Range(name, low, high) for name, (low, high) in ranges.items()))


def typed(group: Group, value: Callable[[Any], Any], *, touching: bool = False) -> Group:
    """Return the group with the ends of its ranges made by ``value``: things that compare.

    ``value`` says by ValueError or UserError why an end is none of the property's kind. With
    ``touching`` two ranges may share an end, which is the lower one's: for kinds that always have
    another value between two. Raises UserError that points into the group's text for such an end,
    for a range that runs backwards, for ranges that overlap, and for one that is called ``other``
    where values can lie in no range.
    """
    made: list[Range] = []
    for given in group.ranges:
        try:
            low, high = (None if end is None else value(end) for end in (given.low, given.high))
        except (ValueError, UserError) as error:
            raise group.wrong(f"range {given}: {error}", given.at) from None
        if low is not None and high is not None and high < low:
            raise group.wrong(f"range {given} runs backwards", given.at)
        made.append(Range(given.name, low, high, given.at))
    as_given = {one.name: one for one in group.ranges}
    for lower, upper in itertools.pairwise(_ordered(made)):
        apart = lower.high is not None and upper.low is not None and lower.high <= upper.low
        if not apart or (lower.high == upper.low and not touching):
            one, other = as_given[lower.name], as_given[upper.name]
            later = max(one, other, key=lambda r: r.at or 0)
            raise group.wrong(f"ranges {one} and {other} overlap; ends are included", later.at)
    called_so = next((one for one in made if one.name == OTHER), None)
    if called_so and not _cover_all(_ordered(made), touching=touching):
        message = f"{OTHER} is what values in no range are called: give this one another name"
        raise group.wrong(message, called_so.at)
    return Group(group.path, tuple(made), group.at, group.text)


def _cover_all(ranges: Sequence[Range], *, touching: bool) -> bool:
    """Return whether each value lies in one of these ordered ranges."""

    def meet(low: Any, high: Any) -> bool:
        return bool(low == high if touching else math.floor(low) + 1 >= high)

    ends_open = ranges[0].low is None and ranges[-1].high is None
    return ends_open and all(meet(a.high, b.low) for a, b in itertools.pairwise(ranges))


def _ordered(ranges: Iterable[Range]) -> list[Range]:
    """Return typed ranges from low to high; those without a low end are first."""
    known = list(ranges)
    with_low = [one for one in known if one.low is not None]
    with_low.sort(key=lambda r: (r.low, r.high is None, r.low if r.high is None else r.high))
    return [one for one in known if one.low is None] + with_low


def range_of(group: Group) -> Callable[[Any], str | None]:
    """Return what tells the name of the range that a value lies in, ``other`` if in none; None if
    it is missing. The group's ends are typed and do not overlap (see :func:`typed`)."""
    ranges = _ordered(group.ranges)
    highs = [one.high for one in ranges if one.high is not None]

    def name(value: Any) -> str | None:
        if value is None:
            return None
        index = bisect_left(highs, value)
        if index == len(ranges):
            return OTHER
        found = ranges[index]
        return found.name if found.low is None or found.low <= value else OTHER

    return name
