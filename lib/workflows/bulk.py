"""bulk.run: any runbook of one thing, once for each row of a query or of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accounts.cloud import Cloud
from bulk.running import BulkRequest, plan_of
from query_api.resources import names
from workflow_api import Context, OnFailure, Plan, workflow
from workflow_api.parameters import AtLeastOne, MaxParallel, Where

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(names())]

OutputFile = Annotated[
    str,
    Meta(
        description="Also write the outcome of each row to this absolute path: CSV, or JSON if it "
        "ends in .json."
    ),
]


@workflow("bulk.run")
def run(
    ctx: Context,
    cloud: Cloud,
    action: str,
    resource: Name | None = None,
    where: Where | None = None,
    file: str | None = None,
    set: str | None = None,
    max_parallel: MaxParallel | None = None,
    limit: AtLeastOne | None = None,
    *,
    at_most_per: str | None = None,
    on_failure: OnFailure = "stop",
    output_file: OutputFile | None = None,
) -> Plan:
    """Run a runbook once for each row of a query or of a file.

    action: The runbook, as server.stop; any that changes something.
    resource: What the query with where is about; the action's subject, as server, if empty.
    file: Instead of a query, a CSV or JSON file of the action runner, below files.allowed.
    set: The parameters, from columns or texts, as: server=id; reason='end of {project.name}'.
    limit: At most this many rows: the first in a file, or of a query in the order of their ids.
    at_most_per: A column, and how many rows with the same value run at once, as host: 2.
    on_failure: After a failure, start no further rows (stop) or continue with the others
        (continue).
    """
    request = BulkRequest(
        action=action,
        resource=resource,
        where=where,
        file=file,
        set=set,
        limit=limit,
        at_most=max_parallel or ctx.config.limits.max_parallel,
        at_most_per=at_most_per,
        on_failure=on_failure,
    )
    return plan_of(ctx, cloud, request)
