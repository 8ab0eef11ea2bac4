"""hypervisor.drain: every server off a hypervisor, which is left disabled."""

from __future__ import annotations

import time
from typing import Any, Literal

from accounts.cloud import Cloud
from common.reasons import checked_reason
from hypervisors.hosts import because
from hypervisors.occupants import Occupants, occupants, told
from migration.move import move_server, verify_arrived
from migration.placement_check import PlacementCheck, placement_check, refuse_down, refuse_shared
from migration.policy import Migration, MigrationChoice, choose_migration, step_data
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor, Server
from workflow_api import (
    Attempt,
    Context,
    OnFailure,
    Plan,
    StepFailed,
    Undo,
    UserError,
    clean,
    listed,
    picked,
    step,
    workflow,
)
from workflow_api.parameters import HypervisorName, HypervisorReason, MaxParallel, Name, Names
from workflows.hypervisor.scheduling import disable_scheduling, scheduling_of

# Allocations of servers that have just left are given up in moments.
_SETTLES = 20.0
# What becomes of the hypervisor's scheduling when a drain is cancelled.
OnCancel = Literal["leave", "restore"]
_UNDO: dict[OnCancel, Undo] = {"leave": "never", "restore": "on_cancel"}


@step("hypervisor.verify_empty", "check that {host} is empty", key="{host}", changes=False)
def verify_empty(
    attempt: Attempt, cloud: Cloud, host: str, hypervisor: str, excluded: list[str]
) -> dict[str, Any]:
    """Fail unless nothing but what the operator excluded holds the hypervisor (by its id)."""
    begun = time.monotonic()
    while True:
        found = occupants(cloud, compute.find_hypervisor(cloud, hypervisor))
        left = [one for one in found.all if one.id not in excluded]
        if not left:
            break
        if not all(one.is_allocation for one in left) or time.monotonic() - begun > _SETTLES:
            raise StepFailed(f"{host} still holds {told(left)}.")
        attempt.wait(_SETTLES / 10)
    return {"said": f"{host} is empty" if not excluded else f"{host} holds only what was excluded"}


@workflow("hypervisor.drain")
def drain(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    reason: HypervisorReason,
    *,
    migration: Migration = "auto",
    max_parallel: MaxParallel | None = None,
    target: Name | None = None,
    exclude: Names = [],  # noqa: B006 - never changed; the signature is the action's default
    on_failure: OnFailure = "stop",
    on_cancel: OnCancel = "leave",
) -> Plan:
    """Move every server off a hypervisor and leave it disabled.

    migration: Live keeps servers running, cold stops them; auto is live for running and cold for
        stopped ones.
    max_parallel: How many servers to move at once; limits.max_parallel if empty.
    target: The hypervisor that all servers go to, by host name or id; Nova chooses if empty.
    exclude: Servers, or other occupants of the hypervisor, to leave on it, by name or id.
    on_failure: After a failed move, stop starting others or continue with them.
    on_cancel: After a cancel, leave the hypervisor disabled or restore its scheduling.
    """
    known = compute.hypervisors(cloud)
    host = compute.pick_hypervisor(cloud, hypervisor, known)
    refuse_shared(host, "Draining")
    refuse_down(host)
    ctx.claim(host)
    looks: list[Occupants] = []
    servers = ctx.claimed(lambda: _look(cloud, host, looks))
    found = looks[-1]
    plan = Plan(f"Drain {host.name}")
    excluded = _excluded(cloud, host, found, exclude)
    choices = [choose_migration(s, migration, ctx.config) for s in servers if s.id not in excluded]
    others = placement_check(cloud, host, known, choices, target, allocated=found.allocated)
    plan.refuse(others.refusals)

    for name in excluded.values():
        plan.skip(name, "it was excluded")
    if host.status == "disabled":
        why = f"it is disabled already{because(host.service.disabled_reason)}"
        plan.skip(f"scheduling of {host.name}", why)
    else:
        undo = _UNDO[on_cancel]
        plan.add(
            disable_scheduling, undo=undo, **scheduling_of(host), reason=checked_reason(reason)
        )
    moves = _moves(plan, choices, others, host)
    for one in found.others:
        if one.id not in excluded:
            plan.leave(one.shown, one.why)
    plan.each(
        move_server,
        moves,
        at_most=max_parallel or ctx.config.limits.max_parallel,
        on_failure=on_failure,
    )
    if moves:
        names = {move["server"]: move["name"] for move in moves}
        plan.add(verify_arrived, servers=names, source=host.service.host)
    plan.add(verify_empty, host=host.name, hypervisor=host.id, excluded=sorted(excluded))
    if plan.left:
        plan.note(
            f"{host.name} will not be empty: what is left fails the check at the end. "
            "Deal with it first, or name it in exclude."
        )
    return plan


def _look(cloud: Cloud, host: Hypervisor, looks: list[Occupants]) -> list[Server]:
    """Return the servers on the hypervisor; what else holds it is found at the same look."""
    looks.append(occupants(cloud, host, microversion=compute.to_judge(cloud)))
    return looks[-1].servers


def _excluded(
    cloud: Cloud, host: Hypervisor, found: Occupants, exclude: list[str]
) -> dict[str, str]:
    """Return what the operator excluded of all that holds the hypervisor, as names by id."""
    exclude = [clean(wanted) for wanted in exclude]  # as names are shown
    unknown = [e for e in exclude if not any(e in (one.id, one.name) for one in found.all)]
    if unknown:
        raise UserError(
            f"exclude names what is not on the hypervisor: {listed(unknown)}.",
            advice="Give names or ids as hypervisor.show and the plan list them.",
        )
    where = f"{host.name} of cloud {cloud.name}"
    chosen = [picked("server", wanted, found.all, where=where) for wanted in exclude]
    return {one.id: one.name for one in chosen}


def _moves(
    plan: Plan,
    choices: list[MigrationChoice],
    others: PlacementCheck,
    host: Hypervisor,
) -> list[dict[str, Any]]:
    """Return the data of each move, and record in the plan what is left and why."""
    moves = []
    for judged in choices:
        server = judged.server
        if why := judged.why or others.stuck.get(server.id):
            plan.leave(f"{clean(server.name)} ({server.id})", why)
        elif judged.how:
            moves.append(step_data(server, judged.how, host.service.host, others.target))
    return moves
