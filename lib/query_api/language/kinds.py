"""Kinds of values: reading what an operator gives, so that it can be compared with the cloud's."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from query_api.language import times
from query_api.language.schema import Kind, Property

LISTS: frozenset[Kind] = frozenset({"texts", "addresses"})
NUMBERS: frozenset[Kind] = frozenset({"integer", "number"})
ORDERED: frozenset[Kind] = frozenset({"integer", "number", "time"})
# What rows can be sorted and grouped by.
SINGLE: frozenset[Kind] = frozenset({"text", "integer", "number", "boolean", "time", "address"})
TEXTUAL: frozenset[Kind] = frozenset({"text", "address", "texts", "addresses"})

_BYTES = {"bytes": 1, "MiB": 1 << 20, "GiB": 1 << 30}
_SUFFIX = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", re.IGNORECASE)
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


_MANY_WORDS: dict[Kind, str] = {"texts": "a list of texts", "addresses": "a list of addresses"}


def a_kind(kind: Kind | None) -> str:
    """Return what a property of a kind is, for messages: ``an integer``."""
    if kind in _MANY_WORDS:
        return _MANY_WORDS[kind]
    return f"{'an' if str(kind)[0] in 'ai' else 'a'} {kind}"


def value_for(prop: Property, given: Any) -> Any:
    """Return ``given`` as a value that a property (or an element of it) can be compared with.

    Raises ValueError that says what it should be.
    """
    if prop.kind in NUMBERS:
        return _number(prop, given)
    if prop.kind == "boolean":
        return _boolean(given)
    if not isinstance(given, str):
        if prop.kind == "time" and hasattr(given, "isoformat"):
            return times.normal(given.isoformat())
        raise ValueError(f"{given!r} is not a text")
    if prop.kind == "time":
        return times.normal(given)
    if prop.kind in ("address", "addresses"):
        return _address(given)
    return {"upper": given.upper(), "lower": given.lower()}.get(prop.case, given)


def _number(prop: Property, given: Any) -> int | float:
    if isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given):
        return given
    if isinstance(given, str):
        if re.fullmatch(r"[+-]?\d{1,18}", given):
            return int(given)
        if re.fullmatch(r"[+-]?\d{1,18}\.\d+", given):
            return float(given)
        size = _SIZE.fullmatch(given)
        unit = _BYTES.get(prop.unit)
        if size and unit:
            factor = next(n for suffix, n in _SUFFIX.items() if suffix.lower() == _full(size[2]))
            return float(size[1]) * factor / unit
    what = f"a number of {prop.unit}" if prop.unit else "a number"
    raise ValueError(f"{given!r} is not {what}")


def _full(suffix: str) -> str:
    """Return ``gib`` for GB and GiB alike: nobody who types GB means powers of ten here."""
    return suffix.lower().replace("i", "").replace("b", "ib" if len(suffix) > 1 else "b")


def _boolean(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in _WORDS:
        return _WORDS[given.lower()]
    raise ValueError(f"{given!r} is neither true nor false")


def _address(given: str) -> str:
    found = canonical(given)
    if found is None:
        raise ValueError(f"{given!r} is not an IP address")
    return found


@cache
def canonical(address: str) -> str | None:
    """Return the one form of an address that IPv6 allows in several; None if it is none."""
    from ipaddress import ip_address

    try:
        return str(ip_address(address))
    except ValueError:
        return None
