"""server.console_log: the end of what a server wrote to its console."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from accounts.cloud import Cloud
from query_api.lookups import compute, console
from workflow_api import Context, Table, clean, count, workflow
from workflow_api.parameters import ServerName


@workflow("server.console_log")
def console_log(
    ctx: Context,
    cloud: Cloud,
    server: ServerName,
    *,
    lines: Annotated[int, Meta(ge=1, le=10000)] = 50,
) -> Table:
    """Show the last lines of a server's console log, without terminal control sequences.

    lines: How many of the last lines to show.
    """
    found = compute.find_server(cloud, server)
    written = console.output(cloud, found.id, lines)
    rows = [{"line": clean(line).rstrip()} for line in written.splitlines()[-lines:]]
    name = clean(found.name)
    summary = f"{count(len(rows), 'line')} of the console of {name}"
    return Table(("line",), rows, summary=summary if rows else f"the console of {name} is empty")
