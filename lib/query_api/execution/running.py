"""Carrying out a query: columns are laid out and everything is checked, then clouds are asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.clouds import of_each
from common.errors import UserError
from common.text import clean
from query_api.execution import garbage, joining
from query_api.execution.answer import Answer
from query_api.execution.column_rows import read
from query_api.execution.columns import ColumnSet, Options
from query_api.execution.paths import resolve
from query_api.execution.predicates import Unfit
from query_api.execution.shaping import CLOUD, Shaping, names_over_links, title
from query_api.language.completeness import implied
from query_api.language.conditions import Condition, Test, all_of
from query_api.wire.reading import Reading

if TYPE_CHECKING:
    from accounts.cloud import Cloud
    from query_api.execution.query import Query

Row = tuple[Any, ...]


class Run:
    """A query that was checked, ready to be asked. Raises UserError if it is not sound."""

    def __init__(self, query: Query, now: datetime, *, narrow: bool = True) -> None:
        self.query = query = _with_implied(query)
        plain = not (query.sorting or query.groups or query.aggregates or query.is_distinct)
        enough = query.at_most if plain and len(query.stages) == 1 else None
        self.options = Options(now, narrow, enough)
        self.column_sets = [
            ColumnSet(stage.resource, resolved=stage.paths) for stage in query.stages
        ]
        for columns, stage in zip(self.column_sets, query.stages, strict=True):
            columns.need_all(stage.condition)
        for before, columns, stage in zip(
            self.column_sets, self.column_sets[1:], query.stages[1:], strict=False
        ):
            assert stage.link is not None
            before.go_by(stage.link.here)
            columns.need(stage.link.there)
        self._groups = [group.path for group in query.groups]
        # The paths of the columns, in their order.
        self.shown = self._columns()
        sorting = [self._sort_key(text) for text in query.sorting]
        self._need_all(sorting)
        for columns, stage in zip(self.column_sets, query.stages, strict=True):
            _compile(columns, stage.condition, now)
        self._shaping = Shaping(query, self.column_sets[-1], self.options, self.shown, sorting)

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
        columns, rows, number = self._shaping.shaped(found, list(readings.values()))
        return Answer(
            self.query.resource.nouns(),
            columns,
            rows,
            groups=self._groups,
            aggregated=bool(self.query.aggregates),
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
        aggregates = [title(one) for one in self.query.aggregates]
        if aggregates and path not in (*self._groups, *aggregates):
            raise UserError(
                f"Groups cannot be sorted by {clean(path)!r}.",
                advice=f"Sort by {', '.join([*self._groups, *aggregates])}.",
            )
        return path, text.startswith("-")

    def _need_all(self, sorted_by: Sequence[tuple[str, bool]]) -> None:
        """Have what is shown, and what decides the answer, in the last column set."""
        query, last = self.query, self.column_sets[-1]
        shown = [path for path in self.shown if path != CLOUD.name]
        decisive = [*self._groups, *(one.path for one in query.aggregates if one.path)]
        # Of distinct rows some would be taken for one; of the first ones others would be shown.
        decisive += shown if query.is_distinct else []
        sorting = [] if query.aggregates else [path for path, _ in sorted_by]
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
        for named in names_over_links(query, last).values():
            for path in named.paths:
                last.need(path)

    # -- reading -------------------------------------------------------------------------------

    def _rows(self, reading: Reading) -> list[Row]:
        rows: list[Row] = []
        before: ColumnSet | None = None
        for columns, stage in zip(self.column_sets, self.query.stages, strict=True):
            condition = stage.condition
            if before is not None and stage.link is not None:
                here, at = before.where(stage.link.here)
                values = joining.values(rows, at, here)
                if not values:
                    return []
                condition = all_of(Test(stage.link.there, "any_in", tuple(values)), condition)
                reading.unread.clear()  # these were columns of what led here
            rows, before = read(columns, reading, condition, self.options), columns
        name = (reading.cloud.name,)
        return [name + row for row in rows]


def _with_implied(query: Query) -> Query:
    """Return a query that also asks for what its conditions imply: what is off is SHUTOFF."""
    stages = []
    for stage in query.stages:
        found = implied(stage.condition, stage.resource)
        # First, so that services are asked for these.
        condition = all_of(*found, stage.condition) if found else stage.condition
        stages.append(msgspec.structs.replace(stage, condition=condition) if found else stage)
    return msgspec.structs.replace(query, stages=tuple(stages))


def _compile(columns: ColumnSet, condition: Condition, now: datetime) -> None:
    try:
        columns.compile(condition, now)
    except Unfit as error:
        from query_api.execution.diagnostics import in_its_words

        raise in_its_words(error, condition, columns.where, now) from None
