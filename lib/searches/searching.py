"""Questions as actions ask them: from texts and lists of words to a query, and its answer.

``register`` gives a subject its ``search`` and ``list``. The query API is imported when something
is asked: these runbooks stand in modules with others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from accounts.clouds import Clouds
from workflow_api import Context, Table, UserError, count, workflow

if TYPE_CHECKING:
    from query_api.execution.query import Query
    from query_api.language.schema import Resource

# Selects every property that the listing itself has.
ALL = "*"


def register(resource: str, plural: str) -> None:
    """Register ``<resource>.search`` and ``<resource>.list``; ``plural`` is for their sentences."""

    def search(
        ctx: Context,
        clouds: Clouds,
        where: str | None = None,
        select: list[str] = [],  # noqa: B006 - never changed; the signature is the action's default
        sort_by: list[str] = [],  # noqa: B006
        group_by: str | None = None,
        aggregate: str | None = None,
        follow: str | None = None,
        join: str | None = None,
        limit: int | None = None,
        explain: bool = False,
        allow_partial: bool = False,
    ) -> Table:
        asked = question(
            resource,
            where=where,
            select=select,
            sort_by=sort_by,
            group_by=group_by,
            aggregate=aggregate,
            follow=follow,
            join=join,
            limit=limit,
        )
        return answered(asked, clouds, where, explain=explain, allow_partial=allow_partial)

    def everything(
        ctx: Context,
        clouds: Clouds,
        select: list[str] = [],  # noqa: B006
        sort_by: list[str] = [],  # noqa: B006
        group_by: str | None = None,
        limit: int | None = None,
        explain: bool = False,
        allow_partial: bool = False,
    ) -> Table:
        asked = question(resource, select=select, sort_by=sort_by, group_by=group_by, limit=limit)
        return answered(asked, clouds, explain=explain, allow_partial=allow_partial)

    search.__doc__ = f"Search {plural} by any of their properties."
    everything.__doc__ = f"List all {plural}."
    workflow(f"{resource}.search")(search)
    workflow(f"{resource}.list")(everything)


def question(
    resource: str,
    *,
    where: str | None = None,
    select: Sequence[str] = (),
    sort_by: Sequence[str] = (),
    group_by: str | None = None,
    aggregate: str | None = None,
    follow: str | None = None,
    join: str | None = None,
    limit: int | None = None,
) -> Query:
    """Return the query that an action's parameters say; a text that is None or empty says nothing.

    ``where`` is about the resource, everything else about what ``follow`` leads to. Raises
    UserError that points at the word of a text which cannot be understood, and NotFound for an
    unknown resource. What fits its kind is checked when the query is run.
    """
    from query_api.execution.query import query

    asked = query(resource)
    if where and where.strip():
        asked = _where(asked, where)
    if follow:
        asked = _follow(asked, follow)
    # Arrays are typed with commas, and people put a space behind a comma.
    columns, keys = [name.strip() for name in select], [name.strip() for name in sort_by]
    if ALL in columns:
        asked = asked.select_all()
    asked = asked.select(*(name for name in columns if name != ALL)).sort_by(*keys)
    if join:
        asked = _join(asked, join)
    if group_by or aggregate:
        asked = _grouped(asked, group_by or "", aggregate or "")
    return asked if limit is None else asked.limit(limit)


# Each imports the language that it reads: most questions speak few of them.
def _where(asked: Query, text: str) -> Query:
    from query_api.language import conditions
    from query_api.language.where import parse

    condition = parse(text)
    for test in conditions.tests(condition):
        _known(text, test.at, test.path, asked.resource)
    return asked.where(condition)


def _follow(asked: Query, text: str) -> Query:
    from query_api.language.chains import parse_follow

    for step in parse_follow(text):
        with _pointing(text, step.at):
            asked = asked.then(step.link)
    return asked


def _join(asked: Query, text: str) -> Query:
    from query_api.language.chains import parse_join

    for one in parse_join(text):
        _known(text, one.at, one.path, asked.resource)
        asked = asked.append_from(one.link, one.name)
    return asked


def _grouped(asked: Query, group_by: str, aggregate: str) -> Query:
    from query_api.execution.running import CLOUD
    from query_api.language.grouping import parse_aggregate, parse_group_by

    for group in parse_group_by(group_by):
        if group.path != CLOUD.name:
            _known(group_by, group.at, group.path, asked.resource)
        asked = asked.group_by(group)
    for one in parse_aggregate(aggregate):
        if one.path not in ("", CLOUD.name):
            _known(aggregate, one.at, one.path, asked.resource)
        asked = asked.aggregate(one)
    return asked


def _known(text: str, at: int | None, path: str, of: Resource) -> None:
    """Raise UserError that points at a path which leads nowhere."""
    from query_api.execution.paths import resolve

    with _pointing(text, at):
        resolve(of, path)


def answered(
    asked: Query,
    clouds: Clouds,
    where: str | None = None,
    *,
    explain: bool = False,
    allow_partial: bool = False,
) -> Table:
    """Ask the clouds and return the rows or, to ``explain``, the parts with their requests.

    The table is not good if the answer is not whole, unless ``allow_partial``. ``where`` is the
    text that the condition was read from, to point into. Raises UserError before the first
    request for what does not fit, and CloudError if no cloud answers.
    """
    with _pointing_at_tests(where or ""):
        parts = asked.explain() if explain else None
        answer = asked.run(clouds)
    good = answer.complete or allow_partial
    if parts is None:
        return answer.table(good=good)
    shown = parts.table(answer.requests)
    return Table(
        shown.columns,
        shown.rows,
        summary=f"{answer.summary} with {count(answer.sent, 'request')}",
        good=good,
        complete=answer.complete,
        reasons=answer.reasons,
    )


@contextmanager
def _pointing(text: str, at: int | None) -> Iterator[None]:
    """Have a UserError of the block point at a place of a text."""
    from query_api.language.words import pointed

    try:
        yield
    except UserError as error:
        # The advice belongs above the caret, not behind it.
        raise UserError(pointed(text, at, str(error))) from None


@contextmanager
def _pointing_at_tests(text: str) -> Iterator[None]:
    """Have what is said of a test in the block point at it."""
    from query_api.execution.predicates import Unfit

    try:
        yield
    except Unfit as error:
        with _pointing(text, error.at):
            raise
