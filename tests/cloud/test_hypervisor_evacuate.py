"""A host that dies is evacuated only when it is proven to be off, each server once, and given back.

The runs are killed by SIGKILL at each request that changes something, and resumed.
"""

from __future__ import annotations

import pytest

from devcloud import faults
from state.journal import Journal
from state.store import Store
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Guest, Site, until
from support.proxy import Hold, Match

_SERVICE = Match("compute", "PUT", "/os-services/")
_EVACUATE = Match("compute", "POST", "/action$", "evacuate")
_BOOT = Match("compute", "POST", "/servers$")
#: Where a run is killed: the request, how many of them go by, and whether it had reached Nova.
EVACUATION = (
    (_SERVICE, 0, "request"),
    (_SERVICE, 0, "answer"),
    (_SERVICE, 0, "answer"),
    (_EVACUATE, 0, "request"),
    (_EVACUATE, 0, "answer"),
    (_EVACUATE, 0, "answer"),
)
RETURN = (
    (_SERVICE, 0, "request"),
    (_SERVICE, 0, "answer"),
    (_BOOT, 0, "answer"),
    (_SERVICE, 0, "answer"),
)
_QUICKLY = {"down_after": "1s"}


def _died(site: Site, servers: int) -> list[Guest]:
    """Have the host die with so many servers on it, and wait until Nova has noticed."""
    guests = site.boot(servers)
    faults.kill_compute(site.source)
    until(lambda: site.service(site.source)["state"] == "down", "the host is down", 150)
    return guests


def _killed(proxied: Proxied, point: tuple[Match, int, str], action: str, **asked: object) -> str:
    """Start a run, or resume one, and kill it where it is caught; return it."""
    match, skip, where = point
    held = proxied.proxy.fault(match, Hold(where), skip=skip)  # type: ignore[arg-type]
    victim = proxied.operator.start(action, **asked)
    held.wait_reached(120)
    run = victim.run
    assert victim.kill()
    proxied.proxy.clear_faults()
    return run


def _states(operator: Operator, run: str) -> set[str]:
    return {step.state for step in Journal(Store(operator.config["state_url"])).steps(run)}


def test_without_proof_nothing_is_touched(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    asked = {"hypervisor": site.source, "reason": "proof", "local_disks": "rebuild"}
    mine = {**asked, "power_is_off": site.source}
    operator.config["evacuation"] = _QUICKLY
    operator.refused("hypervisor.evacuate", "its compute service is up", **mine)
    faults.kill_compute(site.source)
    until(lambda: site.service(site.source)["state"] == "down", "the host is down", 150)

    operator.refused("hypervisor.evacuate", "nothing proves that its power is off", **asked)
    wrong = {**asked, "power_is_off": site.other}
    operator.refused("hypervisor.evacuate", f"power_is_off is '{site.other}'", **wrong)
    operator.config["evacuation"] = {"down_after": "1h"}
    operator.refused("hypervisor.evacuate", "evacuation.down_after", **mine)

    service = site.service(site.source)
    assert (service["status"], service["forced_down"]) == ("enabled", False)
    assert site.migrations(since, guest) == []


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
def test_killed_at_every_request_each_server_is_rebuilt_once(site: Site, proxied: Proxied) -> None:
    operator = proxied.operator
    operator.config["evacuation"] = _QUICKLY
    guests = _died(site, 4)
    since = site.newest_migration()
    asked = {
        "hypervisor": site.source,
        "reason": "proof",
        "power_is_off": site.source,
        "local_disks": "rebuild",
        "target": site.other,
        "max_parallel": 2,
    }

    run = ""
    for point in EVACUATION:
        if run:
            _killed(proxied, point, "run.resume", run=run)
        else:
            run = _killed(proxied, point, "hypervisor.evacuate", **asked)
    operator.done("run.resume", run=run)

    assert _states(operator, run) == {"done"}
    for guest in guests:
        records = [(m["migration_type"], m["status"]) for m in site.migrations(since, guest)]
        assert records == [("evacuation", "done")], guest
        assert (site.host_of(guest), site.status_of(guest)) == (site.other, "ACTIVE")
    service = site.service(site.source)
    assert (service["status"], service["forced_down"]) == ("disabled", True)

    faults.start_compute(site.source)
    returned = ""
    for point in RETURN:
        if returned:
            _killed(proxied, point, "run.resume", run=returned)
        else:
            back = {"hypervisor": site.source, "network": "shop-net"}
            returned = _killed(proxied, point, "hypervisor.return", **back)
        assert returned
    operator.done("run.resume", run=returned)

    service = site.service(site.source)
    assert (service["status"], service["forced_down"]) == ("enabled", False)
    assert {m["status"] for guest in guests for m in site.migrations(since, guest)} == {"completed"}
    assert site.names_on(site.source) == set()
    assert site.allocations(site.source) == {}


@pytest.mark.long
def test_a_host_that_comes_back_with_leftovers_is_cleared_first(
    site: Site, operator: Operator
) -> None:
    operator.config["evacuation"] = _QUICKLY
    _died(site, 1)
    asked = {"hypervisor": site.source, "reason": "proof", "power_is_off": site.source}
    operator.done("hypervisor.evacuate", **asked, local_disks="rebuild")
    assert site.allocations(site.source) != {}

    early = operator.run("hypervisor.return", hypervisor=site.source, network="none", within="5s")

    assert early.kind == "failed", early
    assert "1 evacuated server not cleared away" in early.text
    assert site.service(site.source)["forced_down"] is True
    faults.start_compute(site.source)
    operator.done("hypervisor.return", hypervisor=site.source, network="none")
    assert site.service(site.source)["status"] == "enabled"
    assert site.allocations(site.source) == {}
