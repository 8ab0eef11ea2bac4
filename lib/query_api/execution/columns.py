"""Columns: which are read of a resource are read, from where, and where they stand in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from query_api.execution.paths import Path, resolve
from query_api.execution.predicates import Passes, all_pass, compiled
from query_api.language.conditions import Condition, conjuncts, tests
from query_api.language.schema import Link, Property, Resource
from query_api.resources import resource


class Options(msgspec.Struct, frozen=True):
    """How a query is carried out: at what moment, whether services are asked for less, and how
    many rows are enough (None: all)."""

    now: datetime
    narrow: bool = True
    enough: int | None = None


class Join(msgspec.Struct):
    """What is joined over a link: the column set there, and the paths that it is wanted for."""

    link: Link
    columns: ColumnSet
    paths: list[Path]


class ColumnSet:
    """The columns that are wanted of one resource, and everything that is joined to it.

    A row is a tuple: first the listing's own columns, then those of each source, then those that
    are joined over each link, then what is made of these, and at last those of the sources that
    take a request for each row. First everything is needed, then positions are asked for.
    """

    def __init__(
        self, of: Resource, lead: str = "", resolved: Mapping[str, Path] | None = None
    ) -> None:
        """``lead`` is what stands before its paths where the columns are joined to others.

        ``resolved`` are paths of the resource that need not be resolved again.
        """
        self.resource, self.lead, self._resolved = of, lead, resolved or {}
        # The parts of the condition that were compiled, by identity: values of any_in can be many.
        self._compiled: dict[int, Passes] = {}
        # The columns: those of the listing by path, those of each source, those of each link, and
        # those that are made of what was joined.
        self.own: dict[str, Path] = {}
        self.sources: dict[str, list[Path]] = {}
        self._joins: dict[str, Join] = {}
        self.made: dict[str, Path] = {}
        self._paths: dict[str, Path] = {}
        # Paths that rows go by (see go_by), those of them that are needed whole, and those that
        # nobody asked for.
        self.decisive: set[str] = set()
        self.wholly: set[str] = set()
        self.courtesy: set[str] = set()
        self.need(of.key or of.properties[0].name)

    def need(self, text: str) -> Path:
        """Have a path among the columns; raises UserError if it leads nowhere."""
        if text in self._paths:
            return self._paths[text]
        path = self._resolved.get(text) or resolve(self.resource, text)
        self._paths[text] = path
        if path.links:
            self._need_joined(path)
        elif path.prop.over:
            for way in path.prop.over:
                self.need(way)
            self.made[text] = path
        elif path.prop.source:
            self.need(self.resource.sources[path.prop.source].key)
            if path.prop.only:
                self.need(path.prop.only[0])
            self.sources.setdefault(path.prop.source, []).append(path)
        else:
            self.own[text] = path
        return path

    def show(self, text: str) -> None:
        """Have a path among the columns that nobody asked for: it may be empty without a word."""
        if text not in self._paths:
            self.courtesy.add(text)
        self.need(text)

    def _need_joined(self, path: Path) -> None:
        link = path.links[0]
        self.need(link.here)
        if link.name not in self._joins:
            columns = ColumnSet(resource(link.resource), f"{self.lead}{link.name}.")
            self._joins[link.name] = Join(link, columns, [])
        join = self._joins[link.name]
        join.columns.need(link.there)
        join.columns.need(beyond(link, path))
        join.paths.append(path)

    def go_by(self, text: str, *, wholly: bool = False) -> Path:
        """Have a path among the columns that decides which rows there are, or what is made of them.

        A column that is merely shown may be missing where it cannot be read. Where such a one
        cannot, no row is read: all would seem to have nothing there, which is untrue. With
        ``wholly`` the same holds where it is missing in some rows: groups and figures would be
        wrong, and not only short of rows.
        """
        path = self.need(text)
        self.decisive.add(text)
        if wholly:
            self.wholly.add(text)
        for way in path.prop.over if not path.links else ():
            # Of a part of what stands there it would be untrue.
            self.go_by(way, wholly=True)
        if path.links:
            link = path.links[0]
            self.go_by(link.here, wholly=wholly)
            self._joins[link.name].columns.go_by(beyond(link, path), wholly=wholly)
        return path

    def need_all(self, condition: Condition) -> None:
        """Have every path of a condition among the columns, and what its filters look at."""
        for test in tests(condition):
            path = self.go_by(test.path)
            filter_ = path.prop.filters.get(test.operator) if not path.links else None
            if filter_ is not None and filter_.unless:
                self.need(filter_.unless[0])

    @property
    def joins(self) -> list[Join]:
        """What is joined."""
        return list(self._joins.values())

    def read_by(self, *, each: bool) -> dict[str, list[Path]]:
        """Return the paths of the sources that take a request for each row, or of the others."""
        known = self.resource.sources
        return {name: paths for name, paths in self.sources.items() if known[name].each is each}

    @property
    def layout(self) -> list[str]:
        """The paths of the columns, in the order in which they stand in a row."""
        first, last = self.read_by(each=False), self.read_by(each=True)
        return [
            *self.own,
            *(path.text for paths in first.values() for path in paths),
            *(path.text for join in self._joins.values() for path in join.paths),
            *self.made,
            *(path.text for paths in last.values() for path in paths),
        ]

    def where(self, text: str) -> tuple[Property, int]:
        """Return what a needed path's values are, and where in a row they stand."""
        return self._paths[text].end, self.layout.index(text)

    def compile(self, condition: Condition, now: datetime) -> None:
        """Compile a condition's parts for :meth:`passes`; the condition has to outlive the columns.

        Raises UserError for an operator or value that does not fit.
        """
        for part in conjuncts(condition):
            self._compiled[id(part)] = compiled(part, self.where, now)

    def passes(self, parts: Sequence[Condition], now: datetime) -> Passes:
        """Return whether a row passes all parts; what a link adds to a condition is compiled."""
        known = (self._compiled.get(id(part)) for part in parts)
        return all_pass(
            [
                passes or compiled(part, self.where, now)
                for part, passes in zip(parts, known, strict=True)
            ]
        )

    def split(self, condition: Condition) -> tuple[list[Condition], list[Condition]]:
        """Return the parts that a listing's own columns decide, and those that need the rest."""
        own: list[Condition] = []
        rest: list[Condition] = []
        for part in conjuncts(condition):
            (own if all(test.path in self.own for test in tests(part)) else rest).append(part)
        return own, rest


def beyond(link: Link, path: Path) -> str:
    """Return what is left of a path on the other side of its first link."""
    return path.text[len(link.name) + 1 :]
