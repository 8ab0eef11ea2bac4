"""A hypervisor is empty when nothing holds it: no deleted server, no unconfirmed migration."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud_operator import Ended, Operator
from support.cloud_site import Guest, Site


@pytest.fixture
def deleted(site: Site) -> Guest:
    """A server that was deleted softly and can still be brought back."""
    (guest,) = site.boot()
    site.sdk.compute.delete_server(guest.id)
    site.settle(guest, "SOFT_DELETED")
    return guest


@pytest.fixture
def unconfirmed(site: Site) -> Guest:
    """A server that was migrated cold, and that nobody has confirmed."""
    (guest,) = site.boot()
    site.act(guest, "migrate", "VERIFY_RESIZE")
    return guest


def _drain(site: Site, **parameters: Any) -> dict[str, Any]:
    return {"hypervisor": site.source, "reason": "proof", **parameters}


def _names(ended: Ended) -> list[str]:
    return [row["name"] for row in ended.result["rows"]]


def test_what_is_left_behind_is_named_and_fails_the_drain(
    site: Site, operator: Operator, deleted: Guest, unconfirmed: Guest
) -> None:
    (moved,) = site.boot()

    plan = operator.dry_run("hypervisor.drain", **_drain(site))
    ended = operator.run("hypervisor.drain", **_drain(site))

    for told in (plan, ended):
        why = {row["what"].partition(" (")[0]: row["why"] for row in told.result["left"]}
        assert "openstack server delete --force" in why[deleted.name]
        assert "waits for its confirmation" in why[unconfirmed.name]
    assert ended.kind == "failed", ended
    assert f"1 server: {deleted.name} (SOFT_DELETED)" in ended.text
    assert f"{unconfirmed.name} ({unconfirmed.id}): its migration to " in ended.text
    assert site.host_of(moved) != site.source

    both = [deleted.id, unconfirmed.name]
    ended = operator.done("hypervisor.drain", **_drain(site, exclude=both))
    assert {row["what"] for row in ended.result["skipped"]} >= {deleted.name, unconfirmed.name}


def test_a_host_is_offered_once_nothing_holds_it(
    site: Site, operator: Operator, unconfirmed: Guest
) -> None:
    ended = operator.done("hypervisor.find_empty")
    assert site.source not in _names(ended)
    assert unconfirmed.name in ended.text
    shown = operator.done("hypervisor.show", hypervisor=site.source)
    assert [row["id"] for row in shown.result["rows"]] == [unconfirmed.id]

    site.act(unconfirmed, "confirmResize", "ACTIVE")
    assert site.source in _names(operator.done("hypervisor.find_empty"))
    assert operator.done("hypervisor.show", hypervisor=site.source).result["rows"] == []


def test_a_deleted_server_makes_a_host_no_candidate(
    site: Site, operator: Operator, deleted: Guest
) -> None:
    assert site.source not in _names(operator.done("hypervisor.find_empty"))
    rows = operator.done("hypervisor.find_candidates").result["rows"]
    (row,) = [row for row in rows if row["name"] == site.source]
    assert f"{deleted.name} stays: it was deleted softly" in row["why"]

    site.act(deleted, "restore", "ACTIVE")
    operator.done("hypervisor.drain", **_drain(site))
    assert site.names_on(site.source) == set()


def test_a_drain_that_moves_cold_leaves_nothing_behind(site: Site, operator: Operator) -> None:
    """The allocations of what has just left are given up before the host is called empty."""
    guests = site.boot(3)

    operator.done("hypervisor.drain", **_drain(site, migration="cold"))

    assert site.source not in {site.host_of(guest) for guest in guests}
    assert site.allocations(site.source) == {}


def test_the_target_by_its_id(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()

    operator.done("hypervisor.drain", **_drain(site, target=site.hypervisor(site.other)["id"]))

    assert site.host_of(guest) == site.other
