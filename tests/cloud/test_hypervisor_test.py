"""hypervisor.test on real hosts: enabled, disabled, failing, and killed in each of its phases."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from devcloud import faults
from state.journal import Journal
from state.store import Store
from support.cloud_hosts import parameters_of_test
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site
from support.proxy import Hold, Match
from support.sampling import sampled

_TRAIT = "COMPUTE_STATUS_DISABLED"
#: The requests of a test in their order.
PHASES = {
    "boot": Match("compute", "POST", "/servers$"),
    "volume": Match("block-storage", "POST", "/volumes$"),
    "attach": Match("compute", "POST", "/os-volume_attachments"),
    "detach": Match("compute", "DELETE", "/os-volume_attachments/"),
    "away": Match("compute", "POST", "/action$", "os-migrateLive"),
    "delete the server": Match("compute", "POST", "/action$", "forceDelete"),
    "delete the volume": Match("block-storage", "DELETE", "/volumes/[^/]+$"),
}


def _left(site: Site, run: str) -> list[str]:
    """Return what a run has left, deleted softly or not."""
    name = f"openstack-ops-test-{run[:8]}"
    servers = site.nova(f"/servers?all_tenants=1&name={name}")["servers"]
    path = f"/servers?all_tenants=1&soft_deleted=true&status=soft_deleted&name={name}"
    servers += site.nova(path)["servers"]
    volumes = site.sdk.block_storage.get("/volumes/detail?all_tenants=1&limit=1000").json()
    named = [row["name"] for row in servers] + [row["name"] or "" for row in volumes["volumes"]]
    return [each for each in named if each == name]


def _traits(site: Site, host: str) -> list[str]:
    path = f"/resource_providers/{site.hypervisor(host)['id']}/traits"
    return list(site.sdk.placement.get(path, microversion="1.6").json()["traits"])


def _seconds(operator: Operator, run: str) -> list[dict[str, Any]]:
    steps = Journal(Store(operator.config["state_url"])).steps(run)
    return [step.result["seconds"] for step in steps]


def test_hosts_are_tested_as_they_are(site: Site, operator: Operator) -> None:
    site.disable(site.source, "parked")

    ended = operator.done(
        "hypervisor.test", **parameters_of_test(site, site.source, site.other, live_migrate=True)
    )

    phases = ["boot", "port", "volume", "attach", "detach", "away", "back", "delete"]
    assert [list(took) for took in _seconds(operator, ended.run)] == [phases, phases]
    assert all(took["away"] > 0.5 for took in _seconds(operator, ended.run))
    assert _left(site, ended.run) == []
    service = site.service(site.source)
    assert (service["status"], service["disabled_reason"]) == ("disabled", "parked")
    assert _TRAIT in _traits(site, site.source)
    assert site.names_on(site.source) == set()


@pytest.mark.parametrize(
    ("knob", "words"), [("spawn_fail", "boot: "), ("live_migration_fail", "away: ")]
)
def test_a_host_that_fails_is_told_and_cleared(
    site: Site, operator: Operator, knob: str, words: str
) -> None:
    faults.set_knobs(site.source, **{knob: True})

    ended = operator.run(
        "hypervisor.test", **parameters_of_test(site, site.source, site.other, live_migrate=True)
    )

    assert ended.kind == "failed", ended
    (failed,) = ended.result["failed"]
    assert words in str(failed)
    assert "What it had made is deleted." in str(failed)
    assert _left(site, ended.run) == []


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("phase", "after"), sampled(list(product(PHASES, ["resume", "cancel"])), 2)
)
def test_killed_in_each_phase(site: Site, proxied: Proxied, phase: str, after: str) -> None:
    site.disable(site.source, "parked")
    held = proxied.proxy.fault(PHASES[phase], Hold("answer"))
    parameters = parameters_of_test(site, site.source, live_migrate=phase == "away")
    victim = proxied.operator.start("hypervisor.test", **parameters)
    held.wait_reached(120)
    run = victim.run
    assert victim.kill()
    proxied.proxy.clear_faults()

    ended = proxied.operator.run(f"run.{after}", run=run)
    for _ in range(10):
        if after == "resume" or ended.kind != "interrupted":
            break
        # Nova takes longer to delete it than the short grace of this test lets a cancel wait.
        assert "It is given up, and keeps what it claims until that is settled" in ended.text
        ended = proxied.operator.run("run.cancel", run=run)

    assert ended.kind == "done", ended
    assert _left(site, run) == []
    assert _TRAIT in _traits(site, site.source)
    if after == "resume":
        (took,) = _seconds(proxied.operator, run)
        assert {"boot", "attach", "delete"} <= took.keys()
    assert Journal(Store(proxied.operator.config["state_url"])).claims_of(run) == []
