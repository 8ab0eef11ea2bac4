"""The rows of a frame, read from one cloud: those of the listing, then what stands beside each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from common.errors import CloudError
from query_api.execution import joining
from query_api.execution.columns import Frame, Join, Options, beyond
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
    frame: Frame,
    reading: Reading,
    condition: Condition,
    options: Options,
    wanted: Mapping[str, Collection[Any]] | None = None,
) -> list[Row]:
    """Return the rows of a frame that pass a condition. Raises CloudError, UserError.

    What cannot be joined is missing in the rows, and said to be; what the rows go by (see
    :meth:`Frame.go_by`) and cannot be read is the CloudError. ``wanted`` are the values of unique
    columns that somebody looks for: where all of them are found, nothing is missing.
    """
    return _FrameRows(frame, reading, options).rows(condition, wanted)


def narrowed_for(
    frame: Frame, reading: Reading | None, condition: Condition, options: Options
) -> Narrowed:
    """Return what the service is asked for; with no reading, nothing is looked up for it."""
    own, _rest = frame.split(condition)
    single = [part for part in own if isinstance(part, Test)]

    def expand(name: str) -> Sequence[Any]:
        if reading is None:
            return ()
        if name in reading.values:
            return reading.values[name]
        other, _, prop = name.partition(".")
        there = Frame(resource(other))
        there.need(prop)
        _end, index = there.where(prop)
        everything = msgspec.structs.replace(options, enough=None)
        found = [row[index] for row in read(there, reading, All(()), everything)]
        reading.values[name] = found
        return found

    return narrowed(frame.resource, single, options.now, expand, narrow=options.narrow)


class _FrameRows:
    def __init__(self, frame: Frame, reading: Reading, options: Options) -> None:
        self._frame, self._reading, self._options = frame, reading, options

    def rows(self, condition: Condition, wanted: Mapping[str, Collection[Any]] | None) -> list[Row]:
        """Return the rows that pass a condition. See :func:`read`."""
        frame, reading, options = self._frame, self._reading, self._options
        own, rest = frame.split(condition)
        mark = reading.mark()
        keep = frame.passes(own, options.now) if own else None
        listed = Listed(reading, frame.resource, list(frame.own.values()), keep)
        rows = self._at_once(listed, wanted) if wanted and options.narrow else None
        if rows is None:
            asked = narrowed_for(frame, reading, condition, options)
            rows = listed.rows(asked, None if rest else options.enough)
        if wanted and reading.cut > mark[1] and self._has_all(rows, wanted):
            reading.take_back(mark)
        doubted = set(passed_by_nothing(All(tuple(rest))))
        for name, paths in frame.read_by(each=False).items():
            rows = self._with_source(name, paths, rows, doubted)
        for join in frame.joins:
            rows = self._joined(join, rows, doubted)
        if frame.made:
            rows = self._with_made(rows)
        last = frame.read_by(each=True)
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
        passes = self._frame.passes(parts, self._options.now)
        return [row for row in rows if passes(row)]

    def _at_once(self, listed: Listed, wanted: Mapping[str, Collection[Any]]) -> list[Row] | None:
        """Return the rows of a listing asked for nothing, if all that is wanted is in it."""
        resource = self._frame.resource
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
        own = self._frame.own
        places = {path: list(own).index(path) for path in wanted if path in own}
        return len(places) == len(wanted) and all(
            set(values) <= {row[places[path]] for row in rows} for path, values in wanted.items()
        )

    def _with_source(
        self, name: str, paths: Sequence[Path], rows: list[Row], doubted: Collection[str]
    ) -> list[Row]:
        source = self._frame.resource.sources[name]
        _end, key = self._frame.where(source.key)
        known: Mapping[Any, Any] = {}
        has = [self._can_have(path.prop) for path in paths]
        asked = [row[key] for row in rows if any(can(row) for can in has)]
        if asked:
            with self._reading_more(name, paths, doubted):
                known = source.read(self._reading, asked)
        columns = list(zip(paths, has, strict=True))
        return [
            row
            + tuple(
                _value_of(path, known.get(row[key])) if can(row) else None for path, can in columns
            )
            for row in rows
        ]

    def _can_have(self, prop: Property) -> Callable[[Row], bool]:
        if prop.only is None:
            return lambda row: True
        name, wanted = prop.only
        _end, at = self._frame.where(name)
        return lambda row: bool(row[at] == wanted)

    def _with_made(self, rows: list[Row]) -> list[Row]:
        """Return the rows with what is made of joined columns; missing where those could not be
        read."""
        frame, unread = self._frame, self._reading.unread
        columns: list[tuple[Path, list[int]]] = []
        for path in frame.made.values():
            if any(frame.lead + way in unread for way in path.prop.over):
                unread.add(frame.lead + path.text)
                columns.append((path, []))
            else:
                columns.append((path, [frame.where(way)[1] for way in path.prop.over]))
        return [
            row + tuple(_made(path, row, places) if places else None for path, places in columns)
            for row in rows
        ]

    def _joined(self, join: Join, rows: list[Row], doubted: Collection[str]) -> list[Row]:
        link = join.link
        here, at = self._frame.where(link.here)
        values = joining.values(rows, at, here)
        found: list[Row] = []
        if values:
            with self._reading_more(link.name, join.paths, doubted):
                everything = msgspec.structs.replace(self._options, enough=None)
                condition = Test(link.there, "any_in", tuple(values))
                wanted = None if link.many else {link.there: values}
                found = read(join.frame, self._reading, condition, everything, wanted)
        there = join.frame.where(link.there)
        inner = [join.frame.where(beyond(link, path))[1] for path in join.paths]
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
        frame, reading = self._frame, self._reading
        what, texts = f"{name} of {frame.resource.plural}", {path.text for path in paths}
        unread = {frame.lead + text for text in texts}
        before, mark = reading.cut, reading.mark()
        try:
            yield
        except CloudError as error:
            if texts & frame.decisive:
                raise _undecided(what, "could not be read", str(error), error.status) from None
            reading.incomplete(what, str(error), rows=False)
            reading.unread.update(unread)
        if reading.cut > before:
            reading.unread.update(unread)
        if reading.cut > before and texts & {*doubted, *frame.wholly}:
            why = "; ".join(f"{of}: {why}" for of, why in reading.reasons)
            raise _undecided(what, "could not be read whole", why)
        if texts <= frame.courtesy - frame.decisive:
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
