"""What rows are grouped by, and what is reckoned of each group: two small languages.

``project_id, status`` groups by values, ``flavor.ram: small ..2047, medium 2048..8191, large
8192..`` by named ranges, ends included; ``;`` stands between properties after ranges. For a time
the ends are ages: ``updated_at: fresh ..7d, old 30d..``. Aggregates read ``count, sum
flavor.vcpus, avg(flavor.ram)``. Ends stay texts here: see :func:`typed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from query_api.language.groups import (
    FUNCTIONS,
    Aggregate,
    Group,
    Range,
    flaw_of,
    group,
    range_of,
    typed,
)
from query_api.language.words import PATH, QUOTES, Words, shown, written

__all__ = [
    "FUNCTIONS",
    "Aggregate",
    "Group",
    "Range",
    "group",
    "parse_aggregate",
    "parse_group_by",
    "range_of",
    "typed",
    "unparse_aggregate",
    "unparse_group_by",
]

# Without a colon at its end, which announces ranges.
_PATH = re.compile(r"[\w.\-*@/]+(?::+[\w.\-*@/]+)*")
_NAME = re.compile(r"(?:(?!\.\.)[^\s,;:'\"])+")
_LOW = re.compile(r"(?:(?!\.\.)[^\s,;'\"])+")
_HIGH = re.compile(r"[^\s,;'\"]+")
_END = re.compile(r"[^\s,;]")
# What is shown without quotes; a lone * would be all rows.
_PLAIN_NAME = re.compile(r"[\w\-/]+")
_PLAIN_END = re.compile(r"[\w\-+/:](?:(?:\.(?!\.))?[\w\-+/:])*")
_PLAIN_PATH = re.compile(rf"(?!\*$){PATH.pattern}")
_FUNCTION = re.compile(r"[^\s,;()'\"]+")


def parse_group_by(text: str) -> list[Group]:
    """Return what the text says to group by, in its order; nothing for an empty text.

    Raises UserError that points at the word which cannot be understood.
    """
    words, groups = Words(text), list[Group]()
    if words.ended():
        return groups
    seen: set[str] = set()
    while True:
        found = _group(words)
        if found.path in seen:
            raise words.wrong(f"{shown(found.path)} is there twice", found.at)
        seen.add(found.path)
        groups.append(found)
        if words.ended():
            return groups
        if not (words.take(";") or words.take(",")):
            raise words.wrong(f"a comma or ; is missing before {words.here()}")


def _group(words: Words) -> Group:
    words.ended()
    at = words.at
    path = words.path(_PATH)
    if not path:
        raise words.wrong(_wanted("the name of a property", words))
    if not words.take(":"):
        if words.text.startswith("..", words.at) and ":" in path:
            raise words.wrong("a space is missing after the colon that comes before ranges", at)
        return Group(path, at=at, text=words.text)
    ranges: dict[str, Range] = {}
    while not ranges or words.take(","):
        one = _range(words)
        if one.name in ranges:
            raise words.wrong(f"there are two ranges called {shown(one.name)}", one.at)
        ranges[one.name] = one
    return Group(path, tuple(ranges.values()), at, words.text)


def _range(words: Words) -> Range:
    words.ended()
    at = words.at
    name = words.value(_NAME)
    if words.text.startswith("..", words.at):
        raise words.wrong("a range has a name and a space before it, as in small ..2047", at)
    if not name:
        raise words.wrong(_wanted("the name of a range, as in small ..2047,", words), at)
    if words.ended():
        raise words.wrong(_no_range(name), at)
    # No white space within a range: `2048 .. 8191` would be a range called 2048.
    start = words.at
    low = None if words.text.startswith("..", start) else words.value(_LOW)
    if not words.text.startswith("..", words.at):
        raise words.wrong(_no_range(name), at)
    words.at += 2
    high = words.value(_HIGH) if _END.match(words.text, words.at) else None
    bare = high and words.text[words.at - 1] not in QUOTES
    if high and bare and (high[0] == "." or ".." in high):
        raise words.wrong("a range is low..high; an end with dots in a row is quoted", start)
    if low is None and high is None:
        raise words.wrong(
            f"range {shown(name)} has no end: write low.., ..high or both, with no space", start
        )
    return Range(name, low, high, at)


def _no_range(name: str) -> str:
    return (
        f"{shown(name)} has no range: write low..high, ..high or low.. after it (a ; comes before "
        "the next property)"
    )


def _wanted(what: str, words: Words) -> str:
    return (
        f"{what} is missing at the end"
        if words.ended()
        else f"{what} is missing before " + (words.here())
    )


def parse_aggregate(text: str) -> list[Aggregate]:
    """Return the aggregates that the text names, in its order; nothing for an empty text.

    Raises UserError that points at the word which cannot be understood.
    """
    words, found = Words(text), list[Aggregate]()
    if words.ended():
        return found
    seen: set[tuple[str, str]] = set()
    while True:
        one = _aggregate(words)
        if (one.function, one.path) in seen:
            raise words.wrong(f"{unparse_aggregate([one])} is there twice", one.at)
        seen.add((one.function, one.path))
        found.append(one)
        if words.ended():
            return found
        if not words.take(","):
            raise words.wrong(f"a comma is missing before {words.here()}")


def _aggregate(words: Words) -> Aggregate:
    words.ended()
    at = words.at
    function = words.match(_FUNCTION).lower()
    if not function:
        raise words.wrong(_wanted("an aggregate", words), at)
    if function not in FUNCTIONS:
        raise words.wrong(flaw_of(function, ""), at)
    words.ended()
    opened = words.at
    inside = words.take("(")
    quoted = not words.ended() and words.text[words.at] in QUOTES
    path = words.path()
    if path == "*" and not quoted:
        path = ""  # `count(*)`, as in SQL
    if inside and not words.take(")"):
        raise words.wrong("this ( is not closed" if words.ended() else ") is missing", opened)
    if flaw := flaw_of(function, path):
        raise words.wrong(flaw, at)
    return Aggregate(function, path, at, words.text)


def unparse_group_by(groups: Iterable[Group]) -> str:
    """Return the text that :func:`parse_group_by` reads as these groups."""
    return "; ".join(map(_group_text, groups))


def _group_text(group: Group) -> str:
    path = written(group.path, _PATH)
    if not group.ranges:
        return path
    return f"{path}: {', '.join(map(_range_text, group.ranges))}"


def _range_text(one: Range) -> str:
    low, high = (
        "" if end is None else written(str(end), _PLAIN_END) for end in (one.low, one.high)
    )
    return f"{written(one.name, _PLAIN_NAME)} {low}..{high}"


def unparse_aggregate(aggregates: Iterable[Aggregate]) -> str:
    """Return the text that :func:`parse_aggregate` reads as these; of one, also its title."""
    return ", ".join(map(_aggregate_text, aggregates))


def _aggregate_text(one: Aggregate) -> str:
    return f"{one.function} {written(one.path, _PLAIN_PATH)}" if one.path else one.function
