"""Runbooks that ask: query.run, for every resource that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from accounts.clouds import Clouds
from query_api.resources import names
from searches.searching import answered, question
from workflow_api import Context, Table, workflow

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(names())]


@workflow("query.run")
def run(
    ctx: Context,
    resource: Name,
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
    """Ask any question about the things in one or several clouds."""
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
