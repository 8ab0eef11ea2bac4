"""The rows of a query, as bulk runs take them: all of them or none, in the order of their ids."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud
from bulk.calls import CallSpec, Row, Rows, calls_of, sources_of
from bulk.mapping import is_path
from common.errors import UserError
from common.text import clean
from query_api.language.schema import Resource
from query_api.language.words import pointed
from searches.searching import question

# What a thing is called, and whose it is, where its listing has it.
_NAME, _PROJECT = "name", "project_id"


def rows_of(
    cloud: Cloud,
    resource: Resource,
    where: str | None,
    spec: CallSpec,
    set_text: str | None,
    limit: int | None,
) -> Rows:
    """Return a call for each row that passes; the resource's key is the parameter of its name.

    Raises UserError for what the query does not know, and if its answer is not whole: what is done
    to many is not done to those that happened to be seen.
    """
    sources = sources_of(spec.action, spec.given, {resource.name: resource.key})
    for source in spec.given.values():
        if source.text is None and not is_path(source.column):
            why = f"{source.column!r} is not a property; put a text in quotes"
            raise UserError(pointed(set_text or "", source.at, why))
    own = [resource.key, *(name for name in (_NAME, _PROJECT) if resource.property(name))]
    wanted = dict.fromkeys([*own, *spec.columns])
    asked = question(resource.name, where=where, limit=limit).select(*wanted)
    answer = asked.sort_by(resource.key).run([cloud])
    if not answer.complete:
        what, why = answer.reasons[0]
        raise UserError(
            f"Not all {resource.plural} could be seen: {clean(what)}: {clean(why)}.",
            advice="Nothing was done: rows that could not be read would be missed silently.",
        )
    rows = [_row(number, values, resource) for number, values in enumerate(answer.dicts(), 1)]
    calls, gaps = calls_of(spec, sources, rows)
    return Rows(resource.nouns()[1], calls, gaps)


def _row(number: int, values: dict[str, Any], resource: Resource) -> Row:
    return Row(number, clean(values.get(_NAME) or values[resource.key]), values)
