"""server.migrate: one server to another hypervisor, with a snapshot first if asked."""

from __future__ import annotations

from accounts.cloud import Cloud
from keeping.marks import last_day
from keeping.snapshots import take_snapshot
from migration.move import move_server, verify_arrived
from migration.placement_check import placement_check, refuse_down
from migration.policy import Migration, choose_migration, step_data
from query_api.lookups import compute
from workflow_api import Context, Duration, Plan, clean, workflow
from workflow_api.parameters import Name, ServerName


@workflow("server.migrate", one_object=True, timeout="7h")
def migrate(
    ctx: Context,
    cloud: Cloud,
    server: ServerName,
    *,
    migration: Migration = "auto",
    target: Name | None = None,
    snapshot: bool = False,
    keep_snapshot: Duration = Duration.parse("7d"),  # noqa: B008 - a constant
    force_forbidden: bool = False,
) -> Plan:
    """Move one server to another hypervisor.

    A protected server is moved if it is named, and skipped as one of many rows (bulk.run).

    migration: Live keeps it running, cold stops it; auto is live for running servers and cold for
        stopped ones.
    target: The target hypervisor, by host name or id; Nova chooses if empty.
    snapshot: Take a snapshot first, after every check has passed.
    keep_snapshot: How long to keep the snapshot, as 12h or 7d.
    force_forbidden: Live-migrate it even if live_migration_forbidden in the configuration forbids
        it for such servers.
    """
    version = compute.to_judge(cloud)
    (found,) = ctx.claimed(lambda: [compute.find_server(cloud, server, microversion=version)])
    plan = Plan(f"Migrate {clean(found.name)}")
    judged = choose_migration(found, migration, ctx.config, bulk=ctx.many, overrule=force_forbidden)
    if judged.how is None:
        plan.refuse([f"{clean(found.name)} cannot be moved: {judged.why}"], kept=judged.kept)
    known = compute.hypervisors(cloud)
    source = compute.hypervisor_of(cloud, found, known)
    refuse_down(source)
    others = placement_check(cloud, source, known, [judged], target)
    plan.refuse([*others.refusals, *others.stuck.values()])
    assert judged.how is not None
    if judged.why:
        plan.note(f"{clean(found.name)} is live-migrated by force_forbidden: {judged.why}")
    if snapshot:
        until = last_day(ctx.asked_at, keep_snapshot)
        plan.add(take_snapshot, server=found.id, name=clean(found.name), keep_until=until)
    plan.add(move_server, **step_data(found, judged.how, source.service.host, others.target))
    plan.add(verify_arrived, servers={found.id: clean(found.name)}, source=source.service.host)
    return plan
