"""Runbooks about hypervisors: list, search, show, find, disable, enable, drain."""

from __future__ import annotations

import time
from typing import Any, Literal

from accounts.cloud import Cloud
from hypervisors.hosts import because
from hypervisors.occupants import Occupants, occupants, told
from migration.move import move_server, verify_arrived
from migration.placement_check import Elsewhere, elsewhere, refuse_down, refuse_shared
from migration.policy import Migration, Movement, movement, step_data
from openstack_api import compute as change
from query_api.lookups import compute
from query_api.wire.compute_types import Hypervisor, Server
from searches.searching import register
from workflow_api import (
    Attempt,
    CloudError,
    Context,
    OnFailure,
    Plan,
    StepFailed,
    Table,
    Undo,
    UserError,
    clean,
    count,
    listed,
    picked,
    step,
    workflow,
)
from workflow_api.parameters import HypervisorName, HypervisorReason, MaxParallel
from workflows.hypervisor import candidates  # noqa: F401 - registers its runbooks

# Allocations of servers that have just left are given up in moments.
_SETTLES = 20.0
_LONGEST_REASON = 255  # Nova's column
# What becomes of the hypervisor's scheduling when a drain is cancelled.
OnCancel = Literal["leave", "restore"]
_UNDO: dict[OnCancel, Undo] = {"leave": "never", "restore": "on_cancel"}


# -- reading -----------------------------------------------------------------------------------


register(
    "hypervisor",
    "hypervisors",
    where="state = down or disabled_reason contains disk",
    group_by="state, status",
    join="servers: name; aggregates: name",
)


@workflow("hypervisor.show")
def show_hypervisor(ctx: Context, cloud: Cloud, hypervisor: HypervisorName) -> Table:
    """Show one hypervisor, the servers on it, and what else holds it."""
    host = compute.find_hypervisor(cloud, hypervisor)
    reasons: list[tuple[str, str]] = []
    try:
        found = occupants(cloud, host)
    except CloudError as error:
        reasons.append((f"what else holds {host.name}", str(error)))
        found = Occupants(compute.servers_on(cloud, host), [], {})
    load = _row(host)
    rows = [
        {
            "name": clean(server.name),
            "id": server.id,
            "status": server.status,
            "task": server.task_state,
            "vcpus": server.flavor.vcpus,
            "memory_gib": server.flavor.ram / 1024,
            "locked": server.locked,
        }
        for server in found.servers
    ]
    rows += [{"name": one.name, "id": one.id, "note": one.why} for one in found.others]
    title = (
        f"{host.name} ({host.id}): {host.state}, {host.status}{because(load['reason'])}; "
        f"{load['vcpus']} vCPUs and {load['memory_gib']} GiB used"
    )
    columns = ("name", "id", "status", "task", "vcpus", "memory_gib", "locked")
    also = f", and {len(found.others)} more that hold it" if found.others else ""
    return Table(
        (*columns, "note") if found.others else columns,
        rows,
        title,
        summary=f"{title}; {count(len(found.servers), 'server')}{also}",
        good=not reasons,
        extra=() if found.others else ("note",),
        reasons=reasons,
    )


def _row(host: Hypervisor) -> dict[str, Any]:
    return {
        "name": clean(host.name),
        "id": host.id,
        "state": host.state,
        "status": host.status,
        "servers": host.running_vms,
        "vcpus": f"{host.vcpus_used}/{host.vcpus}",
        "memory_gib": f"{host.memory_mb_used // 1024}/{host.memory_mb // 1024}",
        "reason": clean(host.service.disabled_reason or ""),
    }


# -- scheduling --------------------------------------------------------------------------------


def find_disabled(cloud: Cloud, service: str, host: str, reason: str) -> dict[str, Any] | None:
    """Say whether scheduling of the host is disabled with this very reason."""
    now = compute.hypervisor_behind(cloud, service)
    disabled = now and (now.status, now.service.disabled_reason) == ("disabled", reason)
    return {"said": f"{host} is disabled"} if disabled else None


def find_enabled(cloud: Cloud, service: str, host: str) -> dict[str, Any] | None:
    """Say whether scheduling of the host is enabled."""
    now = compute.hypervisor_behind(cloud, service)
    return {"said": f"{host} is enabled"} if now and now.status == "enabled" else None


def restore_scheduling(cloud: Cloud, service: str, was: dict[str, Any]) -> None:
    """Put scheduling back as it was when the plan was drawn."""
    if was["status"] == "enabled":
        change.enable_service(cloud, service)
    else:
        change.disable_service(cloud, service, was["reason"] or "disabled")


