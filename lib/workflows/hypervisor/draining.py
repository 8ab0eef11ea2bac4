"""hypervisor.drain: every server off a hypervisor, which is left disabled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

from accounts.cloud import Cloud
from common.reasons import checked_reason
from hypervisors.hosts import because
from hypervisors.occupants import claimed_occupants, excluded, occupants, told
from migration.move import move_server, verify_arrived
from migration.placement_check import PlacementCheck, placement_check, refuse_down, refuse_shared
from migration.policy import Migration, MigrationChoice, choose_migration, step_data
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
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
    spare: Names = [],  # noqa: B006 - never changed; the signature is the action's default
    exclude: Names = [],  # noqa: B006 - the same
    on_failure: OnFailure = "stop",
    on_cancel: OnCancel = "leave",
) -> Plan:
    """Move every server off a hypervisor and leave it disabled.

    migration: Live keeps servers running, cold stops them; auto is live for running and cold for
        stopped ones.
    max_parallel: How many servers to move at once; limits.max_parallel if empty.
    target: The hypervisor that all servers go to, by host name or id; Nova chooses if empty.
    spare: Hypervisors that are filled first, by host names or ids; Nova chooses for the rest.
    exclude: Servers, or other occupants of the hypervisor, to leave on it, by name or id.
    on_failure: After a failed move, stop starting others or continue with them.
    on_cancel: After a cancel, leave the hypervisor disabled or restore its scheduling.
    """
    if target and spare:
        raise UserError(
            "target is for all servers, so nothing is left for spare: give one of them."
        )
    known = compute.hypervisors(cloud)
    host = compute.pick_hypervisor(cloud, hypervisor, known)
    refuse_shared(host, "Draining")
    refuse_down(host)
    found = claimed_occupants(ctx, cloud, host)
    plan = Plan(f"Drain {host.name}")
    staying = excluded(cloud, host, found.all, exclude)
    going = [one for one in found.servers if one.id not in staying]
    choices = [choose_migration(server, migration, ctx.config) for server in going]
    spares = _spares(plan, host, [compute.pick_hypervisor(cloud, one, known) for one in spare])
    others = placement_check(
        cloud, host, known, choices, target, allocated=found.allocated, spare=spares
    )
    plan.refuse(others.refusals)

    for name in staying.values():
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
        if one.id not in staying:
            plan.leave(one.shown, one.why)
    # What Nova places would else take the room of those that go to a spare one.
    for some in (
        [move for move in moves if move["server"] in others.spare],
        [move for move in moves if move["server"] not in others.spare],
    ):
        plan.each(
            move_server,
            some,
            at_most=max_parallel or ctx.config.limits.max_parallel,
            on_failure=on_failure,
        )
    if moves:
        names = {move["server"]: move["name"] for move in moves}
        plan.add(verify_arrived, servers=names, source=host.service.host)
    plan.add(verify_empty, host=host.name, hypervisor=host.id, excluded=sorted(staying))
    if plan.left:
        plan.note(
            f"{host.name} will not be empty: what is left fails the check at the end. "
            "Deal with it first, or name it in exclude."
        )
    return plan


def _spares(plan: Plan, host: Hypervisor, named: Sequence[Hypervisor]) -> list[Hypervisor]:
    """Return the spare hypervisors that servers can be sent to; say of the others why not."""
    for one in named:
        if one.id != host.id and not one.usable:
            plan.note(f"Nothing goes to the spare {one.name}: it is {one.state} and {one.status}.")
        elif one.service.others:
            plan.note(f"Nothing goes to the spare {one.name}: its service has other hypervisors.")
    return [one for one in named if one.id != host.id]


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
            goes = others.spare.get(server.id, others.target)
            moves.append(step_data(server, judged.how, host.service.host, goes))
    for spare in dict.fromkeys(others.spare.values()):
        names = [move["name"] for move in moves if move["target"] == spare]
        plan.note(f"To the spare {spare}, which is filled first: {listed(names, 10)}.")
    return moves
