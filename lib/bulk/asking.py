"""The rows of a query, as bulk runs take them: all of them or none, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from accounts.cloud import Cloud
from bulk.calls import Row
from common.errors import UserError
from common.text import clean
from searches.searching import question

if TYPE_CHECKING:
    from query_api.language.schema import Resource

# What a thing is called, where its listing has it.
_NAME = "name"


def rows_of(
    cloud: Cloud, resource: Resource, where: str | None, columns: Iterable[str], limit: int | None
) -> list[Row]:
    """Return the rows that pass, each with these columns and its key.

    Raises UserError for a path that leads nowhere, and if the answer is not whole: what is done to
    many is not done to those that happened to be seen.
    """
    own = [resource.key, *(name for name in (_NAME, "project_id") if resource.property(name))]
    wanted = list(dict.fromkeys([*own, *columns]))
    asked = question(resource.name, where=where, limit=limit).select(*wanted)
    answer = asked.sort_by(resource.key).run([cloud])
    if not answer.complete:
        what, why = answer.reasons[0]
        raise UserError(
            f"Not all {resource.plural} could be seen: {clean(what)}: {clean(why)}.",
            advice="Nothing was done: who is left out would not be told.",
        )
    found = answer.dicts()
    return [_row(number, values, resource) for number, values in enumerate(found, 1)]


def _row(number: int, values: dict[str, Any], resource: Resource) -> Row:
    return Row(number, clean(values.get(_NAME) or values[resource.key]), values)


def projects_of(rows: Sequence[Row]) -> set[str]:
    """Return the projects whose the rows are, as far as the query says so."""
    return {row.values["project_id"] for row in rows if row.values.get("project_id")}
