"""maintenance.campaign on real hosts: its stop rule, its floor, and kills in each phase."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devcloud import faults
from devcloud.monitored import Monitor
from devcloud.settings import Settings
from support.cloud_circle import Books
from support.cloud_floor import FloorWatch
from support.cloud_operator import REPOSITORY, Ended, Operator
from support.cloud_site import Guest, Site

pytestmark = pytest.mark.long

#: How much of a host's memory each server takes: two fit on a host, three do not.
SHARE = 0.38
#: Longest that a campaign over five hosts takes, in seconds.
LONGEST = 900.0
#: Where a campaign is killed, one place after the other: when the progress says that this begins.
PHASES = [
    "see whether .* may be next",
    "take .* in work",
    "run hypervisor.drain",
    "run hypervisor.silence",
    "run patch_all on",
    "run reboot on",
    "wait until nova-compute",
    "run hypervisor.test",
    "enable scheduling",
    "run hypervisor.unsilence",
    "count .* as in work no longer",
]


@pytest.fixture
def ops(
    operator: Operator, site: Site, monitor: Monitor, ssh_hosts: Settings
) -> Iterator[Operator]:
    """An operator whose hosts may all be in work, and whose waits are short."""
    config = operator.config
    config["maintenance"] = {**config["maintenance"], "within": "90s", "silence": "20m"}
    config["hypervisor_test"] = {"image": site.image(), "network": "shop-net"}
    config["brakes"] = {"hosts_percent": 100, "aggregate_percent": 100, "cool_down": "1s"}
    yield operator
    faults.clear()
    faults.restore_hosts()
    operator.run("hypervisor.unsilence", hypervisors=",".join(ssh_hosts.compute_hosts))


@pytest.fixture
def bare(site: Site, devcloud: Settings) -> Iterator[list[Guest]]:
    """Five hosts without the estate, a large server on each; the estate is seeded anew after it."""
    estate = yaml.safe_load((REPOSITORY / "devcloud" / "estate.yaml").read_text())
    names = {server["name"] for server in estate["servers"]}
    rows = site.nova("/servers/detail?all_tenants=1")["servers"]
    try:
        site.delete([row["id"] for row in rows if row["name"] in names])
        for aggregate in site.nova("/os-aggregates")["aggregates"]:
            for host in aggregate["hosts"]:
                site.sdk.compute.remove_host_from_aggregate(aggregate["id"], host)
        provider = f"/resource_providers/{site.hypervisor(site.source)['id']}/inventories"
        memory = site.sdk.placement.get(provider).json()["inventories"]["MEMORY_MB"]
        large = site.flavor(ram=int((memory["total"] - memory["reserved"]) * SHARE))
        yield [site.boot(1, host, large)[0] for host in devcloud.compute_hosts]
    finally:
        site.restore()
        subprocess.run([REPOSITORY / "devcloud" / "seed", "--reset"], check=True)


def campaign(ops: Operator, hosts: list[str], **more: Any) -> Ended:
    asked = {"where": f"name any_in ({', '.join(hosts)})", "reason": "a new kernel", **more}
    return ops.start("maintenance.campaign", **asked).end(LONGEST)


def states(ops: Operator, run: str) -> dict[str, str]:
    rows = ops.done("maintenance.status", run=run).result["rows"]
    return {row["hypervisor"]: row["state"] for row in rows}


@pytest.mark.usefixtures("hasty")
def test_killed_in_each_phase_it_goes_on(ops: Operator, site: Site) -> None:
    """One campaign, killed eleven times; a patch may be run again, as it does no harm."""
    ops.config["ssh_commands"]["patch_all"]["repeatable"] = True
    guests = [*site.boot(1, site.source), *site.boot(1, site.other)]
    hosts = [site.source, site.other]
    books = {host: Books.opened(site, host) for host in hosts}
    asked = {"where": f"name any_in ({', '.join(hosts)})", "reason": "a new kernel"}

    victim = ops.start("maintenance.campaign", **asked, floor_percent=0, spare_host=False)
    run = victim.run
    for phase in PHASES:
        victim.wait_line(f"start +{phase}", 240)
        victim.kill()
        time.sleep(3.5)  # its lease
        victim = ops.start("run.resume", run=run)
    ended = victim.end(LONGEST)

    assert ended.kind == "done", ended
    assert states(ops, run) == dict.fromkeys(hosts, "done")
    for host in hosts:
        assert site.service(host)["status"] == "enabled"
        assert (books[host].patched(), books[host].rebooted()) == (1, 1)
        assert books[host].quiet_until() == []
        assert len(books[host].silences()) == 1
    for guest in guests:
        assert site.status_of(guest) == "ACTIVE"


def test_one_of_five_fails_its_test_and_the_others_follow(
    ops: Operator, site: Site, bare: list[Guest], devcloud: Settings
) -> None:
    """The cloud is so full that one host more out of it would be below the floor."""
    hosts = devcloud.compute_hosts
    faults.set_knobs(hosts[0], spawn_fail=True)
    books = {host: Books.opened(site, host) for host in hosts}

    with FloorWatch(site, hosts) as watch:
        ended = campaign(ops, hosts, stop_after=2, floor_percent=35)

    assert ended.kind == "failed", ended
    assert states(ops, ended.run) == {hosts[0]: "parked", **dict.fromkeys(hosts[1:], "done")}
    books[hosts[0]].is_safe(20 * 60)
    for host in hosts[1:]:
        assert site.service(host)["status"] == "enabled"
        assert (books[host].patched(), books[host].rebooted()) == (1, 1)
        assert books[host].quiet_until() == []
    assert {site.status_of(guest) for guest in bare} == {"ACTIVE"}
    assert 35 <= watch.lowest() < 40
    assert watch.fewest() == 3  # one is parked, and one at a time in work
    faults.clear()
    ops.done("hypervisor.return", hypervisor=hosts[0])
    assert site.service(hosts[0])["status"] == "enabled"
