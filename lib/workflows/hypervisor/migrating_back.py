"""hypervisor.migrate_back: what a run moved off a hypervisor goes back to it, those alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accounts.cloud import Cloud, not_there
from hypervisors.past_runs import Moved, moved_off
from migration.homeward import homeward
from migration.move import move_server, verify_arrived
from migration.placement_check import refuse_shared
from migration.policy import Migration, choose_migration
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor, Server
from query_api.wire.reading import Reading
from workflow_api import CloudError, Context, OnFailure, Plan, clean, workflow
from workflow_api.parameters import HypervisorName, MaxParallel, RunId


@workflow("hypervisor.migrate_back")
def migrate_back(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    run: RunId,
    *,
    migration: Migration = "auto",
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "continue",
) -> Plan:
    """Move back exactly those servers that a run has moved off a hypervisor.

    What is gone, or no longer where the run put it, is skipped; what cannot be moved, or fits no
    longer, is left.

    run: The run that moved them, or one that it was a part of, by its id or the start of it.
    migration: Live keeps servers running, cold stops them; auto is live for running and cold for
        stopped ones.
    on_failure: After a failed move, stop starting others or continue with them.
    """
    known = compute.hypervisors(cloud)
    host = compute.pick_hypervisor(cloud, hypervisor, known)
    refuse_shared(host, "Going back to")
    plan = Plan(f"Bring back what was moved off {host.name}")
    plan.refuse([] if host.usable else [f"{host.name} is {host.state} and {host.status}"])
    moved = {one.id: one for one in moved_off(ctx.open_journal(), run, host, cloud)}
    ctx.claim(host)
    servers = ctx.claimed(lambda: _now(cloud, list(moved.values())))
    there = {server.id: server for server in servers}
    judged = []
    for one in moved.values():
        if why := _why_skipped(one, there, host):
            plan.skip(f"{one.name} ({one.id})", why)
        else:
            judged.append(choose_migration(there[one.id], migration, ctx.config))
    found = homeward(cloud, host, judged, known)
    for server, why in found.left:
        plan.leave(f"{clean(server.name)} ({server.id})", why)
    plan.each(
        move_server,
        found.moves,
        at_most=max_parallel or ctx.config.limits.max_parallel,
        on_failure=on_failure,
    )
    if found.moves:
        plan.add(verify_arrived, servers={move["server"]: move["name"] for move in found.moves})
    return plan


def _why_skipped(one: Moved, there: Mapping[str, Server], host: Hypervisor) -> str:
    """Return why a server that was moved is none to bring back, "" if it is one."""
    now = there.get(one.id)
    if now is None:
        return "it is gone"
    if now.host == host.service.host:
        return "it is back already"
    if now.host != one.to:
        where = clean(now.host or "no host")
        return f"it is on {where} by now, and was moved to {clean(one.to)}"
    return ""


def _now(cloud: Cloud, moved: Sequence[Moved]) -> list[Server]:
    """Return those that are there, most of them in a listing of each host they were moved to."""
    version, ids = compute.to_judge(cloud), {one.id for one in moved}
    hosts = sorted({one.to for one in moved})
    listings = Reading(cloud).each(
        lambda host: compute.servers(cloud, host=host, microversion=version), hosts
    )
    known = {server.id: server for listing in listings for server in listing if server.id in ids}
    looks = Reading(cloud).tried(
        lambda id: compute.server(cloud, id, microversion=version), sorted(ids - known.keys())
    )
    for look in looks:
        if not isinstance(look, CloudError):
            known[look.id] = look
        elif not not_there(look):
            raise look
    return [known[one.id] for one in moved if one.id in known]