@step(
    "hypervisor.disable_scheduling",
    "disable scheduling of {host}{now}: {reason}",
    key="{host}",
    find=find_disabled,
    undo=restore_scheduling,
)
def disable_scheduling(
    cloud: Cloud, service: str, host: str, reason: str, was: dict[str, Any], now: str = ""
) -> dict[str, Any]:
    """Take a hypervisor out of scheduling; ``now`` says in the plan how it stands before."""
    change.disable_service(cloud, service, reason)
    return {"said": f"{host} is disabled"}


@step(
    "hypervisor.enable_scheduling",
    "enable scheduling of {host}{now}",
    key="{host}",
    find=find_enabled,
    undo=restore_scheduling,
)
def enable_scheduling(
    cloud: Cloud, service: str, host: str, was: dict[str, Any], now: str = ""
) -> dict[str, Any]:
    """Put a hypervisor back into scheduling; ``now`` says in the plan how it stands before."""
    change.enable_service(cloud, service)
    return {"said": f"{host} is enabled"}


@workflow("hypervisor.disable", one_object=True, timeout="5m")
def disable(
    ctx: Context, cloud: Cloud, hypervisor: HypervisorName, reason: HypervisorReason
) -> Plan:
    """Take a hypervisor out of scheduling; its servers stay and run on."""
    (host,) = ctx.claimed(lambda: [compute.find_hypervisor(cloud, hypervisor)])
    refuse_shared(host, "Disabling")
    plan = Plan(f"Disable {host.name}")
    if host.status == "disabled" and host.service.disabled_reason == _reason(reason):
        plan.skip(host.name, "it is disabled for this reason already")
    else:
        plan.add(disable_scheduling, **_scheduling(host), reason=_reason(reason))
    return plan


@workflow("hypervisor.enable", one_object=True, timeout="5m")
def enable(ctx: Context, cloud: Cloud, hypervisor: HypervisorName) -> Plan:
    """Put a hypervisor back into scheduling."""
    (host,) = ctx.claimed(lambda: [compute.find_hypervisor(cloud, hypervisor)])
    refuse_shared(host, "Enabling")
    plan = Plan(f"Enable {host.name}")
    if host.state != "up":
        plan.note(f"{host.name} is {host.state}: nothing is scheduled there until it is up.")
    if host.status == "enabled":
        plan.skip(host.name, "it is enabled already")
    else:
        plan.add(enable_scheduling, **_scheduling(host))
    return plan


def _scheduling(host: Hypervisor) -> dict[str, Any]:
    reason = host.service.disabled_reason
    now = f" (now {host.status}{because(reason)})" if host.status != "enabled" else ""
    was = {"status": host.status, "reason": reason}
    return {"service": host.service.id, "host": host.name, "was": was, "now": now}


def _reason(reason: str) -> str:
    text = clean(reason).strip()
    if not 1 <= len(text) <= _LONGEST_REASON:
        raise UserError(f"reason must have 1 to {_LONGEST_REASON} characters, not {len(text)}.")
    return text


# -- drain -------------------------------------------------------------------------------------


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
    target: str | None = None,
    exclude: list[str] = [],  # noqa: B006 - never changed; the signature is the action's default
    on_failure: OnFailure = "stop",
    on_cancel: OnCancel = "leave",
) -> Plan:
    """Move every server off a hypervisor and leave it disabled.

    migration: Live keeps servers running, cold stops them; auto is live for running and cold for
        stopped ones.
    max_parallel: How many servers are moved at once; limits.max_parallel if empty.
    target: The hypervisor that all servers go to, by host name or id; Nova chooses if empty.
    exclude: Servers to leave where they are, and what else the plan says holds it, by name or id.
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
    movements = [movement(s, migration, ctx.config) for s in servers if s.id not in excluded]
    others = elsewhere(cloud, host, known, movements, target, allocated=found.allocated)
    plan.refuse(others.misfits)

    for name in excluded.values():
        plan.skip(name, "it was excluded")
    if host.status == "disabled":
        why = f"it is disabled already{because(host.service.disabled_reason)}"
        plan.skip(f"scheduling of {host.name}", why)
    else:
        undo = _UNDO[on_cancel]
        plan.add(disable_scheduling, undo=undo, **_scheduling(host), reason=_reason(reason))
    moves = _moves(plan, movements, others, host)
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
    movements: list[Movement],
    others: Elsewhere,
    host: Hypervisor,
) -> list[dict[str, Any]]:
    """Return the data of each move, and record in the plan what is left and why."""
    moves = []
    for judged in movements:
        server = judged.server
        if why := judged.why or others.stuck.get(server.id):
            plan.leave(f"{clean(server.name)} ({server.id})", why)
        elif judged.how:
            moves.append(step_data(server, judged.how, host.service.host, others.target))
    return moves
