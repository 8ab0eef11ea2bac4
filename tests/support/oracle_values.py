"""Single values in the oracle: what a test makes of one, how they sort, how they are shown."""

from __future__ import annotations

import fnmatch
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from query_api.language.conditions import Test

LISTS = ("texts", "addresses")
NUMBERS = ("integer", "number")
_BYTES = {"B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_COMPARED = {
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "greater_or_equal": operator.ge,
    "less_or_equal": operator.le,
}
_TIME = r"(\d+-\d+-\d+)(?:[T ](\d+:\d+)(:\d+)?(?:\.(\d+))?)?(Z|[+-]\d+:\d+)?"


class About(NamedTuple):
    """What there is to know of the values that a path leads to."""

    kind: str
    unit: str = ""
    case: str = ""


def passes(about: About, value: Any, test: Test, now: datetime) -> bool:
    """Return whether a value, of a path or missing, passes a test that is no negative one."""
    if test.operator == "not_null":
        return value not in (None, [], {})
    if test.operator == "has_key":
        return test.values[0] in (value or {})
    if about.kind in LISTS:
        single = about._replace(kind="address" if about.kind == "addresses" else "text")
        operator = "equal_to" if test.operator in ("contains", "has_tag") else test.operator
        return any(_passes(single, one, operator, test.values, now) for one in value or [])
    return value is not None and _passes(about, value, test.operator, test.values, now)


def _passes(about: About, value: Any, operator: str, given: tuple[Any, ...], now: datetime) -> bool:
    if operator in ("equal_to", "any_in"):
        compared = ipaddress.ip_address(value) if about.kind == "address" else value
        return any(compared == _given(about, one) for one in given)
    if operator == "older_than":
        return bool(value < _cutoff(given[0], now))
    if operator == "younger_than":
        return bool(value > _cutoff(given[0], now))
    if operator in _COMPARED:
        return bool(_COMPARED[operator](value, _given(about, given[0])))
    if operator == "matches_regex":
        return re.search(given[0], value) is not None
    if operator == "in_cidr":
        inside = ipaddress.ip_network(given[0], strict=False)
        return ipaddress.ip_address(value) in inside
    part = _in_case(about, given[0])
    if operator == "contains":
        return part in value
    if operator == "starts_with":
        return bool(value[: len(part)] == part)
    assert operator == "glob", operator
    return fnmatch.fnmatchcase(value, part)


def _given(about: About, given: Any) -> Any:
    if about.kind in NUMBERS:
        return amount(given, about.unit)
    if about.kind == "boolean":
        return given if isinstance(given, bool) else given.lower() in ("true", "yes")
    if about.kind == "time":
        return moment(given)
    if about.kind == "address":
        return ipaddress.ip_address(given)
    return _in_case(about, given)


def _in_case(about: About, text: str) -> str:
    return {"upper": text.upper(), "lower": text.lower(), "": text}[about.case]


def _cutoff(given: Any, now: datetime) -> datetime:
    if isinstance(given, str) and given[-1] in "smhdw":
        return now - timedelta(seconds=seconds(given))
    return moment(given)


def moment(given: Any) -> datetime:
    """Return the moment that a service's or an operator's time means; without a zone it is UTC."""
    if isinstance(given, datetime):
        return given if given.tzinfo else given.replace(tzinfo=timezone.utc)
    found = re.fullmatch(_TIME, given)
    assert found, given
    day, clock, second, fraction, zone = found.groups()
    read = datetime.strptime(f"{day} {clock or '00:00'}{second or ':00'}", "%Y-%m-%d %H:%M:%S")
    read = read.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")), tzinfo=timezone.utc)
    if zone in (None, "Z"):
        return read
    hours, minutes = zone[1:].split(":")
    east = timedelta(hours=int(hours), minutes=int(minutes))
    return read - east if zone[0] == "+" else read + east


def seconds(given: str) -> float:
    """Return the length of a duration."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    return sum(float(n) * units[unit] for n, unit in re.findall(r"([\d.]+)([smhdw])", given))


def amount(given: Any, unit: str) -> Any:
    """Return a number, or a size in a property's unit."""
    if not isinstance(given, str):
        return given
    if given[-1] != "B":
        return float(given)
    size = re.fullmatch(r"([\d.]+) ?([BKMGT]).*", given)
    assert size, given
    return float(size[1]) * _BYTES[size[2]] / _BYTES[unit[0].upper()]


def in_order(things: list[Any], value: Callable[[Any], Any], kind: str, down: bool) -> list[Any]:
    """Return things sorted by their values; missing ones last."""
    key = rank(kind)
    there = [thing for thing in things if value(thing) is not None]
    lacking = [thing for thing in things if value(thing) is None]
    return sorted(there, key=lambda thing: key(value(thing)), reverse=down) + lacking


def rank(kind: str) -> Callable[[Any], Any]:
    """Return what values of a kind are compared by."""
    if kind == "address":
        return lambda text: (ipaddress.ip_address(text).version, ipaddress.ip_address(text).packed)
    return lambda value: value


def shown(value: Any) -> Any:
    """Return a value as answers show it."""
    if not isinstance(value, datetime):
        return value
    text = value.astimezone(timezone.utc).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"
