"""Carrying out a query: frames are laid out and everything is checked, then clouds are asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from accounts.clouds import of_each
from common.errors import UserError
from common.text import clean
from query_api.execution import garbage, joining, namesakes, paths
from query_api.execution import row_operations as operate
from query_api.execution.answer import Answer, Column
from query_api.execution.columns import Frame, Options
from query_api.execution.paths import resolve
from query_api.execution.predicates import Unfit
from query_api.execution.ranges import Key, key_of
from query_api.language.conditions import Condition, Test, all_of
from query_api.language.groups import Aggregate
from query_api.language.kinds import NUMBERS, SINGLE, a_kind
from query_api.language.schema import Kind, Property
from query_api.wire.reading import Reading

if TYPE_CHECKING:
    from accounts.cloud import Cloud
    from query_api.execution.query import Query

Row = tuple[Any, ...]
# The column that says which cloud a row is from; it stands in front of every row.
CLOUD = Property(name=paths.CLOUD, kind="text", about="The cloud, as the configuration calls it.")


class Grouping(NamedTuple):
    """What rows are grouped by over a path, and how groups are sorted; ``is_shown`` says that the
    key is shown instead of the path's value."""

    path: str
    key: Key
    order: operate.Order
    is_shown: bool


class Run:
    """A query that was checked, ready to be asked. Raises UserError if it is not sound."""

    def __init__(self, query: Query, now: datetime, *, narrow: bool = True) -> None:
        self.query = query
        plain = not (query.sorting or query.groups or query.aggregates or query.is_distinct)
        enough = query.at_most if plain and len(query.stages) == 1 else None
        self.options = Options(now, narrow, enough)
        self.frames = [Frame(stage.resource, resolved=stage.paths) for stage in query.stages]
        for frame, stage in zip(self.frames, query.stages, strict=True):
            frame.need_all(stage.condition)
        for before, frame, stage in zip(
            self.frames, self.frames[1:], query.stages[1:], strict=False
        ):
            assert stage.link is not None
            before.go_by(stage.link.here)
            frame.need(stage.link.there)
        self._aggregates = query.aggregates
        self._groups = [group.path for group in query.groups]
        self._shown = self._columns()
        self._sorting = [self._sort_key(text) for text in query.sorting]
        self._need_all()
        self._check()

    def answer(self, clouds: Sequence[Cloud]) -> Answer:
        """Ask the clouds side by side. Raises CloudError or UserError if none of them answers."""
        with garbage.at_rest():
            return self._answer(clouds)

    def _answer(self, clouds: Sequence[Cloud]) -> Answer:
        readings = {cloud: Reading(cloud) for cloud in clouds}
        parts: list[list[Row]] = []
        for cloud, answer in of_each(clouds, lambda cloud: self._rows(readings[cloud])):
            if isinstance(answer, list):
                parts.append(answer)
            else:
                readings[cloud].incomplete(f"cloud {cloud.name}", str(answer))
        found = [row for part in parts for row in part]
        keys = self._keys_of(found, list(readings.values()))
        columns, (rows, number) = self._worked(found, len(clouds), keys)
        return Answer(
            self.query.resource.nouns(),
            columns,
            rows,
            groups=self._groups,
            aggregated=bool(self._aggregates),
            reasons=[reason for reading in readings.values() for reason in reading.reasons],
            requests={cloud.name: reading.requests for cloud, reading in readings.items()},
            found=None if any(reading.left_off for reading in readings.values()) else number,
            extra=[one for one in self._instead().values() if one not in self._groups],
            instead=self._instead(),
            unread=frozenset(path for reading in readings.values() for path in reading.unread),
        )

    # -- what is checked before anything is asked ----------------------------------------------

    def _columns(self) -> list[str]:
        query = self.query
        if query.aggregates:
            if query.selected or query.appended:
                raise UserError(
                    "With aggregates the columns are the groups and the aggregates.",
                    advice="Leave select and join out, or the aggregates.",
                )
            return []
        selected = query.selected or (*query.resource.default, *self._instead().values())
        return list(dict.fromkeys((*self._groups, *selected, *query.appended)))

    def _instead(self) -> dict[str, str]:
        """Return the ids that stand behind names which are shown though nobody asked for them."""
        if self.query.selected or self.query.aggregates:
            return {}
        paths = (resolve(self.query.resource, path) for path in self.query.resource.default)
        return {path.text: path.links[0].here for path in paths if path.links}

    def _sort_key(self, text: str) -> tuple[str, bool]:
        path = text[1:] if text.startswith("-") else text
        if self._aggregates and path not in (*self._groups, *map(_title, self._aggregates)):
            raise UserError(
                f"Groups cannot be sorted by {clean(path)!r}.",
                advice=f"Sort by {', '.join([*self._groups, *map(_title, self._aggregates)])}.",
            )
        return path, text.startswith("-")

    def _need_all(self) -> None:
        """Have what is shown, and what the answer goes by, among the columns of the last frame."""
        query, last = self.query, self.frames[-1]
        shown = [path for path in self._shown if path != CLOUD.name]
        decisive = [*self._groups, *(one.path for one in query.aggregates if one.path)]
        # Of distinct rows some would be taken for one; of the first ones others would be shown.
        decisive += shown if query.is_distinct else []
        sorting = [] if query.aggregates else [path for path, _ in self._sorting]
        decisive += sorting if query.at_most is not None else []
        for path in decisive:
            if path != CLOUD.name:
                last.go_by(path, wholly=True)
        for path in sorting:
            if path != CLOUD.name:
                last.need(path)
        asked = {*query.selected, *query.appended, *self._groups}
        for path in shown:
            last.need(path) if path in asked else last.show(path)
        for path in (path for one in self._of_names().values() for path in one.paths):
            last.need(path)

    def _of_names(self) -> dict[str, namesakes.Named]:
        """Return what tells apart what rows are grouped by, where that is a name over a link."""
        plain = [one.path for one in self.query.groups if one.path != CLOUD.name and not one.ranges]
        found = {path: namesakes.named(self.frames[-1].need(path)) for path in plain}
        return {path: one for path, one in found.items() if one is not None}

    def _check(self) -> None:
        """Refuse what does not fit its kind; conditions and keys are compiled for the rows."""
        now = self.options.now
        for frame, stage in zip(self.frames, self.query.stages, strict=True):
            _compile(frame, stage.condition, now)
        for group in self.query.groups:
            if flaw := self._flaw(group.path):
                raise group.wrong(flaw, group.at)
        for path, _ in [] if self._aggregates else self._sorting:
            if flaw := self._flaw(path):
                raise UserError(flaw)
        for one in self._aggregates:
            _check_aggregate(one, self._end(one.path)[0].kind if one.path else None)
        self._keys = [key_of(group, *self._end(group.path), now) for group in self.query.groups]
        most = self.query.at_most
        if most is not None and (type(most) is not int or most < 0):
            raise UserError("limit is a whole number, 0 or more.")

    def _flaw(self, path: str) -> str:
        """Return what is wrong with sorting or grouping by a path; empty if nothing is."""
        kind = self._end(path)[0].kind
        fits = kind in SINGLE
        return "" if fits else f"{path} is {a_kind(kind)}: rows cannot be sorted or grouped by it."

    def _end(self, path: str) -> tuple[Property, int]:
        """Return what a path's values are and where they stand in a row that has its cloud."""
        if path == CLOUD.name:
            return CLOUD, 0
        end, at = self.frames[-1].where(path)
        return end, at + 1

    # -- reading -------------------------------------------------------------------------------

    def _rows(self, reading: Reading) -> list[Row]:
        rows: list[Row] = []
        before: Frame | None = None
        for frame, stage in zip(self.frames, self.query.stages, strict=True):
            condition = stage.condition
            if before is not None and stage.link is not None:
                here, at = before.where(stage.link.here)
                values = joining.values(rows, at, here)
                if not values:
                    return []
                condition = all_of(Test(stage.link.there, "any_in", tuple(values)), condition)
                reading.unread.clear()  # these were columns of what led here
            rows, before = frame.read(reading, condition, self.options), frame
        name = (reading.cloud.name,)
        return [name + row for row in rows]

    # -- working on what was read --------------------------------------------------------------

    def _keys_of(self, rows: list[Row], readings: Sequence[Reading]) -> list[Grouping]:
        """Return what rows are grouped by: names where they are one thing's, and else longer ones.

        Each is told whether it is shown instead of the values.
        """
        names, by_cloud = self._of_names(), CLOUD.name in self._groups
        found = []
        for group, (key, order) in zip(self.query.groups, self._keys, strict=True):
            called = None
            if one := names.get(group.path):
                places = [self._end(path)[1] for path in (one.name, *one.paths)]
                called = namesakes.told_apart(
                    rows,
                    places,
                    lambda: namesakes.domain_names(readings, self.options),
                    by_cloud=by_cloud,
                )
            found.append(Grouping(group.path, called or key, order, bool(called or group.ranges)))
        return found

    def _worked(
        self, rows: list[Row], clouds: int, keys: Sequence[Grouping]
    ) -> tuple[list[Column], tuple[list[Row], int]]:
        if self._aggregates:
            return self._aggregated(rows, keys)
        rows = operate.sorted_by(
            rows, [(*_sort_place(self._end(p)), down) for p, down in self._sorting]
        )
        shown = self._shown
        if clouds > 1 and CLOUD.name not in shown:
            shown = [CLOUD.name, *shown]
        if keys:
            rows = [row for _, part in self._grouped(rows, keys) for row in part]
        ends = [self._end(path) for path in shown]
        # What stands in a named range is shown by its name.
        named = {one.path: one.key for one in keys if one.is_shown}
        values = [
            map(named[path] if path in named else itemgetter(at), rows)
            for path, (_, at) in zip(shown, ends, strict=True)
        ]
        cut: list[Row] = list(zip(*values, strict=True))
        columns = [
            _column(path, end, path in named) for path, (end, _) in zip(shown, ends, strict=True)
        ]
        if self.query.is_distinct:
            cut = operate.distinct(cut)
        return columns, self._first(cut)

    def _grouped(self, rows: list[Row], keys: Sequence[Grouping]) -> list[tuple[Row, list[Row]]]:
        """Return the groups; in the order of their values unless the rows were sorted."""
        found = operate.grouped(rows, [one.key for one in keys])
        if self._sorting:
            return list(found.items())
        order = [(at, one.order, False) for at, one in enumerate(keys)]
        return [(key, found[key]) for key in operate.sorted_by(list(found), order)]

    def _aggregated(
        self, rows: list[Row], keys: Sequence[Grouping]
    ) -> tuple[list[Column], tuple[list[Row], int]]:
        kinds = [
            _column(group.path, self._end(group.path)[0], bool(group.ranges))
            for group in self.query.groups
        ]
        figures: list[tuple[str, int | None, Kind | None]] = []
        for one in self._aggregates:
            of = self._end(one.path) if one.path else None
            kinds.append(_aggregate_column(one, of[0] if of else None))
            figures.append((one.function, of[1] if of else None, of[0].kind if of else None))
        groups = self._grouped(rows, keys) if keys else [((), rows)]
        found = [
            (*key, *(operate.aggregated(part, name, at, kind) for name, at, kind in figures))
            for key, part in groups
        ]
        names = [column.name for column in kinds]
        orders = [one.order for one in keys]
        orders += [operate.ORDERS.get(column.kind) for column in kinds[len(orders) :]]
        places = [(names.index(path), down) for path, down in self._sorting]
        found = operate.sorted_by(found, [(at, orders[at], down) for at, down in places])
        return kinds, self._first(found)

    def _first(self, rows: list[Row]) -> tuple[list[Row], int]:
        """Return as many rows as are wanted, and how many there are."""
        return rows if self.query.at_most is None else rows[: self.query.at_most], len(rows)


def _sort_place(end: tuple[Property, int]) -> tuple[int, operate.Order]:
    return end[1], operate.ORDERS.get(end[0].kind)


def _title(one: Aggregate) -> str:
    from query_api.language.grouping import unparse_aggregate

    return unparse_aggregate([one])


def _column(path: str, end: Property, named: bool) -> Column:
    return Column(path, "text") if named else Column(path, end.kind, end.unit)


def _aggregate_column(one: Aggregate, end: Property | None) -> Column:
    if one.function == "count" or end is None:
        return Column(_title(one), "integer")
    kind: Kind = "number" if one.function == "avg" else end.kind
    return Column(_title(one), kind, end.unit)


def _compile(frame: Frame, condition: Condition, now: datetime) -> None:
    try:
        frame.compile(condition, now)
    except Unfit as error:
        from query_api.execution.diagnostics import in_its_words

        raise in_its_words(error, condition, frame.where, now) from None


def _check_aggregate(one: Aggregate, kind: Kind | None) -> None:
    fits = {"sum": NUMBERS, "avg": NUMBERS, "min": SINGLE, "max": SINGLE}.get(one.function)
    if fits is not None and kind not in fits:
        raise one.wrong(f"{one.path} is {a_kind(kind)}: it has no {one.function}.")
