"""hypervisor.test: whether servers can live on hypervisors, before users' do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from hypervisors.hosts import Host, hosts
from hypervisors.test_inputs import TestInputs, TestOptions, find_inputs, sizes
from hypervisors.testing import TestRequest, try_out
from migration.placement_check import refuse_shared
from query_api.lookups import quotas
from workflow_api import Context, Duration, Plan, clean, count, listed, picked, workflow
from workflow_api.parameters import MaxParallel, Name, Names


@workflow("hypervisor.test")
def try_hypervisors(
    ctx: Context,
    cloud: Cloud,
    hypervisors: Names,
    *,
    live_migrate: bool = False,
    target: Name | None = None,
    volume: bool = True,
    options: TestOptions,
    max_parallel: MaxParallel | None = None,
    within: Duration = Duration.parse("10m"),  # noqa: B008 - a constant
) -> Plan:
    """Test hypervisors: boot a server on each, try its port, a volume and a migration, delete it.

    A hypervisor that is disabled is tested as it is: no other server gets there. The result says
    how many seconds each phase took.

    hypervisors: The hypervisors, by host names or ids.
    live_migrate: Live-migrate it away and back too.
    target: The target hypervisor, by host name or id; Nova chooses if empty.
    volume: Attach a volume and detach it again.
    within: How long each phase may take, as 90s or 10m.
    """
    known = hosts(cloud)
    where = f"cloud {cloud.name}"
    chosen = [picked("hypervisor", each, known.all, where=where) for each in hypervisors]
    chosen = list({host.id: host for host in chosen}.values())
    there = picked("hypervisor", target, known.all, where=where) if target else None
    for host in chosen:
        refuse_shared(host.hypervisor, "Testing")
    ctx.claim(*(host.hypervisor for host in chosen))
    plan = Plan(f"Test {listed((clean(host.name) for host in chosen), 5)}")
    plan.refuse(_unfit(chosen, there, live_migrate))
    volumes = volume and cloud.endpoint("block-storage") is not None
    config = ctx.config.hypervisor_test
    found = find_inputs(cloud, chosen, options, config)
    tests = [(host, flavor) for host in chosen for flavor in found.flavors.get(host.id, ())]
    at_most = max_parallel or ctx.config.limits.max_parallel
    gib = config.volume_gib if volumes else None
    plan.refuse([*found.refusals, *_quota(cloud, found, tests, at_most, gib)])
    for what, why in found.skipped:
        plan.skip(what, why)
    for note in found.notes:
        plan.note(note)
    if volume and not volumes:
        plan.note("The cloud has no block storage, so no volume is attached.")
    assert found.image is not None
    settings = {
        "image": found.image.id,
        "project": found.project,
        "network": found.network.id if found.network else None,
        "volume_gib": gib,
        "volume_type": found.volume_type,
        "live_migrate": live_migrate,
        "target": there.service_host if there else None,
        "within": float(within),
    }
    phases = _phases(settings)
    plan.each(
        try_out,
        [_as_data(host, flavor, phases, settings) for host, flavor in tests],
        at_most=at_most,
        on_failure="continue",
    )
    return plan


def _unfit(chosen: Sequence[Host], target: Host | None, live_migrate: bool) -> list[str]:
    found = ["no hypervisor is named"] if not chosen else []
    found += [f"{clean(host.name)} is {host.state}" for host in chosen if host.state != "up"]
    if target is None:
        return found
    if not live_migrate:
        found.append("a target is for a migration: set live_migrate=true")
    if target.others or not target.usable:
        found.append(f"the target {clean(target.name)} is {target.state} and {target.status}")
    if target.id in {host.id for host in chosen}:
        found.append(f"the target {clean(target.name)} is tested itself")
    return found


def _quota(
    cloud: Cloud,
    found: TestInputs,
    tests: Sequence[tuple[Host, Any]],
    at_most: int,
    gib: int | None,
) -> list[str]:
    """Return what of the project's quota does not suffice for the largest tests at once."""
    largest = sorted((flavor for _, flavor in tests), key=lambda flavor: -(flavor.ram or 0))
    at_once = largest[:at_most]
    by = "the tests"
    lacking = list(quotas.lacking(cloud, "compute", found.project, sizes(at_once), by=by))
    if gib and at_once:
        needed = {"volumes": len(at_once), "gigabytes": gib * len(at_once)}
        lacking += quotas.lacking(cloud, "block-storage", found.project, needed, by=by)
    return [f"{why} for {count(len(at_once), 'test')} at once" for why in lacking]


def _phases(settings: dict[str, Any]) -> str:
    phases = ["boot"]
    phases += ["port"] if settings["network"] else []
    phases += ["volume"] if settings["volume_gib"] else []
    phases += ["live migration away and back"] if settings["live_migrate"] else []
    return ", ".join([*phases, "delete"])


def _as_data(host: Host, flavor: Any, phases: str, settings: dict[str, Any]) -> dict[str, Any]:
    request = TestRequest(
        host=host.service_host,
        hypervisor=host.id,
        service=host.service_id,
        zone=host.zone or "",
        flavor=flavor.id,
        **settings,
    )
    return {
        "name": clean(host.name),
        "hypervisor": host.id,
        "flavor": clean(flavor.name),
        "flavor_id": flavor.id,
        "phases": phases,
        "asked": msgspec.to_builtins(request),
    }
