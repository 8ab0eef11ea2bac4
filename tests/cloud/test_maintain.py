"""hypervisor.maintain on a host that is really patched and rebooted: its circle, faults, kills."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from devcloud import faults, power
from devcloud.settings import Settings
from support.cloud_operator import Ended, Operator
from support.cloud_site import Site

WHY = "a new kernel"
#: Where a run is killed: when the progress says that this begins.
STAGES = [
    "take .* in work",
    "run hypervisor.drain",
    "run patch_all on",
    "run reboot on",
    "wait until nova-compute",
    "run hypervisor.test",
    "enable scheduling",
    "count .* as in work no longer",
]


@pytest.fixture(autouse=True)
def all_well(ssh_hosts: Settings) -> Iterator[None]:
    """Leave every host on, without faults."""
    yield
    faults.clear()


@pytest.fixture
def ops(operator: Operator, site: Site) -> Iterator[Operator]:
    """An operator whose test servers are small, and who waits no longer than a test may."""
    operator.config["maintenance"] = {**operator.config["maintenance"], "within": "90s"}
    operator.config["hypervisor_test"] = {"image": site.image(), "network": "shop-net"}
    operator.config["brakes"] = {"hosts_percent": 100, "aggregate_percent": 100, "cool_down": "1s"}
    yield operator
    # A host that was parked stays silenced until its time.
    operator.run("hypervisor.unsilence", hypervisors=f"{site.source},{site.other}")


def state_of(site: Site) -> tuple[str, str]:
    service = site.service(site.source)
    return service["status"], service["disabled_reason"] or ""


def maintained(ops: Operator, site: Site, **more: Any) -> Ended:
    return ops.run("hypervisor.maintain", hypervisor=site.source, reason=WHY, **more)


def number(kernel: str) -> int:
    return int(kernel.rpartition(".")[2])


def test_the_circle(ops: Operator, site: Site) -> None:
    guests = site.boot(2)
    boot, kernel = power.boot_id(site.source), power.kernel(site.source)

    ended = maintained(ops, site)

    assert ended.kind == "done", ended
    assert state_of(site) == ("enabled", "")
    assert power.boot_id(site.source) != boot
    assert number(power.kernel(site.source)) == number(kernel) + 1
    for guest in guests:
        assert site.status_of(guest) == "ACTIVE"
        assert site.host_of(guest) != site.source
    assert site.names_on(site.source) == set()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda host: power.set_knobs(host, patch_fails=True), "unmet dependencies"),
        (lambda host: faults.set_knobs(host, spawn_fail=True), "boot: "),
    ],
    ids=["patch", "test"],
)
def test_a_stage_that_fails_parks_the_host(
    ops: Operator, site: Site, broken: Any, said: str
) -> None:
    kernel = power.kernel(site.source)
    broken(site.source)

    ended = maintained(ops, site)

    assert ended.kind == "interrupted", ended
    assert "parked: " in ended.summary
    status, reason = state_of(site)
    assert (status, reason[:14]) == ("disabled", "parked by run ")
    assert said in ended.output
    ops.refused("hypervisor.enable", "was left by run", hypervisor=site.source)

    faults.clear()
    ops.done("run.resume", run=ended.run)

    assert state_of(site) == ("enabled", "")
    assert number(power.kernel(site.source)) == number(kernel) + 1


@pytest.mark.long
def test_a_host_that_does_not_come_back_is_parked(ops: Operator, site: Site) -> None:
    ops.config["ssh_commands"]["reboot"]["reboot_timeout"] = "15s"
    power.set_knobs(site.source, stays_down=True)

    ended = maintained(ops, site)

    assert ended.kind == "interrupted", ended
    assert state_of(site)[0] == "disabled"
    faults.clear()
    ops.done("run.resume", run=ended.run)
    assert state_of(site) == ("enabled", "")


@pytest.mark.long
def test_given_up_it_is_given_back_by_hypervisor_return(ops: Operator, site: Site) -> None:
    power.set_knobs(site.source, patch_fails=True)
    ended = maintained(ops, site)
    ops.done("run.cancel", run=ended.run)
    assert state_of(site)[0] == "disabled"
    faults.clear()

    ops.done("hypervisor.return", hypervisor=site.source)

    assert state_of(site) == ("enabled", "")


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_each_stage_it_goes_on(ops: Operator, site: Site, stage: str) -> None:
    (guest,) = site.boot(1)
    kernel = power.kernel(site.source)
    victim = ops.start("hypervisor.maintain", hypervisor=site.source, reason=WHY)
    victim.wait_line(f"^start  {stage}", 240)
    run = victim.run
    time.sleep(0.3)
    victim.kill()

    ended = ops.run("run.resume", run=run)
    if ended.kind != "done" and "patch_all" in stage:  # nobody saw its end
        assert state_of(site)[0] == "disabled"
        step = "ssh.run_command:" + site.hypervisor(site.source)["id"] + ":patch_all"
        ops.done("run.settle", run=run, step=step, reason="looked there", **{"as": "done"})
        ended = ops.run("run.resume", run=run)

    assert ended.kind == "done", ended
    assert state_of(site) == ("enabled", "")
    assert number(power.kernel(site.source)) == number(kernel) + 1
    assert site.host_of(guest) != site.source
    assert site.status_of(guest) == "ACTIVE"


@pytest.mark.long
def test_a_campaign_parks_what_fails_and_goes_on_with_the_others(ops: Operator, site: Site) -> None:
    """The emptiest host comes first, and that is the one that fails its test."""
    site.boot(1, site.other)
    faults.set_knobs(site.source, spawn_fail=True)

    ended = ops.run(
        "maintenance.campaign",
        where=f"name any_in ({site.source}, {site.other})",
        reason=WHY,
        stop_after=2,
        floor_percent=0,
        spare_host=False,
    )

    assert ended.kind == "failed", ended
    assert state_of(site)[0] == "disabled"
    assert state_of(site)[1].startswith("parked by run ")
    assert site.service(site.other)["status"] == "enabled"
    rows = ops.done("maintenance.status", run=ended.run).result["rows"]
    assert {row["hypervisor"]: row["state"] for row in rows} == {
        site.source: "parked",
        site.other: "done",
    }
    faults.clear()
    ops.done("hypervisor.return", hypervisor=site.source)
    assert state_of(site) == ("enabled", "")
