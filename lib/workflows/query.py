"""Runbooks that ask: query.run, for every resource that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from accounts.clouds import Clouds
from query_api.resources import names
from searches.searching import Selection, Way, answered, question
from workflow_api import Context, Table, workflow
from workflow_api.parameters import AtLeastOne

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(names())]


@workflow("query.run")
def run(
    ctx: Context,
    clouds: Clouds,
    resource: Name,
    where: str | None = None,
    limit: AtLeastOne | None = None,
    *,
    selection: Selection,
    way: Way,
) -> Table:
    """Ask any question about the things in one or several clouds.

    resource: What is asked about.
    where: Only those that pass, as: status any_in (SHUTOFF, ERROR) and updated_at older_than 30d.
    limit: At most so many rows, or groups.
    """
    asked = question(resource, where=where, selection=selection, limit=limit)
    return answered(asked, clouds, where, way=way)
