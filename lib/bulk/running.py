"""The plan of a bulk run: from what was asked to a child run a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from accounts.cloud import Cloud
from accounts.looks import Look
from bulk import asking
from bulk.calls import Called, Row, action_named, parameters_of, sources_of
from bulk.drawing import Drawing, Group, title_of
from bulk.mapping import Source, is_path, parse_per, parse_set, paths
from common.errors import UserError
from query_api.language.schema import Resource
from query_api.language.words import pointed
from query_api.lookups.listed import ListedThings, is_shown_by_id
from query_api.resources import names
from query_api.resources import resource as resource_named
from workflow_api import Context, Plan, clean
from workflow_api.planned import OnFailure
from workflow_api.workflow import Workflow

# So many things are asked for one by one rather than listed.
_FEW = 10


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for, as in the form of bulk.run."""

    action: str
    resource: str | None
    where: str | None
    file: str | None
    set: str | None
    limit: int | None
    at_most: int
    at_most_per: str | None
    on_failure: OnFailure


class _Told(msgspec.Struct, frozen=True):
    """What is known before anything is asked: the action, its sources, the column of groups."""

    action: Workflow
    given: Mapping[str, Source]
    per: tuple[str, int] | None

    @property
    def columns(self) -> list[str]:
        """The columns that were named."""
        return [*paths(self.given.values()), *([self.per[0]] if self.per else [])]

    def group_of(self, row: Row) -> str:
        """Return what a row's runs are counted among."""
        value = row.values.get(self.per[0]) if self.per else None
        return "" if value is None else clean(value)


def plan_of(ctx: Context, cloud: Cloud, asked: Asked) -> Plan:
    """Return the plan; raises UserError for what does not fit, before anything is touched."""
    if asked.file and (asked.resource or asked.where):
        raise UserError("The rows are those of a file or of a query: leave one of them empty.")
    told = _Told(
        action_named(asked.action),
        parse_set(asked.set or ""),
        parse_per(asked.at_most_per) if asked.at_most_per else None,
    )
    resource = resource_named(asked.resource or told.action.name.partition(".")[0])
    calls, gaps = _of_query(cloud, resource, asked, told)
    drawing = Drawing(ctx, told.action, title_of(told.action.name, calls, resource.plural))
    for row, why in gaps:
        drawing.plan.leave(row.what, why, row=row.number)
    drawn = drawing.draw(calls, look_at(calls, resource.name))
    group = Group(
        at_most=asked.at_most,
        at_most_per=told.per[1] if told.per else None,
        on_failure=asked.on_failure,
    )
    return drawing.whole(calls, drawn, group)


def _of_query(
    cloud: Cloud, resource: Resource, asked: Asked, told: _Told
) -> tuple[list[Called], list[tuple[Row, str]]]:
    """Return a call for each row of a query, and the rows that give none, with why."""
    sources = sources_of(told.action, told.given, {resource.name: resource.key})
    for source in told.given.values():
        if source.text is None and not is_path(source.column):
            why = f"{source.column!r} is no property; a text stands in quotes"
            raise UserError(pointed(asked.set or "", source.at, why))
    rows = asking.rows_of(cloud, resource, asked.where, told.columns, asked.limit)
    return called(told, sources, rows)


def called(
    told: _Told, sources: Mapping[str, Source], rows: Sequence[Row]
) -> tuple[list[Called], list[tuple[Row, str]]]:
    """Return the calls of rows, each once, and the rows that give none, with why."""
    calls: dict[str, Called] = {}
    wrong = []
    for row in rows:
        try:
            call = Called(row, parameters_of(told.action, sources, row.values), told.group_of(row))
        except UserError as error:
            wrong.append((row, error.message))
            continue
        if (first := calls.setdefault(call.key, call)) is not call:
            wrong.append((row, f"it asks for the same as row {first.row.number}"))
    return list(calls.values()), wrong


def look_at(calls: Sequence[Called], rows_are: str) -> Look:
    """Return a look by which many things that the calls name are listed; a few are asked for.

    ``rows_are`` is the resource whose things the rows are: of these the projects are known.
    """
    listed = []
    for name in {name for call in calls for name in call.parameters} & set(names()):
        of = resource_named(name)
        mine = [call for call in calls if isinstance(call.parameters.get(name), str)]
        ids = {call.parameters[name] for call in mine}
        if len(ids) <= _FEW or not is_shown_by_id(of):
            continue
        projects = {call.row.values.get("project_id") for call in mine}
        known = {p for p in projects if p} if name == rows_are and None not in projects else set()
        listed.append(ListedThings(of, ids, known))
    return Look(*listed)
