"""hypervisor.evacuate: the servers of a dead hypervisor are rebuilt on others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from accounts.cloud import Cloud
from brakes.working import in_work, judge, take_in_work
from common.reasons import checked_reason
from hypervisors.fencing import force_down, proof
from hypervisors.occupants import claimed_occupants, excluded
from hypervisors.services import ComputeService, compute_services
from migration.evacuating import (
    UNDER_WAY,
    evacuate_server,
    evacuation,
    lost_with_it,
    priority,
    records,
)
from migration.move import verify_arrived
from migration.placement_check import PlacementCheck, placement_check, refuse_shared
from migration.policy import MigrationChoice, shown_size
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from workflow_api import (
    Context,
    OnFailure,
    Plan,
    Refused,
    UserError,
    clean,
    listed,
    workflow,
)
from workflow_api.parameters import (
    HypervisorName,
    HypervisorReason,
    MaxParallel,
    Name,
    Names,
    PastBrakes,
)
from workflows.hypervisor.scheduling import disable_scheduling, scheduling_of

# What becomes of servers whose root disk was on the dead host alone.
LocalDisks = Literal["leave", "rebuild"]


@workflow("hypervisor.evacuate")
def evacuate(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    reason: HypervisorReason,
    *,
    power_is_off: str | None = None,
    local_disks: LocalDisks = "leave",
    target: Name | None = None,
    exclude: Names = [],  # noqa: B006 - never changed; the signature is the action's default
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "continue",
    past_brakes: PastBrakes = False,
) -> Plan:
    """Rebuild the servers of a dead hypervisor, proven to be powered off, on other hypervisors.

    power_is_off: The hypervisor's name again, to confirm that its power is off.
    local_disks: Whether to leave servers whose root disk was on it, or to rebuild them from their
        images.
    target: The hypervisor that all servers go to, by host name or id; Nova chooses if empty.
    exclude: Servers to leave on it, by name or id.
    on_failure: After a failed evacuation, stop, or continue with the others.
    """
    known = compute.hypervisors(cloud)
    host = compute.pick_hypervisor(cloud, hypervisor, known)
    refuse_shared(host, "Evacuating")
    service = compute_services(cloud).get(host.service.host)
    _refuse_up(host, service)
    found = claimed_occupants(ctx, cloud, host)
    plan = Plan(f"Evacuate {host.name}")
    staying = excluded(cloud, host, found.servers, exclude)
    under_way = {record.instance_uuid for record in records(cloud, host.service.host, *UNDER_WAY)}
    judged = [
        evacuation(s, ctx.config, under_way, rebuild_local=local_disks == "rebuild")
        for s in found.servers
        if s.id not in staying
    ]
    others = placement_check(
        cloud, host, known, judged, target, allocated=found.allocated, each_stays=True
    )
    proven = proof(ctx.config.evacuation, host, service, power_is_off)
    plan.refuse([*proven.refusals, *others.refusals], advice=proven.advice)
    judge(ctx, cloud, plan, [host], past_brakes=past_brakes)
    for name in staying.values():
        plan.skip(name, "it was excluded")
    # It stays in work until it is given back, however this run ends.
    plan.add(take_in_work, **in_work(host, past_brakes=past_brakes))
    if host.status == "disabled":
        plan.skip(f"scheduling of {host.name}", "it is disabled already")
    else:
        plan.add(disable_scheduling, **scheduling_of(host), reason=checked_reason(reason))
    if proven.command:
        _power_off(ctx, plan, host, proven.command)
    if service is not None and service.forced_down:
        plan.skip(f"nova-compute on {host.name}", "Nova has been told that it is down already")
    else:
        plan.add(
            force_down,
            service=host.service.id,
            host=host.name,
            compute_host=host.service.host,
        )
    moves = _moves(ctx, plan, judged, others, host)
    plan.each(
        evacuate_server,
        moves,
        at_most=max_parallel or ctx.config.limits.max_parallel,
        on_failure=on_failure,
    )
    if moves:
        names = {move["server"]: move["name"] for move in moves}
        plan.add(verify_arrived, servers=names, source=host.service.host)
    for note in [*proven.notes, *_notes(judged, others)]:
        plan.note(note)
    plan.note(f"When it is repaired: hypervisor.return hypervisor={host.name}.")
    return plan


def _power_off(ctx: Context, plan: Plan, host: Hypervisor, command: str) -> None:
    """Plan the command that turns the power off and succeeds only if it is off.

    Raises UserError for a configuration by which it would be run on the dead hypervisor itself.
    """
    from accounts.ssh import SshAccount
    from remote.commands import named, shown, step_data
    from remote.steps import run_command

    if not named(ctx.config, command).run_on:
        raise UserError(
            f"Command {command} (evacuation.power_off) has no run_on.",
            advice="Name a host in it that reaches the power of hypervisors: the dead one cannot.",
        )
    ssh = SshAccount.from_config(ctx.config, ctx.config.evacuation.power_off_account)
    data = step_data(ssh, command, {}, host=host.id, name=host.name)
    plan.note(f"It turns the power off, as {ssh.entry.user}: {shown(data)}")
    plan.add(run_command, ssh=ssh, **data)


def _refuse_up(host: Hypervisor, service: ComputeService | None) -> None:
    """Raise Refused for a hypervisor that is up: its servers run, and would run twice."""
    if host.state == "up" or (service is not None and service.state == "up"):
        raise Refused(
            f"Evacuating {host.name}",
            ["its compute service is up"],
            advice="Servers of a hypervisor that is up are moved, with hypervisor.drain.",
        )


def _moves(
    ctx: Context,
    plan: Plan,
    judged: Sequence[MigrationChoice],
    others: PlacementCheck,
    host: Hypervisor,
) -> list[dict[str, Any]]:
    """Return the data of each evacuation, what is urgent first; say in the plan what is left."""
    key, moves = ctx.config.evacuation.priority_key, []
    for one in sorted(judged, key=lambda one: (-priority(one.server, key), one.server.name)):
        server = one.server
        if why := one.why or others.stuck.get(server.id):
            plan.leave(f"{clean(server.name)} ({server.id})", why)
            continue
        moves.append(
            {
                "server": server.id,
                "name": clean(server.name),
                "size": shown_size(server),
                "source": host.service.host,
                "target": others.target,
            }
        )
    return moves


def _notes(judged: Sequence[MigrationChoice], others: PlacementCheck) -> list[str]:
    going = [one.server for one in judged if one.how and one.server.id not in others.stuck]
    lost = [words for server in going if (words := lost_with_it(server))]
    return [f"Lost with it unless on shared storage: {listed(lost, 10)}."] if lost else []
