"""Rows in the oracle: what paths lead to, over links too, and which rows pass a condition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from query_api.language.conditions import All, Any_, Condition, Not, Test
from support.oracle_values import LISTS, About, moment, passes, shown

Row = Mapping[str, Any]
# The rows by resource.
World = Mapping[str, Sequence[Row]]
# The negative operators: each is passed by whatever its positive one is not.
_NEGATIONS = {
    "not_equal_to": "equal_to",
    "not_any_in": "any_in",
    "not_matches_regex": "matches_regex",
    "is_null": "not_null",
}


@dataclass(frozen=True)
class Sheet:
    """What there is to know of a resource; a link is (resource, here, there, many)."""

    kinds: Mapping[str, str]
    units: Mapping[str, str]
    cases: Mapping[str, str]
    links: Mapping[str, tuple[str, str, str, bool]]
    default: Sequence[str]


@dataclass(frozen=True)
class Rows:
    """Reads rows as their sheets say, at one moment."""

    sheets: Mapping[str, Sheet]
    now: datetime

    def end(self, stages: Sequence[str]) -> str:
        """Return the resource that links lead to from the one whose name is the first."""
        name = stages[0]
        for link in stages[1:]:
            name = self.sheets[name].links[link][0]
        return name

    def about(self, name: str, path: str) -> About:
        """Return what a path's values are."""
        sheet = self.sheets[name]
        if path in sheet.kinds:
            return About(sheet.kinds[path], sheet.units[path], sheet.cases[path])
        if path == "cloud" or _map_of(sheet, path):
            return About("text")
        word, _, rest = path.partition(".")
        other, here, _there, many = sheet.links[word]
        found = self.about(other, rest)
        if found.kind not in LISTS and (many or sheet.kinds[here] in LISTS):
            return About("addresses" if found.kind == "address" else "texts", case=found.case)
        return found

    def value(self, world: World, name: str, row: Row, path: str) -> Any:
        """Return what a path leads to from a row; None if to nothing. Times are datetimes."""
        sheet = self.sheets[name]
        if path in sheet.kinds:
            found, kind = row.get(path), sheet.kinds[path]
            read = {"time": moment, "number": float}.get(kind)
            return found if read is None or found is None else read(found)
        if inside := _map_of(sheet, path):
            found = (row.get(inside) or {}).get(path[len(inside) + 1 :])
            return found if found is None else _text(found)
        word, _, rest = path.partition(".")
        other, here, _there, many = sheet.links[word]
        ends = [
            self.value(world, other, end, rest)
            for end in self.led_to(world, name, [row], word, again=True)
        ]
        if not many and sheet.kinds[here] not in LISTS:
            return ends[0] if ends else None
        texts: list[str] = []
        for end in ends:
            for one in end if isinstance(end, list) else [end]:
                if one is not None and _text(one) not in texts:
                    texts.append(_text(one))
        return texts

    def led_to(
        self, world: World, name: str, rows: Sequence[Row], link: str, *, again: bool = False
    ) -> list[Row]:
        """Return the rows that a link leads to from any of ``rows``: each once, in their own order;
        or ``again`` for every value that leads there, in the order of the values."""
        other, here, there, _many = self.sheets[name].links[link]
        starts: list[Any] = []
        for row in rows:
            start = self.value(world, name, row, here)
            starts += start if isinstance(start, list) else [start]
        ends = []
        for row in world[other]:
            stands = self.value(world, other, row, there)
            ends.append((row, stands if isinstance(stands, list) else [stands]))
        if again:
            return [
                row for start in starts for row, at in ends if start is not None and start in at
            ]
        return [row for row, at in ends if any(one is not None and one in starts for one in at)]

    def passes(self, world: World, name: str, row: Row, condition: Condition) -> bool:
        """Return whether a row passes a condition."""
        if isinstance(condition, Not):
            return not self.passes(world, name, row, condition.part)
        if isinstance(condition, All):
            return all(self.passes(world, name, row, part) for part in condition.parts)
        if isinstance(condition, Any_):
            return any(self.passes(world, name, row, part) for part in condition.parts)
        value = self.value(world, name, row, condition.path)
        about = self.about(name, condition.path)
        if condition.operator in _NEGATIONS:
            positive = Test(condition.path, _NEGATIONS[condition.operator], condition.values)
            return not passes(about, value, positive, self.now)
        return passes(about, value, condition, self.now)


def _map_of(sheet: Sheet, path: str) -> str:
    """Return the map that a path leads into, the one with the longest name; or nothing."""
    maps = [name for name, kind in sheet.kinds.items() if kind == "map"]
    return max((name for name in maps if path.startswith(f"{name}.")), key=len, default="")


def _text(value: Any) -> str:
    told = shown(value)
    return told if isinstance(told, str) else json.dumps(told)
