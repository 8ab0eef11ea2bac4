"""Operators: which kinds each fits, and what it makes of the values that it was given.

What is missing is None and passes no positive operator. A negative operator is its positive one's
negation, so it is passed by what is missing. A list passes if one of its elements does; a list or
map with nothing in it is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from query_api.language import times
from query_api.language.kinds import LISTS, ORDERED, TEXTUAL, canonical, value_for
from query_api.language.schema import Kind, Property

Passes = Callable[[Any], bool]
Row = Sequence[Any]
# What an operator makes of its values: whether one single value, never a missing one, passes.
Make = Callable[[Property, Sequence[Any], datetime], Passes]
_ALL: frozenset[Kind] = frozenset(
    {"text", "integer", "number", "boolean", "time", "address", "texts", "addresses", "map"}
)
_LONGEST_GLOB = 1000


class Operator(msgspec.Struct, frozen=True):
    """The kinds that an operator fits, and what it makes of its values.

    ``whole`` says that it looks at a list as one value, not at its elements.
    """

    fits: frozenset[Kind]
    make: Make
    whole: bool = False


def _one_of(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    wanted = {value_for(prop, value) for value in values}
    if prop.kind in ("address", "addresses"):
        return _one_of_addresses(wanted)
    return wanted.__contains__


def _one_of_addresses(wanted: set[str]) -> Passes:
    if not any(":" in address for address in wanted):
        return wanted.__contains__
    # Only those of version 6 can be written in several ways.
    return lambda value: value in wanted or (":" in value and canonical(value) in wanted)


def _more(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    (limit,) = _comparable(prop, values)
    if prop.kind == "time":
        return lambda value: value[:-1] > limit
    return lambda value: value > limit


def _less(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    (limit,) = _comparable(prop, values)
    if prop.kind == "time":
        return lambda value: value[:-1] < limit
    return lambda value: value < limit


def _at_least(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    less = _less(prop, values, now)
    return lambda value: not less(value)


def _at_most(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    more = _more(prop, values, now)
    return lambda value: not more(value)


def _comparable(prop: Property, values: Sequence[Any]) -> list[Any]:
    read = [value_for(prop, value) for value in values]
    return [times.sortable(value) for value in read] if prop.kind == "time" else read


def _older(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    moment = times.cutoff(values[0], now)
    return lambda value: value[:-1] < moment


def _younger(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    moment = times.cutoff(values[0], now)
    return lambda value: value[:-1] > moment


def _regex(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    from query_api.language.patterns import searching

    return searching(_text(values[0]))


def _contains(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    if prop.kind in LISTS:
        return _one_of(prop, values, now)
    part = _folded(prop, values[0])
    return lambda value: part in value


def _starts(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    part = _folded(prop, values[0])
    return lambda value: value.startswith(part)


def _glob(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    from fnmatch import translate

    pattern = _folded(prop, values[0])
    if len(pattern) > _LONGEST_GLOB:
        raise ValueError(f"a shell pattern has at most {_LONGEST_GLOB} characters")
    # What Python makes of it goes back over no text twice, however many stars it has.
    match = re.compile(translate(pattern)).match
    return lambda value: match(value) is not None


def _in_cidr(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    from ipaddress import ip_address, ip_network

    try:
        networks = [ip_network(_text(value), strict=False) for value in values]
    except ValueError as error:
        raise ValueError(f"{error}: an address range looks like 10.0.0.0/8") from None

    @cache
    def passes(value: str) -> bool:
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return passes


def _has_key(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    key = _text(values[0])
    return lambda value: key in value


def _text(given: Any) -> str:
    if isinstance(given, str):
        return given
    raise ValueError(f"{given!r} is not a text")


def _folded(prop: Property, given: Any) -> str:
    text = _text(given)
    return {"upper": text.upper(), "lower": text.lower()}.get(prop.case, text)


def _there(prop: Property, values: Sequence[Any], now: datetime) -> Passes:
    if prop.kind in LISTS or prop.kind == "map":
        return bool
    return lambda value: True


_MAP: frozenset[Kind] = frozenset({"map"})
_TIME: frozenset[Kind] = frozenset({"time"})
POSITIVE: dict[str, Operator] = {
    "equal_to": Operator(_ALL - _MAP, _one_of),
    "any_in": Operator(_ALL - _MAP, _one_of),
    "greater_than": Operator(ORDERED, _more),
    "less_than": Operator(ORDERED, _less),
    "greater_or_equal": Operator(ORDERED, _at_least),
    "less_or_equal": Operator(ORDERED, _at_most),
    "older_than": Operator(_TIME, _older),
    "younger_than": Operator(_TIME, _younger),
    "matches_regex": Operator(TEXTUAL, _regex),
    "contains": Operator(TEXTUAL, _contains),
    "starts_with": Operator(TEXTUAL, _starts),
    "glob": Operator(TEXTUAL, _glob),
    "not_null": Operator(_ALL, _there, whole=True),
    "in_cidr": Operator(frozenset({"address", "addresses"}), _in_cidr),
    "has_key": Operator(_MAP, _has_key, whole=True),
    "has_tag": Operator(frozenset({"texts"}), _one_of),
}
# Each is the negation of the positive one.
NEGATIVE = {
    "not_equal_to": "equal_to",
    "not_any_in": "any_in",
    "not_matches_regex": "matches_regex",
    "is_null": "not_null",
}


def fitting(kind: Kind) -> list[str]:
    """Return the operators that fit a kind."""
    positive = [name for name, operator in POSITIVE.items() if kind in operator.fits]
    return positive + [name for name, other in NEGATIVE.items() if kind in POSITIVE[other].fits]


def predicate(
    prop: Property, name: str, values: Sequence[Any], now: datetime, index: int
) -> Passes:
    """Return whether a row passes an operator with its value at ``index``.

    Raises ValueError if a value is of the wrong type. The operator must fit the property's kind.
    """
    if name in NEGATIVE:
        positive = predicate(prop, NEGATIVE[name], values, now, index)
        return lambda row: not positive(row)
    operator = POSITIVE[name]
    passes = operator.make(prop, values, now)
    if prop.kind in LISTS and not operator.whole:
        return lambda row: any(map(passes, row[index] or ()))
    if operator.make is _one_of and prop.kind != "address":
        # None is in no set of wanted values.
        return lambda row: passes(row[index])

    def passed(row: Row) -> bool:
        value = row[index]
        return value is not None and passes(value)

    return passed
