"""Queries as actions take them: from texts and lists of words to a query, and its answer.

``register`` gives a subject its ``search`` and ``list``. The query API is imported when a query
is made: these runbooks stand in modules with others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from accounts.clouds import Clouds
from workflow_api import Context, ParameterGroup, Table, UserError, count, workflow
from workflow_api.parameters import AllowPartial, Name, RowLimit

if TYPE_CHECKING:
    from query_api.execution.explain import Explanation
    from query_api.execution.query import Query
    from query_api.execution.running import Run

# Selects every property that the listing itself has.
ALL = "*"


class Examples(NamedTuple):
    """What suits a resource as an example: a condition, and what to group by."""

    where: str
    group_by: str


# Of the resources whose subjects are imported.
EXAMPLES: dict[str, Examples] = {}


class View(ParameterGroup, frozen=True, kw_only=True):
    """What of a listing is shown.

    select: The columns: properties, paths over links, or * for all; a few if empty.
    sort_by: The columns to sort by, a minus before one for descending.
    group_by: Properties to group by, or named ranges of one, as: host, status.
    """

    select: list[str] = msgspec.field(default_factory=list)
    sort_by: list[str] = msgspec.field(default_factory=list)
    group_by: str | None = None


class Selection(View, frozen=True, kw_only=True):
    """What of the things that pass is shown, and how.

    aggregate: Aggregates of each group: count, or sum, min, max, avg of a property.
    follow: Links to follow, as project; everything except where applies to the linked resource.
    join: Columns of what each row leads to, as project: name; user: name.
    """

    aggregate: Name | None = None
    follow: str | None = None
    join: str | None = None


class QueryOptions(ParameterGroup, frozen=True, kw_only=True):
    """How a query is run.

    explain: Show how the query is run, and the requests expected and made, instead of rows.
    allow_partial: Succeed even if something is missing from the answer; the answer says what.
    """

    explain: bool = False
    allow_partial: AllowPartial = False


def register(resource: str, plural: str, *, where: str, group_by: str, join: str) -> None:
    """Register ``<resource>.search`` and ``<resource>.list``.

    ``plural`` is for their sentences; ``where``, ``group_by`` and ``join`` are examples for their
    forms, and for the reference of the query language.
    """
    EXAMPLES[resource] = Examples(where, group_by)

    def search(
        ctx: Context,
        clouds: Clouds,
        where: str | None = None,
        limit: RowLimit | None = None,
        *,
        selection: Selection,
        options: QueryOptions,
    ) -> Table:
        query = question(resource, where=where, selection=selection, limit=limit)
        return answered(query, clouds, where, options=options)

    def everything(
        ctx: Context,
        clouds: Clouds,
        limit: RowLimit | None = None,
        *,
        view: View,
        options: QueryOptions,
    ) -> Table:
        selection = Selection(**msgspec.structs.asdict(view))
        return answered(
            question(resource, selection=selection, limit=limit), clouds, options=options
        )

    grouped = f"group_by: Properties to group by, or named ranges of one, as: {group_by}."
    first, *_ = join.partition(":")
    search.__doc__ = f"""Search {plural} by any of their properties.

    where: Only those that pass, as: {where}.
    {grouped}
    follow: Links to follow, as {first}; everything except where applies to the linked resource.
    join: Columns of what each row leads to, as {join}.
    """
    everything.__doc__ = f"""List all {plural}.

    {grouped}
    """
    workflow(f"{resource}.search")(search)
    workflow(f"{resource}.list")(everything)


def question(
    resource: str,
    *,
    where: str | None = None,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    limit: int | None = None,
) -> Query:
    """Return the query that an action's parameters say; a text that is None or empty says nothing.

    ``where`` is about the resource, everything else about what ``follow`` leads to. Raises
    UserError that points at the word of a text which cannot be understood, and NotFound for an
    unknown resource. What fits its kind is checked when the query is run.
    """
    from query_api.execution.query import query as query_of

    query = query_of(resource)
    if where and where.strip():
        query = _where(query, where)
    if selection.follow:
        query = _follow(query, selection.follow)
    # Arrays are typed with commas, and people put a space behind a comma.
    columns = [name.strip() for name in selection.select]
    if ALL in columns:
        query = query.select_all()
    query = query.select(*(name for name in columns if name != ALL))
    query = query.sort_by(*(name.strip() for name in selection.sort_by))
    if selection.join:
        query = _join(query, selection.join)
    if selection.group_by or selection.aggregate:
        query = _grouped(query, selection.group_by or "", selection.aggregate or "")
    return query if limit is None else query.limit(limit)


# Each imports the language that it reads: most questions speak few of them.
def _where(query: Query, text: str) -> Query:
    from query_api.language import conditions
    from query_api.language.where import parse

    condition = parse(text)
    for test in conditions.tests(condition):
        query = _resolved(query, text, test.at, test.path)
    return query.where(condition)


def _follow(query: Query, text: str) -> Query:
    from query_api.language.chains import parse_follow

    for step in parse_follow(text):
        with _pointing(text, step.at):
            query = query.then(step.link)
    return query


def _join(query: Query, text: str) -> Query:
    from query_api.language.chains import parse_join

    for join in parse_join(text):
        query = _resolved(query, text, join.at, join.path)
        query = query.append_from(join.link, join.name)
    return query


def _grouped(query: Query, group_by: str, aggregate: str) -> Query:
    from query_api.execution.paths import CLOUD
    from query_api.language.grouping import parse_aggregate, parse_group_by

    for group in parse_group_by(group_by):
        if group.path != CLOUD:
            query = _resolved(query, group_by, group.at, group.path)
        query = query.group_by(group)
    for figure in parse_aggregate(aggregate):
        if figure.path not in ("", CLOUD):
            query = _resolved(query, aggregate, figure.at, figure.path)
        query = query.aggregate(figure)
    return query


def _resolved(query: Query, text: str, at: int | None, path: str) -> Query:
    """Return the query with a path resolved; the UserError of one that is unknown points at it."""
    with _pointing(text, at):
        return query.resolve(path)


def answered(
    query: Query,
    clouds: Clouds,
    where: str | None = None,
    *,
    options: QueryOptions = QueryOptions(),  # noqa: B008 - frozen
) -> Table:
    """Ask the clouds and return the rows or, to explain, the parts with their requests.

    The table is not good if the answer is not whole, unless the options allows it. ``where`` is the
    text that the condition was read from, to point into. Raises UserError before the first
    request for what does not fit, and CloudError if no cloud answers.
    """
    with _pointing_at_tests(where or ""):
        run = query.prepare()
        parts = _explanation(run) if options.explain else None
        answer = run.answer(clouds)
    good = answer.complete or options.allow_partial
    if parts is None:
        return answer.table(good=good)
    explained = parts.table(answer.requests)
    return Table(
        explained.columns,
        explained.rows,
        summary=f"{answer.summary} with {count(answer.sent, 'request')}",
        good=good,
        complete=answer.complete,
        reasons=answer.reasons,
    )


def _explanation(run: Run) -> Explanation:
    from query_api.execution.explain import explained

    return explained(run)


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
