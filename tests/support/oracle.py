"""What a query means, said a second time and as plainly as can be: loops over lists of rows.

Nothing in the oracle is shared with the engine but the plain data of conditions. A row is a mapping
by property, with times as a service writes them; a world holds the rows of each resource.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from query_api.language.conditions import Condition
from support.oracle_rows import Row, Rows, World
from support.oracle_values import amount, in_order, rank, seconds, shown

# A name, a low and a high end.
Ranges = Sequence[tuple[str, Any, Any]]
Table = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Question:
    """A query. The first stage is a resource's name with its condition, the others are links'."""

    stages: Sequence[tuple[str, Condition]]
    select: Sequence[str] = ()
    append: Sequence[tuple[str, Sequence[str]]] = ()
    sort_by: Sequence[str] = ()
    groups: Mapping[str, Ranges] = field(default_factory=dict)
    aggregates: Sequence[tuple[str, str]] = ()
    distinct: bool = False
    limit: int | None = None


@dataclass
class _Found:
    """A row that passed, and where it is from."""

    cloud: str
    world: World
    row: Row


def answer(question: Question, worlds: Mapping[str, World], rows: Rows) -> Table:
    """Return the columns as (name, kind), and the rows."""
    columns, told = _Asked(question, rows).answer(worlds)
    if question.distinct:
        written = [json.dumps(row, sort_keys=True) for row in told]
        told = [row for at, row in enumerate(told) if written[at] not in written[:at]]
    return columns, told if question.limit is None else told[: question.limit]


@dataclass(frozen=True)
class _Asked:
    question: Question
    rows: Rows

    def answer(self, worlds: Mapping[str, World]) -> Table:
        found = [one for cloud, world in worlds.items() for one in self._found(cloud, world)]
        if self.question.aggregates:
            return self._aggregated(found)
        return self._listed(found, several=len(worlds) > 1)

    @property
    def _name(self) -> str:
        """The resource whose rows are the answer."""
        return self.rows.end([link for link, _ in self.question.stages])

    def _found(self, cloud: str, world: World) -> list[_Found]:
        name, condition = self.question.stages[0]
        kept = [row for row in world[name] if self.rows.passes(world, name, row, condition)]
        for link, condition in self.question.stages[1:]:
            led = self.rows.led_to(world, name, kept, link)
            name = self.rows.sheets[name].links[link][0]
            kept = [row for row in led if self.rows.passes(world, name, row, condition)]
        return [_Found(cloud, world, row) for row in kept]

    def _value(self, one: _Found, path: str) -> Any:
        if path == "cloud":
            return one.cloud
        return self.rows.value(one.world, self._name, one.row, path)

    def _kind(self, path: str) -> str:
        return "text" if self._ranges(path) else self.rows.about(self._name, path).kind

    def _ranges(self, path: str) -> Ranges:
        return self.question.groups.get(path, ())

    def _listed(self, found: list[_Found], *, several: bool) -> Table:
        question = self.question
        for text in reversed(question.sort_by):
            path = text.removeprefix("-")
            kind = self.rows.about(self._name, path).kind
            values = [(self._value(one, path), one) for one in found]
            ordered = in_order(values, lambda pair: pair[0], kind, text[0] == "-")
            found = [one for _, one in ordered]
        found = [one for _key, part in self._grouped(found) for one in part]
        paths = ["cloud"] if several and "cloud" not in (*question.select, *question.groups) else []
        appended = [f"{link}.{name}" for link, names in question.append for name in names]
        selected = question.select or self.rows.sheets[self._name].default
        for path in (*question.groups, *selected, *appended):
            paths += [path] if path not in paths else []
        told = [tuple(shown(self._group_of(one, path)) for path in paths) for one in found]
        return [(path, self._kind(path)) for path in paths], told

    def _grouped(self, found: list[_Found]) -> list[tuple[list[Any], list[_Found]]]:
        """Return the rows by group: in the order they have if they were sorted, else by value."""
        paths = list(self.question.groups)
        groups: list[tuple[list[Any], list[_Found]]] = []
        for one in found:
            key = [self._group_of(one, path) for path in paths]
            known = [part for other, part in groups if other == key]
            if known:
                known[0].append(one)
            else:
                groups.append((key, [one]))
        if not self.question.sort_by:
            for at, path in reversed(list(enumerate(paths))):
                groups = self._by_group(groups, at, path, down=False)
        return groups

    def _by_group(self, groups: list[Any], at: int, path: str, *, down: bool) -> list[Any]:
        """Return things that begin with groups' values by one of these; ranges as given."""
        names = [*(name for name, _, _ in self._ranges(path)), "other"]
        if not self._ranges(path):
            return in_order(groups, lambda one: one[0][at], self._kind(path), down)

        def place(one: Any) -> int | None:
            return None if one[0][at] is None else names.index(one[0][at])

        return in_order(groups, place, "integer", down)

    def _group_of(self, one: _Found, path: str) -> Any:
        """Return the value of a path, or the name of the range that it lies in."""
        value = self._value(one, path)
        if value is None or not self._ranges(path):
            return value
        about = self.rows.about(self._name, path)
        if about.kind == "time":
            value = (self.rows.now - value) / timedelta(seconds=1)
        fits = []
        for name, low, high in self._ranges(path):
            ends = [None if end is None else _end(end, *about[:2]) for end in (low, high)]
            if (ends[0] is None or ends[0] <= value) and (ends[1] is None or value <= ends[1]):
                fits.append((ends[0] is not None, ends[0], name))
        # An end that two ranges share is the lower one's.
        return min(fits)[2] if fits else "other"

    def _aggregated(self, found: list[_Found]) -> Table:
        paths, aggregates = list(self.question.groups), self.question.aggregates
        columns = [(path, self._kind(path)) for path in paths]
        for function, path in aggregates:
            kind = {"count": "integer", "avg": "number"}.get(function) or self._kind_of_all(path)
            columns.append((f"{function} {path}".strip(), kind))
        groups = self._grouped(found) if paths else [([], found)]
        made = [
            ([*key, *(self._reckoned(part, *one) for one in aggregates)],) for key, part in groups
        ]
        names = [name for name, _ in columns]
        for text in reversed(self.question.sort_by):
            at, down = names.index(text.removeprefix("-")), text[0] == "-"
            if at < len(paths):
                made = self._by_group(made, at, paths[at], down=down)
            else:
                made = in_order(made, lambda one, at=at: one[0][at], columns[at][1], down)
        return columns, [tuple(map(shown, one[0])) for one in made]

    def _kind_of_all(self, path: str) -> str:
        return self.rows.about(self._name, path).kind

    def _reckoned(self, part: list[_Found], function: str, path: str) -> Any:
        if not path:
            return len(part)
        values = [self._value(one, path) for one in part]
        values = [value for value in values if value not in (None, [], {})]
        if function == "count":
            return len(values)
        if function == "sum":
            return sum(values)
        if not values:
            return None
        if function == "avg":
            return sum(values) / len(values)
        ranked = sorted(values, key=rank(self._kind_of_all(path)))
        return ranked[0] if function == "min" else ranked[-1]


def _end(given: Any, kind: str, unit: str) -> Any:
    return seconds(given) if kind == "time" else amount(given, unit)
