"""server.snapshot: a server is saved as an image that is kept until a day."""

from __future__ import annotations

from accounts.cloud import Cloud
from keeping.marks import last_day
from keeping.snapshots import not_taken, notes, take_snapshot
from query_api.lookups import compute
from workflow_api import Context, Duration, Plan, clean, workflow
from workflow_api.parameters import Name, ServerName


@workflow("server.snapshot", one_object=True, timeout="7h")
def snapshot_server(
    ctx: Context,
    cloud: Cloud,
    server: ServerName,
    *,
    name: Name | None = None,
    keep: Duration = Duration.parse("7d"),  # noqa: B008 - a constant
) -> Plan:
    """Save a server as an image, marked with the day until which it is kept.

    name: What the image is to be called; the server's name and the day if empty.
    keep: How long to keep it, as 12h or 7d.
    """
    (found,) = ctx.claimed(lambda: [compute.find_server(cloud, server)])
    shown = clean(found.name)
    plan = Plan(f"Take a snapshot of {shown}")
    plan.refuse(f"{shown} cannot be saved: {why}" for why in not_taken(found))
    for note in notes(cloud, found):
        plan.note(note)
    plan.add(
        take_snapshot,
        server=found.id,
        name=shown,
        keep_until=last_day(ctx.asked_at, keep),
        image_name=name or f"{shown[:200]} of {ctx.asked_at:%Y-%m-%d}",
    )
    return plan
