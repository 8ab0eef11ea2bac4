"""From the rows of all clouds to the answer's: sorted, grouped, reckoned, cut to the columns."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from common.errors import UserError
from query_api.execution import namesakes, paths, row_operations
from query_api.execution.answer import Column
from query_api.execution.columns import ColumnSet, Options
from query_api.execution.ranges import Key, key_of
from query_api.language.groups import Aggregate
from query_api.language.kinds import NUMBERS, SINGLE, a_kind
from query_api.language.schema import Kind, Property
from query_api.wire.reading import Reading

if TYPE_CHECKING:
    from query_api.execution.query import Query

Row = tuple[Any, ...]
# The column that says which cloud a row is from; it stands in front of every row.
CLOUD = Property(name=paths.CLOUD, kind="text", about="The cloud, as the configuration calls it.")


class Grouping(NamedTuple):
    """What rows are grouped by over a path, and how groups are sorted; ``is_shown`` says that the
    key is shown instead of the path's value."""

    path: str
    key: Key
    order: row_operations.Order
    is_shown: bool


class Shaping:
    """How the rows of a query become its answer. Raises UserError for what does not fit its kind.

    ``columns`` is that of the rows, in which a row begins with the name of its cloud. ``shown`` are
    the paths of the columns, ``sorting`` those to sort by, each with whether it is descending.
    """

    def __init__(
        self,
        query: Query,
        columns: ColumnSet,
        options: Options,
        shown: Sequence[str],
        sorting: Sequence[tuple[str, bool]],
    ) -> None:
        self._query, self._columns, self._options = query, columns, options
        self._shown, self._sorting = list(shown), sorting
        self._groups = [group.path for group in query.groups]
        for group in query.groups:
            if flaw := self._flaw(group.path):
                raise group.wrong(flaw, group.at)
        for path, _ in [] if query.aggregates else sorting:
            if flaw := self._flaw(path):
                raise UserError(flaw)
        for one in query.aggregates:
            _check_aggregate(one, self._end(one.path)[0].kind if one.path else None)
        self._keys = [key_of(group, *self._end(group.path), options.now) for group in query.groups]
        if (most := query.at_most) is not None and (type(most) is not int or most < 0):
            raise UserError("limit is a whole number, 0 or more.")

    def shaped(
        self, rows: list[Row], readings: Sequence[Reading]
    ) -> tuple[list[Column], list[Row], int]:
        """Return the columns, as many rows as are wanted, and how many there are."""
        keys = self._keys_of(rows, readings)
        if self._query.aggregates:
            columns, cut = self._aggregated(rows, keys)
        else:
            columns, cut = self._cut(rows, keys, by_cloud=len(readings) > 1)
        return columns, cut[: self._query.at_most], len(cut)

    def _flaw(self, path: str) -> str:
        """Return what is wrong with sorting or grouping by a path; empty if nothing is."""
        kind = self._end(path)[0].kind
        fits = kind in SINGLE
        return "" if fits else f"{path} is {a_kind(kind)}: rows cannot be sorted or grouped by it."

    def _end(self, path: str) -> tuple[Property, int]:
        """Return what a path's values are and where they stand in a row that has its cloud."""
        if path == CLOUD.name:
            return CLOUD, 0
        end, at = self._columns.where(path)
        return end, at + 1

    def _keys_of(self, rows: list[Row], readings: Sequence[Reading]) -> list[Grouping]:
        """Return what rows are grouped by: names where they are one thing's, and else longer ones.

        Each is told whether it is shown instead of the values.
        """
        names, by_cloud = names_over_links(self._query, self._columns), CLOUD.name in self._groups
        found = []
        for group, (key, order) in zip(self._query.groups, self._keys, strict=True):
            called = None
            if one := names.get(group.path):
                places = [self._end(path)[1] for path in (one.name, *one.paths)]
                called = namesakes.told_apart(
                    rows,
                    places,
                    lambda: namesakes.domain_names(readings, self._options),
                    by_cloud=by_cloud,
                )
            found.append(Grouping(group.path, called or key, order, bool(called or group.ranges)))
        return found

    def _cut(
        self, rows: list[Row], keys: Sequence[Grouping], *, by_cloud: bool
    ) -> tuple[list[Column], list[Row]]:
        rows = row_operations.sorted_by(
            rows, [(*_sort_place(self._end(p)), down) for p, down in self._sorting]
        )
        shown = self._shown
        if by_cloud and CLOUD.name not in shown:
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
        if self._query.is_distinct:
            cut = row_operations.distinct(cut)
        return columns, cut

    def _grouped(self, rows: list[Row], keys: Sequence[Grouping]) -> list[tuple[Row, list[Row]]]:
        """Return the groups; in the order of their values unless the rows were sorted."""
        found = row_operations.grouped(rows, [one.key for one in keys])
        if self._sorting:
            return list(found.items())
        order = [(at, one.order, False) for at, one in enumerate(keys)]
        return [(key, found[key]) for key in row_operations.sorted_by(list(found), order)]

    def _aggregated(
        self, rows: list[Row], keys: Sequence[Grouping]
    ) -> tuple[list[Column], list[Row]]:
        kinds = [
            _column(group.path, self._end(group.path)[0], bool(group.ranges))
            for group in self._query.groups
        ]
        figures: list[tuple[str, int | None, Kind | None]] = []
        for one in self._query.aggregates:
            of = self._end(one.path) if one.path else None
            kinds.append(_aggregate_column(one, of[0] if of else None))
            figures.append((one.function, of[1] if of else None, of[0].kind if of else None))
        groups = self._grouped(rows, keys) if keys else [((), rows)]
        found = [
            (*key, *(row_operations.aggregated(part, name, at, kind) for name, at, kind in figures))
            for key, part in groups
        ]
        names = [column.name for column in kinds]
        orders = [one.order for one in keys]
        orders += [row_operations.ORDERS.get(column.kind) for column in kinds[len(orders) :]]
        places = [(names.index(path), down) for path, down in self._sorting]
        found = row_operations.sorted_by(found, [(at, orders[at], down) for at, down in places])
        return kinds, found


def names_over_links(query: Query, columns: ColumnSet) -> dict[str, namesakes.Named]:
    """Return what tells apart what rows are grouped by, where that is a name over a link."""
    plain = [one.path for one in query.groups if one.path != CLOUD.name and not one.ranges]
    found = {path: namesakes.named(columns.need(path)) for path in plain}
    return {path: one for path, one in found.items() if one is not None}


def title(one: Aggregate) -> str:
    """Return what the column of an aggregate is called."""
    from query_api.language.grouping import unparse_aggregate

    return unparse_aggregate([one])


def _sort_place(end: tuple[Property, int]) -> tuple[int, row_operations.Order]:
    return end[1], row_operations.ORDERS.get(end[0].kind)


def _column(path: str, end: Property, named: bool) -> Column:
    return Column(path, "text") if named else Column(path, end.kind, end.unit)


def _aggregate_column(one: Aggregate, end: Property | None) -> Column:
    if one.function == "count" or end is None:
        return Column(title(one), "integer")
    kind: Kind = "number" if one.function == "avg" else end.kind
    return Column(title(one), kind, end.unit)


def _check_aggregate(one: Aggregate, kind: Kind | None) -> None:
    fits = {"sum": NUMBERS, "avg": NUMBERS, "min": SINGLE, "max": SINGLE}.get(one.function)
    if fits is not None and kind not in fits:
        raise one.wrong(f"{one.path} is {a_kind(kind)}: it has no {one.function}.")
