"""Values to try a property's filters with: from rows that are there, and what may be misread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from query_api.language.kinds import LISTS
from query_api.language.schema import Property

#: Texts that a service may take for an operator, a pattern, a list, a number or nothing.
ODD = (
    "in:narrow,web",
    "neq:active",
    "gt:0",
    "%",
    "_",
    "web|db",
    ".*",
    "^web",
    "[a-z",
    "None",
    "null",
    "true",
    "0",
    "0x10",
    "1e3",
    "('a', 'b')",
    '"web-1"',
    "web-1,db-1",
    "a&name=web-1",
    "back\\slash",
    "*",
    "~web",
    " ",
    "",
    "straße",
    "İstanbul",
    "🦊",
    "x" * 300,
)
NOTHING = "no-such-thing"
_ADDRESSES = ("192.0.2.254", "2001:DB8:0:1:0:0:0:A", "::ffff:198.51.100.9")
_NUMBERS = (0, -1, 1.5, 10**6, 2**31, 2**63, 10**17)
_PATTERNS = (
    "^web",
    "1$",
    "^narrow-.*1$",
    "web|db",
    "(?i)WEB",
    "[0-9]+$",
    "\\.",
    "",
    "^$",
    "ß",
    "a{2}",
)
_MOMENTS = (
    "1s",
    "1d",
    "5000w",
    "1970-01-01",
    "0001-01-01",
    "9999-12-31T23:59:59",
    "2026-01-02T03:04:05.5+09:00",
)


def values(
    prop: Property, operator: str, many: bool, there: Sequence[Any], turn: int
) -> list[list[Any]]:
    """Return the values of each test of a property: lists of one, or of several for any_in.

    ``there`` are the property's values in all rows; ``turn`` says which odd texts are tried alone.
    ``many`` says that the service is asked for several in one request.
    """
    known = _chosen(prop, there)
    if operator == "any_in":
        found = list(_several(prop, known, many))
    else:
        found = [[value] for value in _single(prop, operator, known, turn)]
    once = {repr(given): given for given in found if given}
    return list(once.values())


def _chosen(prop: Property, there: Sequence[Any]) -> list[Any]:
    """Return a few of the different values, the odd ones first."""
    flat = [one for v in there for one in (v or () if prop.kind in LISTS else (v,))]
    found = sorted({one for one in flat if one is not None}, key=str)
    odd = [one for one in found if str(one).startswith("narrow")]
    return [*odd[:2], *odd[2:][-1:], *(found[-1:] if odd else [*found[:1], *found[-1:]])]


def _several(prop: Property, known: list[Any], many: bool) -> Iterator[list[Any]]:
    other = {"boolean": [True, False], "integer": list(_NUMBERS), "number": list(_NUMBERS)}
    more: list[Any] = other.get(prop.kind, list(ODD))
    if prop.kind in ("address", "addresses"):
        more = [*_ADDRESSES, *_ADDRESSES]
    yield from ([one] for one in ([True] if prop.kind == "boolean" else known or more[:1]))
    yield [*known[-1:], *known[:2]]
    if not many:
        yield [*known[:1], *more[3:4]]
        return
    for part in (more[::2], more[1::2]):
        yield [*known[-1:], *part]
    if prop.kind == "text":  # more than are asked for in one request
        yield [*known[:1], *(f"{NOTHING}-{number}" for number in range(120))]


def _single(prop: Property, operator: str, known: list[Any], turn: int) -> Iterator[Any]:
    if prop.kind == "boolean":
        yield from (True, False)
    elif prop.kind in ("integer", "number"):
        yield from known[:2]
        yield from (known[-1] + 1, known[-1] - 0.5) if known else ()
        yield from _turned(_NUMBERS, turn, 3)
    elif prop.kind == "time":
        yield from _moments(operator, known, turn)
    elif prop.kind in ("address", "addresses"):
        yield from known[-2:]
        yield from _turned(_ADDRESSES, turn, 2)
    elif operator in ("equal_to", "has_tag") or prop.kind in LISTS:
        yield from (known[:1] + known[-1:])
        yield from (part for one in known[:1] for part in (one.swapcase(), one[:-1]))
        yield from _turned((NOTHING, *ODD), turn, 1)
    else:
        yield from _parts(operator, known, turn)


def _moments(operator: str, known: list[str], turn: int) -> Iterator[str]:
    for one in known[-1:]:
        at = datetime.fromisoformat(one[:19])
        for seconds in (-1.0, 0.0, 0.5):
            yield (at + timedelta(seconds=seconds)).isoformat() + "Z"
    if operator in ("older_than", "younger_than"):
        yield from _turned(_MOMENTS, turn, 2)
    else:
        yield from _turned(_MOMENTS[3:], turn, 1)


def _parts(operator: str, known: list[str], turn: int) -> Iterator[str]:
    for one in known[:1] + known[-1:]:
        if operator == "starts_with":
            yield from (one[:8], one)
        elif operator == "contains":
            yield from (one[2:9], one)
        elif operator == "glob":
            yield from (f"{one[:8]}*", f"*{one[-2:]}", f"{one[:-1]}?", f"[a-z]{one[1:]}")
    for one in known[:1]:
        yield from (one[:8].swapcase(), f"{one[1:8]}.")
    if operator == "matches_regex":
        yield from _PATTERNS
    yield from _turned(ODD, turn, 3)


def _turned(all_of: Sequence[Any], turn: int, number: int) -> Iterator[Any]:
    yield from (all_of[(turn + step) % len(all_of)] for step in range(number))
