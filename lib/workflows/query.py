"""Runbooks that ask: query.run, for every resource that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from accounts.clouds import Clouds
from query_api.resources import names
from searches.searching import QueryOptions, Selection, answered, question
from workflow_api import Context, Table, workflow
from workflow_api.parameters import RowLimit, Where

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(names())]


@workflow("query.run")
def run(
    ctx: Context,
    clouds: Clouds,
    resource: Name,
    where: Where | None = None,
    limit: RowLimit | None = None,
    *,
    selection: Selection,
    options: QueryOptions,
) -> Table:
    """Query any resource of one or several clouds.

    resource: What is asked about.
    """
    asked = question(resource, where=where, selection=selection, limit=limit)
    return answered(asked, clouds, where, options=options)
