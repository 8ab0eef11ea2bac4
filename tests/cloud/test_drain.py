"""A drain moves what can be moved, names what it leaves and why, and refuses what cannot work."""

from __future__ import annotations

from typing import Any

import pytest

from devcloud import faults
from support.cloud_operator import Ended, Operator
from support.cloud_site import Guest, Site


def _drain(site: Site, **parameters: Any) -> dict[str, Any]:
    return {"hypervisor": site.source, "reason": "proof", **parameters}


def _left(ended: Ended) -> dict[str, str]:
    """Return why each server was left, by its name."""
    return {row["what"].partition(" (")[0]: row["why"] for row in ended.result["left"]}


def test_servers_in_every_state(site: Site, operator: Operator) -> None:
    running, stopped, paused, locked, broken, suspended = site.boot(6)
    (protected,) = site.boot(metadata={"openstack_ops:protected": "true"})
    (pinned,) = site.boot(flavor=site.flavor(openstack_ops__live_migration="forbidden"))
    site.act(stopped, "os-stop", "SHUTOFF")
    site.act(paused, "pause", "PAUSED")
    site.act(locked, "lock")
    site.act(broken, "os-resetState", "ERROR", state="error")
    site.act(suspended, "suspend", "SUSPENDED")
    since = site.newest_migration()
    expected = {
        locked.name: "it is locked",
        broken.name: "it is in ERROR",
        suspended.name: "it is suspended",
        protected.name: "it is protected by its metadata",
        pinned.name: "must not be live-migrated",
    }

    ended = operator.run("hypervisor.drain", **_drain(site))

    # What is left fails the check at the end, as the plan has said.
    assert ended.kind == "failed", ended
    assert f"still holds {len(expected)} servers" in ended.summary
    why = _left(ended)
    assert {name for name in why if name in expected} == set(expected)
    assert not [name for name, words in expected.items() if words not in why[name]]
    assert "migration=cold" in why[pinned.name]
    assert site.names_on(site.source) == set(expected)
    moved = {guest: site.migrations(since, guest) for guest in (running, stopped, paused)}
    how = [record["migration_type"] for (record,) in moved.values()]
    assert how == ["live-migration", "migration", "live-migration"]
    states = [site.status_of(guest) for guest in moved]
    assert states == ["ACTIVE", "SHUTOFF", "PAUSED"]
    assert site.service(site.source)["disabled_reason"] == "proof"

    # A pinned one can be moved with a downtime.
    others = [locked.id, broken.name, suspended.name, protected.id]
    operator.done("hypervisor.drain", **_drain(site, migration="cold", exclude=others))
    assert site.names_on(site.source) == set(expected) - {pinned.name}


def test_excluded_and_target(site: Site, operator: Operator) -> None:
    kept, *moved = site.boot(3)

    ended = operator.done(
        "hypervisor.drain", **_drain(site, exclude=[kept.name], target=site.other)
    )

    assert site.names_on(site.source) == {kept.name}
    assert [site.host_of(guest) for guest in moved] == [site.other] * 2
    assert {row["what"] for row in ended.result["skipped"]} == {kept.name}


def test_host_that_is_disabled_already(site: Site, operator: Operator) -> None:
    site.boot()
    site.disable(site.source, "as before")

    operator.done("hypervisor.drain", **_drain(site))

    assert site.names_on(site.source) == set()
    assert site.service(site.source)["disabled_reason"] == "as before"


def test_anti_affinity_is_kept(site: Site, operator: Operator) -> None:
    group = site.group("anti-affinity")
    (here,) = site.boot(group=group)
    (there,) = site.boot(group=group, host=site.other)
    (free,) = site.boot()
    since = site.newest_migration()
    site.set_aside(but=[site.source, site.other])

    ended = operator.run("hypervisor.drain", **_drain(site))

    assert ended.kind == "failed", ended
    assert "anti-affinity" in _left(ended)[here.name]
    assert site.migrations(since, here) == []
    assert [site.host_of(guest) for guest in (here, there, free)] == [
        site.source,
        site.other,
        site.other,
    ]


def test_no_room_for_all_together(site: Site, operator: Operator) -> None:
    """Two that each fit into what is left of a host, and not both."""
    big = site.flavor(ram=_memory(site, site.other) * 2 // 5)
    one, two = site.boot(2, flavor=big)
    site.boot(flavor=big, host=site.other)
    since = site.newest_migration()
    site.set_aside(but=[site.source, site.other])

    told = operator.refused("hypervisor.drain", "no room for all together", **_drain(site))

    assert one.name in told.summary or two.name in told.summary
    assert site.service(site.source)["status"] == "enabled"
    assert site.migrations(since) == []
    # One of them alone does fit.
    operator.done("hypervisor.drain", **_drain(site, exclude=[one.id]))
    assert site.host_of(two) == site.other


def test_no_room_at_all(site: Site, operator: Operator) -> None:
    huge = site.flavor(ram=_memory(site, site.other) * 3 // 5)
    (guest,) = site.boot(flavor=huge)
    site.boot(flavor=huge, host=site.other)
    site.set_aside(but=[site.source, site.other])

    operator.refused(
        "hypervisor.drain", f"{guest.name} (1 vCPU", "fits on no other", **_drain(site)
    )


def test_all_reasons_at_once(site: Site, operator: Operator) -> None:
    site.boot()
    site.disable(site.other)

    told = operator.refused("hypervisor.drain", **_drain(site, target=site.other))

    assert f"the target {site.other} is up and disabled" in told.summary
    site.set_aside(but=[site.source])
    operator.refused("hypervisor.drain", "no other hypervisor is up and enabled", **_drain(site))


def test_hypervisor_that_is_down(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    site.force_down(site.source)

    operator.refused("hypervisor.drain", "service is down", "hypervisor.evacuate", **_drain(site))
    operator.refused("server.migrate", "hypervisor.evacuate", server=guest.id)

    assert site.service(site.source)["status"] == "enabled"


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_migration_that_the_compute_fails(on_failure: str, site: Site, operator: Operator) -> None:
    first, bad, *others = guests = site.boot(4)
    since = site.newest_migration()
    faults.set_knobs(site.source, live_migration_fail_for=[bad.id])

    ended = operator.run("hypervisor.drain", **_drain(site, on_failure=on_failure, max_parallel=1))

    assert ended.kind == "failed", ended
    failed = [row for row in ended.result["failed"] if bad.name in row["what"]]
    assert "Nova ended the migration" in failed[0]["why"]
    assert site.status_of(bad) == "ACTIVE"
    goes_on = on_failure == "continue"
    stayed: list[Guest] = [bad] if goes_on else [bad, *others]
    assert site.names_on(site.source) == {guest.name for guest in stayed}
    assert site.host_of(first) != site.source
    tries = [len(site.migrations(since, guest)) for guest in guests]
    assert tries == [1, 1, 1, 1] if goes_on else [1, 1, 0, 0]
    service = site.service(site.source)
    assert (service["status"], service["disabled_reason"]) == ("disabled", "proof")


def _memory(site: Site, host: str) -> int:
    """Return how many MiB Placement has to give on a host."""
    id = site.hypervisor(host)["id"]
    answer = site.sdk.placement.get(f"/resource_providers/{id}/inventories")
    memory = answer.json()["inventories"]["MEMORY_MB"]
    return int((memory["total"] - memory["reserved"]) * memory["allocation_ratio"])
