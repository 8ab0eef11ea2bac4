"""The plan of a bulk run: from what was asked to a child run a row."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from accounts.cloud import Cloud
from accounts.looks import Look
from bulk import from_file, from_query
from bulk.calls import Called, Told, action_named
from bulk.drawing import Drawing, Group, title_of
from bulk.mapping import parse_per, parse_set
from bulk.naming import found_alone, found_by_name, is_id
from common.errors import UserError
from query_api.language.schema import Resource
from query_api.lookups.listed import ListedThings, is_shown_by_id
from query_api.resources import names
from query_api.resources import resource as resource_named
from workflow_api import Context, OnFailure, Plan

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


def plan_of(ctx: Context, cloud: Cloud, asked: Asked) -> Plan:
    """Return the plan; raises UserError for what does not fit, before anything is touched."""
    if asked.file and (asked.resource or asked.where):
        raise UserError("The rows are those of a file or of a query: leave one of them empty.")
    told = Told(
        action_named(asked.action),
        parse_set(asked.set or ""),
        parse_per(asked.at_most_per) if asked.at_most_per else None,
    )
    if asked.file:
        rows = from_file.rows_of(ctx, asked.file, told, asked.limit)
        rows_are = ""
    else:
        resource = resource_named(asked.resource or told.action.name.partition(".")[0])
        rows = from_query.rows_of(cloud, resource, asked.where, told, asked.set, asked.limit)
        rows_are = resource.name
    calls, refused = identified(cloud, rows.calls)
    drawing = Drawing(ctx, told.action, title_of(told.action.name, rows))
    for note in rows.notes:
        drawing.plan.note(note)
    for row, why in rows.gaps:
        drawing.plan.leave(row.what, why, row=row.number)
    for call, error in refused:
        drawing.leave(call, error)
    drawn = drawing.draw(calls, look_at(calls, rows_are))
    group = Group(
        at_most=asked.at_most,
        at_most_per=told.per[1] if told.per else None,
        on_failure=asked.on_failure,
    )
    return drawing.whole(calls, drawn, group)


def identified(
    cloud: Cloud, calls: Sequence[Called]
) -> tuple[list[Called], list[tuple[Called, UserError]]]:
    """Return the calls with ids for names, where many things are named; and those that name none.

    A few names are looked up one by one, each once however many rows give it.
    """
    found = {
        name: (
            found_by_name(cloud, of, wanted)
            if len(wanted) > _FEW
            else found_alone(cloud, of, wanted)
        )
        for name, of in named_in(calls).items()
        if (wanted := {one for one in values_of(calls, name) if not is_id(one)})
    }
    known: dict[str, Called] = {}
    refused: list[tuple[Called, UserError]] = []
    for call in calls:
        given = {name: one for name, one in call.parameters.items() if isinstance(one, str)}
        wrong = [
            found[n].errors[one]
            for n, one in given.items()
            if n in found and one in found[n].errors
        ]
        if wrong:
            refused.append((call, wrong[0]))
            continue
        ids = {
            n: found[n].ids[one] for n, one in given.items() if n in found and one in found[n].ids
        }
        asked = {n: given[n] for n in ids}
        new = msgspec.structs.replace(call, parameters={**call.parameters, **ids}, asked=asked)
        first = known.setdefault(new.key, new)
        if first is not new:
            again = f"it asks for the same as row {first.row.number}"
            refused.append((call, UserError(again)))
    return list(known.values()), refused


def named_in(calls: Sequence[Called]) -> dict[str, Resource]:
    """Return the parameters that name things which a listing shows as each would be by itself."""
    given = {name for call in calls for name in call.parameters}
    found = {name: resource_named(name) for name in sorted(given & set(names()))}
    return {name: of for name, of in found.items() if is_shown_by_id(of)}


def values_of(calls: Sequence[Called], name: str) -> set[str]:
    """Return the texts that calls have for a parameter."""
    values = (call.parameters.get(name) for call in calls)
    return {value for value in values if isinstance(value, str)}


def look_at(calls: Sequence[Called], rows_are: str) -> Look:
    """Return a look by which many things that the calls name are listed; a few are asked for.

    ``rows_are`` is the resource whose things the rows are: of these the projects are known.
    """
    named = named_in(calls)
    about = {name: {one for one in values_of(calls, name) if is_id(one)} for name in named}
    projects = {call.row.values.get("project_id") for call in calls}
    known = {one for one in projects if one} if None not in projects else set()
    listed = [
        ListedThings(named[name], ids, known if name == rows_are else set())
        for name, ids in about.items()
        if len(ids) > _FEW
    ]
    return Look(*listed, many=len(calls) > _FEW, about={**about, "project": known})
