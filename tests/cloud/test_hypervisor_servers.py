"""The servers of a real host are stopped and started again, killed in between or not."""

from __future__ import annotations

import pytest

from state.journal import Journal
from state.store import Store
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site
from support.proxy import Hold, Match

_STOP = Match("compute", "POST", "/action$", "os-stop")
_START = Match("compute", "POST", "/action$", "os-start")


def test_those_that_ran_are_started_again(site: Site, operator: Operator) -> None:
    one, two, off = site.boot(3)
    site.act(off, "os-stop", "SHUTOFF")

    stopped = operator.done("hypervisor.stop_servers", hypervisor=site.source)

    assert [site.status_of(guest) for guest in (one, two, off)] == ["SHUTOFF"] * 3
    shown = operator.dry_run("hypervisor.start_servers", run=stopped.run)
    assert f"start {one.name}" in shown.text
    operator.done("hypervisor.start_servers", run=stopped.run)
    assert [site.status_of(guest) for guest in (one, two, off)] == ["ACTIVE", "ACTIVE", "SHUTOFF"]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("point", ["request", "answer"])
def test_killed_and_resumed_each_is_asked_once(site: Site, proxied: Proxied, point: str) -> None:
    guests = site.boot(3)
    proxy, operator = proxied.proxy, proxied.operator
    run = ""
    for action, match, status in (
        ("hypervisor.stop_servers", _STOP, "SHUTOFF"),
        ("hypervisor.start_servers", _START, "ACTIVE"),
    ):
        asked = {"run": run} if run else {"hypervisor": site.source}
        held = proxy.fault(match, Hold(point), skip=1)  # type: ignore[arg-type]
        victim = operator.start(action, **asked, max_parallel=1)
        held.wait_reached(60)
        killed = victim.run
        assert victim.kill()
        proxy.clear_faults()

        operator.done("run.resume", run=killed)

        assert [site.status_of(guest) for guest in guests] == [status] * 3
        journal = Journal(Store(operator.config["state_url"]))
        assert {step.state for step in journal.steps(killed)} == {"done"}
        run = killed
    for guest in guests:
        actions = site.nova(f"/servers/{guest.id}/os-instance-actions")["instanceActions"]
        assert sorted(a["action"] for a in actions) == ["create", "start", "stop"]


@pytest.mark.usefixtures("hasty")
def test_what_a_drain_moved_is_brought_back_once_though_killed(
    site: Site, proxied: Proxied
) -> None:
    moved = site.boot(2)
    proxy, operator = proxied.proxy, proxied.operator
    drained = operator.done("hypervisor.drain", hypervisor=site.source, reason="new memory")
    operator.done("hypervisor.enable", hypervisor=site.source)
    held = proxy.fault(Match("compute", "POST", "/action$", "os-migrateLive"), Hold("answer"))
    victim = operator.start(
        "hypervisor.migrate_back", hypervisor=site.source, run=drained.run, max_parallel=1
    )
    held.wait_reached(60)
    killed = victim.run
    assert victim.kill()
    proxy.clear_faults()

    operator.done("run.resume", run=killed)

    assert site.names_on(site.source) == {guest.name for guest in moved}
    for guest in moved:
        actions = site.nova(f"/servers/{guest.id}/os-instance-actions")["instanceActions"]
        assert sorted(a["action"] for a in actions) == ["create", *["live-migration"] * 2]
