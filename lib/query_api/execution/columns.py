"""Frames: which columns of a resource are read, from where, and how they are put side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from common.errors import CloudError
from query_api.execution import joining
from query_api.execution.listing import Listed, map_value
from query_api.execution.paths import Path, resolve
from query_api.execution.predicates import Passes, all_pass, compiled
from query_api.language.completeness import passed_by_nothing
from query_api.language.conditions import All, Condition, Test, conjuncts, tests
from query_api.language.schema import Link, Property, Resource
from query_api.resources import resource
from query_api.wire.narrowing import Ask, Narrowed, narrowed
from query_api.wire.reading import Reading

Row = tuple[Any, ...]


class Options(msgspec.Struct, frozen=True):
    """How a query is carried out: at what moment, whether services are asked for less, and how
    many rows are enough (None: all)."""

    now: datetime
    narrow: bool = True
    enough: int | None = None


class Join(msgspec.Struct):
    """What is joined over a link: the frame there, and the paths that it is wanted for."""

    link: Link
    frame: Frame
    paths: list[Path]


class Frame:
    """The columns that are wanted of one resource, and everything that is joined to it.

    A row is a tuple: first the listing's own columns, then those of each source, then those that
    are joined over each link. First everything is needed, then positions are asked for.
    """

    def __init__(
        self, of: Resource, lead: str = "", resolved: Mapping[str, Path] | None = None
    ) -> None:
        """``lead`` is what stands before its paths where the frame is joined to others.

        ``resolved`` are paths of the resource that need not be resolved again.
        """
        self.resource, self._lead, self._resolved = of, lead, resolved or {}
        # The parts of the condition that were compiled, by identity: values of any_in can be many.
        self._compiled: dict[int, Passes] = {}
        self._own: dict[str, Path] = {}
        self._sources: dict[str, list[Path]] = {}
        self._joins: dict[str, Join] = {}
        self._paths: dict[str, Path] = {}
        self._decisive: set[str] = set()
        self._wholly: set[str] = set()
        self._courtesy: set[str] = set()
        self.need(of.key or of.properties[0].name)

    def need(self, text: str) -> Path:
        """Have a path among the columns; raises UserError if it leads nowhere."""
        if text in self._paths:
            return self._paths[text]
        path = self._resolved.get(text) or resolve(self.resource, text)
        self._paths[text] = path
        if path.links:
            self._need_joined(path)
        elif path.prop.source:
            self.need(self.resource.sources[path.prop.source].key)
            self._sources.setdefault(path.prop.source, []).append(path)
        else:
            self._own[text] = path
        return path

    def show(self, text: str) -> None:
        """Have a path among the columns that nobody asked for: it may be empty without a word."""
        if text not in self._paths:
            self._courtesy.add(text)
        self.need(text)

    def _need_joined(self, path: Path) -> None:
        link = path.links[0]
        self.need(link.here)
        if link.name not in self._joins:
            frame = Frame(resource(link.resource), f"{self._lead}{link.name}.")
            self._joins[link.name] = Join(link, frame, [])
        join = self._joins[link.name]
        join.frame.need(link.there)
        join.frame.need(_beyond(link, path))
        join.paths.append(path)

    def go_by(self, text: str, *, wholly: bool = False) -> Path:
        """Have a path among the columns that decides which rows there are, or what is made of them.

        A column that is merely shown may be missing where it cannot be read. Where such a one
        cannot, no row is read: all would seem to have nothing there, which is untrue. With
        ``wholly`` the same holds where it is missing in some rows: groups and figures would be
        wrong, and not only short of rows.
        """
        path = self.need(text)
        self._decisive.add(text)
        if wholly:
            self._wholly.add(text)
        if path.links:
            link = path.links[0]
            self.go_by(link.here, wholly=wholly)
            self._joins[link.name].frame.go_by(_beyond(link, path), wholly=wholly)
        return path

    def need_all(self, condition: Condition) -> None:
        """Have every path of a condition among the columns, and what its filters look at."""
        for test in tests(condition):
            path = self.go_by(test.path)
            filter_ = path.prop.filters.get(test.preset) if not path.links else None
            if filter_ is not None and filter_.unless:
                self.need(filter_.unless[0])

    @property
    def sources(self) -> list[str]:
        """The sources that are read."""
        return list(self._sources)

    @property
    def joins(self) -> list[Join]:
        """What is joined."""
        return list(self._joins.values())

    @property
    def layout(self) -> list[str]:
        """The paths of the columns, in the order in which they stand in a row."""
        return [
            *self._own,
            *(path.text for paths in self._sources.values() for path in paths),
            *(path.text for join in self._joins.values() for path in join.paths),
        ]

    def where(self, text: str) -> tuple[Property, int]:
        """Return what a needed path's values are, and where in a row they stand."""
        return self._paths[text].end, self.layout.index(text)

    def compile(self, condition: Condition, now: datetime) -> None:
        """Compile a condition's parts for :meth:`read`; the condition has to outlive the frame.

        Raises UserError for a preset or value that does not fit.
        """
        for part in conjuncts(condition):
            self._compiled[id(part)] = compiled(part, self.where, now)

    def _passes(self, parts: Sequence[Condition], now: datetime) -> Passes:
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
            (own if all(test.path in self._own for test in tests(part)) else rest).append(part)
        return own, rest

    def narrowed(self, reading: Reading | None, condition: Condition, options: Options) -> Narrowed:
        """Return what the service is asked for; with no reading, nothing is looked up for it."""
        own, _rest = self.split(condition)
        single = [part for part in own if isinstance(part, Test)]

        def expand(name: str) -> Sequence[Any]:
            if reading is None:
                return ()
            if name in reading.values:
                return reading.values[name]
            other, _, prop = name.partition(".")
            frame = Frame(resource(other))
            frame.need(prop)
            _end, index = frame.where(prop)
            everything = msgspec.structs.replace(options, enough=None)
            found = [row[index] for row in frame.read(reading, All(()), everything)]
            reading.values[name] = found
            return found

        return narrowed(self.resource, single, options.now, expand, narrow=options.narrow)

    def read(
        self,
        reading: Reading,
        condition: Condition,
        options: Options,
        wanted: Mapping[str, Collection[Any]] | None = None,
    ) -> list[Row]:
        """Return the rows that pass a condition. Raises CloudError, UserError.

        What cannot be joined is missing in the rows, and said to be; what the rows go by (see
        :meth:`go_by`) and cannot be read is the CloudError. ``wanted`` are the values of unique
        columns that somebody looks for: where all of them are found, nothing is missing.
        """
        own, rest = self.split(condition)
        mark = reading.mark()
        keep = self._passes(own, options.now) if own else None
        listed = Listed(reading, self.resource, list(self._own.values()), keep)
        rows = self._at_once(reading, listed, wanted) if wanted and options.narrow else None
        if rows is None:
            asked = self.narrowed(reading, condition, options)
            rows = listed.rows(asked, None if rest else options.enough)
        if wanted and reading.cut > mark[1] and self._has_all(rows, wanted):
            reading.take_back(mark)
        doubted = set(passed_by_nothing(All(tuple(rest))))
        for name, paths in self._sources.items():
            rows = self._with_source(reading, name, paths, rows, doubted)
        for join in self._joins.values():
            rows = self._joined(reading, join, rows, options, doubted)
        if rest:
            passes = self._passes(rest, options.now)
            rows = [row for row in rows if passes(row)]
        return rows

    def _at_once(
        self, reading: Reading, listed: Listed, wanted: Mapping[str, Collection[Any]]
    ) -> list[Row] | None:
        """Return the rows of a listing asked for nothing, if all that is wanted is in it."""
        if not self.resource.at_once or set(wanted) & set(self.resource.needs):
            return None
        mark = reading.mark()
        try:
            rows = listed.rows(Narrowed([Ask()]))
        except CloudError:
            return None
        if self._has_all(rows, wanted):
            return rows
        reading.take_back(mark)
        return None

    def _has_all(self, rows: Sequence[Row], wanted: Mapping[str, Collection[Any]]) -> bool:
        places = {path: list(self._own).index(path) for path in wanted if path in self._own}
        return len(places) == len(wanted) and all(
            set(values) <= {row[places[path]] for row in rows} for path, values in wanted.items()
        )

    def _with_source(
        self,
        reading: Reading,
        name: str,
        paths: Sequence[Path],
        rows: list[Row],
        doubted: Collection[str],
    ) -> list[Row]:
        source = self.resource.sources[name]
        _end, key = self.where(source.key)
        known: Mapping[Any, Any] = {}
        if rows:
            with self._reading_more(reading, name, paths, doubted):
                known = source.read(reading, [row[key] for row in rows])
        return [row + tuple(_said(path, known.get(row[key])) for path in paths) for row in rows]

    def _joined(
        self,
        reading: Reading,
        join: Join,
        rows: list[Row],
        options: Options,
        doubted: Collection[str],
    ) -> list[Row]:
        link = join.link
        here, at = self.where(link.here)
        values = joining.values(rows, at, here)
        found: list[Row] = []
        if values:
            with self._reading_more(reading, link.name, join.paths, doubted):
                everything = msgspec.structs.replace(options, enough=None)
                condition = Test(link.there, "any_in", tuple(values))
                wanted = None if link.many else {link.there: values}
                found = join.frame.read(reading, condition, everything, wanted)
        there = join.frame.where(link.there)
        inner = [join.frame.where(_beyond(link, path))[1] for path in join.paths]
        index = joining.index(found, there[1], there[0], inner)
        return joining.side_by_side(rows, at, here, index, [path.end for path in join.paths], link)

    @contextmanager
    def _reading_more(
        self, reading: Reading, name: str, paths: Sequence[Path], doubted: Collection[str]
    ) -> Iterator[None]:
        """Say that columns are missing if the cloud refuses what is read for them in the block.

        Raises CloudError if rows go by one of these columns, or would pass a test of one that is
        ``doubted`` because of what was left out, or if what is made of them goes by all of it.
        """
        what, texts = f"{name} of {self.resource.plural}", {path.text for path in paths}
        before, mark = reading.cut, reading.mark()
        try:
            yield
        except CloudError as error:
            if texts & self._decisive:
                raise _undecided(what, "could not be read", str(error), error.status) from None
            reading.incomplete(what, str(error), rows=False)
            reading.unread.update(self._lead + text for text in texts)
        if reading.cut > before:
            reading.unread.update(self._lead + text for text in texts)
        if reading.cut > before and texts & {*doubted, *self._wholly}:
            why = "; ".join(f"{of}: {why}" for of, why in reading.reasons)
            raise _undecided(what, "could not be read whole", why)
        if texts <= self._courtesy - self._decisive:
            reading.take_back(mark)


def _beyond(link: Link, path: Path) -> str:
    """Return what is left of a path on the other side of its first link."""
    return path.text[len(link.name) + 1 :]


def _undecided(what: str, how: str, why: str, status: int | None = None) -> CloudError:
    return CloudError(f"No rows, because {what}, which they go by, {how}: {why}", status=status)


def _said(path: Path, known: Any) -> Any:
    if known is None:
        return None
    value = path.prop.of(known) if path.prop.of else known
    return value if path.key is None else map_value(value, path.key)
