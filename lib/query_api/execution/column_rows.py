"""The rows of a column set, read from one cloud: the listing first, then what belongs to each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from common.errors import CloudError
from query_api.execution import joining
from query_api.execution.columns import ColumnSet, Join, Options, beyond
from query_api.execution.listing import Listed, map_value
from query_api.execution.paths import Path
from query_api.language.completeness import passed_by_nothing
from query_api.language.conditions import All, Condition, Test, tests
from query_api.language.schema import Property
from query_api.resources import resource
from query_api.wire.narrowing import Ask, Narrowed, narrowed
from query_api.wire.reading import Reading

Row = tuple[Any, ...]


def read(
    columns: ColumnSet,
    reading: Reading,
    condition: Condition,
    options: Options,
    wanted: Mapping[str, Collection[Any]] | None = None,
) -> list[Row]:
    """Return the rows of a column set that pass a condition. Raises CloudError, UserError.

    What cannot be joined is missing in the rows, and reported so; a column that decides about rows
    (see :meth:`ColumnSet.go_by`) and cannot be read raises CloudError. ``wanted`` are values of
    unique columns: if all of them are found, nothing counts as missing.
    """
    return _ColumnRows(columns, reading, options).rows(condition, wanted)


def narrowed_for(
    columns: ColumnSet, reading: Reading | None, condition: Condition, options: Options
) -> Narrowed:
    """Return what the service is asked for; with no reading, nothing is looked up for it."""
    own, _rest = columns.split(condition)
    single = [part for part in own if isinstance(part, Test)]

    def expand(name: str) -> Sequence[Any]:
        if reading is None:
            return ()
        if name in reading.values:
            return reading.values[name]
        other, _, prop = name.partition(".")
        there = ColumnSet(resource(other))
        there.need(prop)
        _end, index = there.where(prop)
        everything = msgspec.structs.replace(options, enough=None)
        found = [row[index] for row in read(there, reading, All(()), everything)]
        reading.values[name] = found
        return found

    return narrowed(columns.resource, single, options.now, expand, narrow=options.narrow)


class _ColumnRows:
    def __init__(self, columns: ColumnSet, reading: Reading, options: Options) -> None:
        self._columns, self._reading, self._options = columns, reading, options

    def rows(self, condition: Condition, wanted: Mapping[str, Collection[Any]] | None) -> list[Row]:
        """Return the rows that pass a condition. See :func:`read`."""
        columns, reading, options = self._columns, self._reading, self._options
        own, rest = columns.split(condition)
        mark = reading.mark()
        keep = columns.passes(own, options.now) if own else None
        listed = Listed(reading, columns.resource, list(columns.own.values()), keep)
        rows = self._at_once(listed, wanted) if wanted and options.narrow else None
        if rows is None:
            asked = narrowed_for(columns, reading, condition, options)
            rows = listed.rows(asked, None if rest else options.enough)
        if wanted and reading.cut > mark[1] and self._has_all(rows, wanted):
            reading.take_back(mark)
        doubted = set(passed_by_nothing(All(tuple(rest))))
        for name, paths in columns.read_by(each=False).items():
            rows = self._with_source(name, paths, rows, doubted)
        for join in columns.joins:
            rows = self._joined(join, rows, doubted)
        if columns.made:
            rows = self._with_made(rows)
        last = columns.read_by(each=True)
        if last:
            dear = {path.text for paths in last.values() for path in paths}
            rows = self._passing([part for part in rest if not _looks_at(part, dear)], rows)
            rest = [part for part in rest if _looks_at(part, dear)]
        for name, paths in last.items():
            rows = self._with_source(name, paths, rows, doubted)
        return self._passing(rest, rows)

    def _passing(self, parts: Sequence[Condition], rows: list[Row]) -> list[Row]:
        if not parts:
            return rows
        passes = self._columns.passes(parts, self._options.now)
        return [row for row in rows if passes(row)]

    def _at_once(self, listed: Listed, wanted: Mapping[str, Collection[Any]]) -> list[Row] | None:
        """Return the rows of a listing asked for nothing, if all that is wanted is in it."""
        resource = self._columns.resource
        if not resource.at_once or set(wanted) & set(resource.needs):
            return None
        mark = self._reading.mark()
        try:
            rows = listed.rows(Narrowed([Ask()]))
        except CloudError:
            return None
        if self._has_all(rows, wanted):
            return rows
        self._reading.take_back(mark)
        return None

    def _has_all(self, rows: Sequence[Row], wanted: Mapping[str, Collection[Any]]) -> bool:
        own = self._columns.own
        places = {path: list(own).index(path) for path in wanted if path in own}
        return len(places) == len(wanted) and all(
            set(values) <= {row[places[path]] for row in rows} for path, values in wanted.items()
        )

    def _with_source(
        self, name: str, paths: Sequence[Path], rows: list[Row], doubted: Collection[str]
    ) -> list[Row]:
        source = self._columns.resource.sources[name]
        _end, key = self._columns.where(source.key)
        known: Mapping[Any, Any] = {}
        has = [self._can_have(path.prop) for path in paths]
        asked = [row[key] for row in rows if any(can(row) for can in has)]
        if asked:
            with self._reading_more(name, paths, doubted):
                known = source.read(self._reading, asked)
        readable = list(zip(paths, has, strict=True))
        return [
            row
            + tuple(
                _value_of(path, known.get(row[key])) if can(row) else None for path, can in readable
            )
            for row in rows
        ]

    def _can_have(self, prop: Property) -> Callable[[Row], bool]:
        if prop.only is None:
            return lambda row: True
        name, wanted = prop.only
        _end, at = self._columns.where(name)
        return lambda row: bool(row[at] == wanted)

    def _with_made(self, rows: list[Row]) -> list[Row]:
        """Return the rows with what is made of joined columns; missing where those could not be
        read."""
        columns, unread = self._columns, self._reading.unread
        computed: list[tuple[Path, list[int]]] = []
        for path in columns.made.values():
            if any(columns.lead + way in unread for way in path.prop.over):
                unread.add(columns.lead + path.text)
                computed.append((path, []))
            else:
                computed.append((path, [columns.where(way)[1] for way in path.prop.over]))
        return [
            row + tuple(_made(path, row, places) if places else None for path, places in computed)
            for row in rows
        ]

    def _joined(self, join: Join, rows: list[Row], doubted: Collection[str]) -> list[Row]:
        link = join.link
        here, at = self._columns.where(link.here)
        values = joining.values(rows, at, here)
        found: list[Row] = []
        if values:
            with self._reading_more(link.name, join.paths, doubted):
                everything = msgspec.structs.replace(self._options, enough=None)
                condition = Test(link.there, "any_in", tuple(values))
                wanted = None if link.many else {link.there: values}
                found = read(join.columns, self._reading, condition, everything, wanted)
        there = join.columns.where(link.there)
        inner = [join.columns.where(beyond(link, path))[1] for path in join.paths]
        index = joining.index(found, there[1], there[0], inner)
        return joining.side_by_side(rows, at, here, index, [path.end for path in join.paths], link)

    @contextmanager
    def _reading_more(
        self, name: str, paths: Sequence[Path], doubted: Collection[str]
    ) -> Iterator[None]:
        """Say that columns are missing if the cloud refuses what is read for them in the block.

        Raises CloudError if rows go by one of these columns, or would pass a test of one that is
        ``doubted`` because of what was left out, or if what is made of them goes by all of it.
        """
        columns, reading = self._columns, self._reading
        what, texts = f"{name} of {columns.resource.plural}", {path.text for path in paths}
        unread = {columns.lead + text for text in texts}
        before, mark = reading.cut, reading.mark()
        try:
            yield
        except CloudError as error:
            if texts & columns.decisive:
                raise _undecided(what, "could not be read", str(error), error.status) from None
            reading.incomplete(what, str(error), rows=False)
            reading.unread.update(unread)
        if reading.cut > before:
            reading.unread.update(unread)
        if reading.cut > before and texts & {*doubted, *columns.wholly}:
            why = "; ".join(f"{of}: {why}" for of, why in reading.reasons)
            raise _undecided(what, "could not be read whole", why)
        if texts <= columns.courtesy - columns.decisive:
            reading.take_back(mark)


def _undecided(what: str, how: str, why: str, status: int | None = None) -> CloudError:
    return CloudError(f"No rows, because {what}, which they go by, {how}: {why}", status=status)


def _looks_at(condition: Condition, paths: Collection[str]) -> bool:
    return any(test.path in paths for test in tests(condition))


def _made(path: Path, row: Row, places: Sequence[int]) -> Any:
    assert path.prop.of is not None
    return path.prop.of([row[at] for at in places])


def _value_of(path: Path, known: Any) -> Any:
    if known is None:
        return None
    value = path.prop.of(known) if path.prop.of else known
    return value if path.key is None else map_value(value, path.key)
