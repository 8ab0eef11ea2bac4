"""The plan of a bulk run: from what was asked to a child run a row."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from accounts.cloud import Cloud
from accounts.read_cache import SharedReads
from bulk import from_file, from_query
from bulk.calls import CallSpec, RowCall, action_named
from bulk.mapping import parse_per, parse_set
from bulk.naming import found_alone, found_by_name, is_id
from bulk.planning import BulkPlanner, Group, title_of
from common.errors import UserError
from query_api.language.schema import Resource
from query_api.lookups.listed import ListedThings, is_shown_by_id
from query_api.resources import names
from query_api.resources import resource as resource_named
from workflow_api import Context, OnFailure, Plan

# So many things are asked for one by one rather than listed.
_FEW = 10


class BulkRequest(msgspec.Struct, frozen=True, kw_only=True):
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


def plan_of(ctx: Context, cloud: Cloud, request: BulkRequest) -> Plan:
    """Return the plan; raises UserError for what does not fit, before anything is touched."""
    if request.file and (request.resource or request.where):
        raise UserError("The rows are those of a file or of a query: leave one of them empty.")
    spec = CallSpec(
        action_named(request.action),
        parse_set(request.set or ""),
        parse_per(request.at_most_per) if request.at_most_per else None,
    )
    if request.file:
        rows = from_file.rows_of(ctx, request.file, spec, request.limit)
        rows_are = ""
    else:
        resource = resource_named(request.resource or spec.action.name.partition(".")[0])
        rows = from_query.rows_of(cloud, resource, request.where, spec, request.set, request.limit)
        rows_are = resource.name
    calls, refused = identified(cloud, rows.calls)
    planner = BulkPlanner(ctx, spec.action, title_of(spec.action.name, rows))
    for note in rows.notes:
        planner.plan.note(note)
    for row, why in rows.gaps:
        planner.plan.leave(row.what, why, row=row.number)
    for call, error in refused:
        planner.leave(call, error)
    drawn = planner.draw(calls, shared_reads(calls, rows_are))
    group = Group(
        at_most=request.at_most,
        at_most_per=spec.per[1] if spec.per else None,
        on_failure=request.on_failure,
    )
    return planner.whole(calls, drawn, group)


def identified(
    cloud: Cloud, calls: Sequence[RowCall]
) -> tuple[list[RowCall], list[tuple[RowCall, UserError]]]:
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
    known: dict[str, RowCall] = {}
    refused: list[tuple[RowCall, UserError]] = []
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
        names = {n: given[n] for n in ids}
        new = msgspec.structs.replace(call, parameters={**call.parameters, **ids}, given=names)
        first = known.setdefault(new.key, new)
        if first is not new:
            again = f"it asks for the same as row {first.row.number}"
            refused.append((call, UserError(again)))
    return list(known.values()), refused


def named_in(calls: Sequence[RowCall]) -> dict[str, Resource]:
    """Return the parameters that name things which a listing shows as each would be by itself."""
    given = {name for call in calls for name in call.parameters}
    found = {name: resource_named(name) for name in sorted(given & set(names()))}
    return {name: of for name, of in found.items() if is_shown_by_id(of)}


def values_of(calls: Sequence[RowCall], name: str) -> set[str]:
    """Return the texts that calls have for a parameter."""
    values = (call.parameters.get(name) for call in calls)
    return {value for value in values if isinstance(value, str)}


def shared_reads(calls: Sequence[RowCall], rows_are: str) -> SharedReads:
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
    return SharedReads(*listed, many=len(calls) > _FEW, about={**about, "project": known})
