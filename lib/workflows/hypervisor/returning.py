"""hypervisor.return: a hypervisor that was away is looked at, tested, and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts.cloud import Cloud
from brakes.working import end_work, in_work
from hypervisors.past_runs import Moved, moved_off, run_at_work, silencing_runs
from hypervisors.returning import (
    Leftovers,
    believe,
    check_leftovers,
    leftovers,
    notes_on,
    wait_up,
)
from hypervisors.services import ComputeService, compute_services
from hypervisors.test_inputs import TestOptions, find_inputs
from migration.placement_check import refuse_shared
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from workflow_api import Context, Duration, Plan, Ref, listed, workflow
from workflow_api.parameters import HypervisorName, Name, RunId
from workflows.hypervisor.scheduling import enable_scheduling, scheduling_of

if TYPE_CHECKING:
    from state.records import RunRecord

_TEN_MINUTES = Duration.parse("10m")


@workflow("hypervisor.return", one_object=True, timeout="6h")
def give_back(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    *,
    test: bool = True,
    network: Name | None = None,
    within: Duration = _TEN_MINUTES,
    migrate_back: bool = False,
    run: RunId | None = None,
) -> Plan:
    """Return a hypervisor to service after an evacuation, a failed maintenance or a reboot.

    What the run that parked it keeps quiet in monitoring is quiet no longer.

    test: Test it before it is enabled, as hypervisor.test does.
    network: The network of the test, by its exact name or id, or none; the only one if empty.
    within: How long to wait for its compute service, and for the cleanup of evacuated servers.
    migrate_back: Move back exactly those servers that the run has moved off it.
    run: The run that parked or emptied it; the one that has it in work if empty.
    """
    (host,) = ctx.claimed(lambda: [compute.find_hypervisor(cloud, hypervisor)])
    refuse_shared(host, "Returning")
    service = compute_services(cloud).get(host.service.host)
    left = leftovers(cloud, host)
    plan = Plan(f"Return {host.name}")
    tested = test and host.status == "disabled"
    lacking = _lacking(ctx, cloud, network) if tested else []
    plan.refuse([*_unfit(service, left), *lacking])
    for note in notes_on(host, left, service):
        plan.note(note)
    known = _known(ctx, host, run)
    moved = _moved(ctx, plan, cloud, host, known) if migrate_back else []
    if host.status == "enabled" and host.state == "up" and not left.reasons:
        plan.skip(host.name, "it is up and enabled, and nothing is left on it")
        _end(ctx, plan, host, known, host.name if moved else None)
        return plan
    up = checked(plan, host, service, float(within))
    if tested:
        # While it is down nobody can say how it is tested: the plan of that is drawn then.
        name: Any = host.name if host.state == "up" else up["host"]
        asked: dict[str, Any] = {"hypervisors": [name], "network": network}
        plan.run("hypervisor.test", **asked)
    enabled: Any = up
    if host.status == "disabled":
        enabled = plan.add(enable_scheduling, **scheduling_of(host))
    # What can go back is seen once it is in scheduling: the plan of that is drawn then.
    _end(ctx, plan, host, known, enabled["host"] if moved else None)
    return plan


def _known(ctx: Context, host: Hypervisor, run: str | None) -> RunRecord | None:
    """Return the run that emptied or parked the hypervisor, None if none is known."""
    journal = ctx.open_journal()
    return journal.run(run) if run else run_at_work(journal, host)


def _moved(
    ctx: Context, plan: Plan, cloud: Cloud, host: Hypervisor, run: RunRecord | None
) -> list[Moved]:
    """Return what the run has moved off the hypervisor, and tell the plan of it."""
    if run is None:
        plan.refuse([f"no run has {host.name} in work: name the one that emptied it in run"])
        return []
    moved = moved_off(ctx.open_journal(), run.id, host, cloud)
    if moved:
        names = listed((one.name for one in moved), 10)
        plan.note(f"Brought back, if they are where they were moved to, and fit: {names}.")
    else:
        plan.skip("servers", f"run {run.id[:8]} has moved none off {host.name}")
    return moved


def _end(ctx: Context, plan: Plan, host: Hypervisor, run: RunRecord | None, goes_back: Any) -> None:
    """Plan what comes once the hypervisor is in scheduling, by what a run has done about it.

    ``goes_back`` is its name if servers go back to it, or a reference to that.
    """
    if run is not None and (ctx.config.icingas or ctx.config.alertmanagers):
        for quiet in silencing_runs(ctx.open_journal(), run, host):
            asked: dict[str, Any] = {"hypervisors": [host.name], "run": quiet}
            plan.run("hypervisor.unsilence", key=f"hypervisor.unsilence:{quiet}", **asked)
    if run is not None and goes_back is not None:
        plan.run("hypervisor.migrate_back", hypervisor=goes_back, run=run.id)
    plan.add(end_work, **in_work(host))


def checked(plan: Plan, host: Hypervisor, service: ComputeService | None, within: float) -> Ref:
    """Plan the checks after which a hypervisor may be tested and enabled, all before it is.

    Nothing of an evacuation is left on it, Nova believes its reports, and it is up. What takes a
    host through maintenance plans the same. Returned is what the last of them will return.
    """
    names: dict[str, Any] = {"host": host.name, "compute_host": host.service.host}
    look: dict[str, Any] = {"host": host.name, "hypervisor": host.id, "within": within}
    plan.add(check_leftovers, **look)
    if service is not None and service.forced_down:
        plan.add(believe, undo="on_cancel", service=host.service.id, **names)
    return plan.add(wait_up, **names, within=within)


def _lacking(ctx: Context, cloud: Cloud, network: Name | None) -> list[str]:
    """Return what the test would be refused for once the host is up; flavors are seen then."""
    options = TestOptions(network=network)
    return find_inputs(cloud, [], options, ctx.config.hypervisor_test).refusals


def _unfit(service: ComputeService | None, left: Leftovers) -> list[str]:
    found = [] if service is not None else ["Nova knows no compute service of it"]
    if left.running:
        running = [record.instance_uuid for record in left.running]
        found.append(f"servers are being evacuated off it just now: {', '.join(running[:5])}")
    return found
