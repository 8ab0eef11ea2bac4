"""Where servers are, should be and count as being: groups, allocations, and since when they are
off."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site

_PLACEMENT = {"OpenStack-API-Version": "placement 1.28"}


def rows(operator: Operator, audit: str, **parameters: Any) -> dict[str, dict[str, Any]]:
    found = operator.done(f"audit.{audit}", **parameters).result["rows"]
    return {row["id"]: row for row in found}


# -- server groups: only soft ones let themselves be broken ----------------------------------------


def test_a_crowded_group_is_found_and_repaired(site: Site, operator: Operator) -> None:
    group = site.group("soft-anti-affinity")
    guests = site.boot(2, group=group)
    found = rows(operator, "server_groups")[group]
    assert found["kind"] == "soft_server_group"
    assert found["servers"] == sorted(guest.name for guest in guests)
    assert found["hosts"] == [site.source]

    operator.done("server_group.repair", server_group=group, dry_run=False)

    assert len({site.host_of(guest) for guest in guests}) == 2
    assert group not in rows(operator, "server_groups")
    again = operator.done("server_group.repair", server_group=group, dry_run=False)
    assert "nothing to do" in again.summary


def test_a_torn_group_comes_together_where_one_has_to_stay(site: Site, operator: Operator) -> None:
    group = site.group("soft-affinity")
    (stays,) = site.boot(1, group=group, host=site.other)
    movers = site.boot(2, group=group)
    site.act(stays, "lock")
    site.act(movers[0], "os-stop", "SHUTOFF")

    operator.done("server_group.repair", server_group=group, dry_run=False, max_parallel=1)

    assert {site.host_of(guest) for guest in (stays, *movers)} == {site.other}


def test_who_has_to_stay_is_told(site: Site, operator: Operator) -> None:
    group = site.group("soft-anti-affinity")
    for guest in site.boot(2, group=group):
        site.act(guest, "lock")
    operator.refused("server_group.repair", "has to stay: it is locked", server_group=group)


# -- allocations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("every_host", [False, True])
def test_allocations_that_nova_does_not_explain(
    site: Site, operator: Operator, every_host: bool
) -> None:
    lost, doubled, sound = site.boot(3)
    placement = site.sdk.placement
    placement.delete(f"/allocations/{lost.id}").raise_for_status()
    known = placement.get(f"/allocations/{doubled.id}", headers=_PLACEMENT).json()
    here, there = (site.hypervisor(host)["id"] for host in (site.source, site.other))
    taken = {"resources": known["allocations"][here]["resources"]}
    owner = {"project_id": known["project_id"], "user_id": known["user_id"]}
    ghost = str(uuid.uuid4())
    for consumer, providers, generation in (
        (doubled.id, (here, there), known["consumer_generation"]),
        (ghost, (there,), None),
    ):
        body = {"allocations": dict.fromkeys(providers, taken), **owner}
        placement.put(
            f"/allocations/{consumer}",
            json={**body, "consumer_generation": generation},
            headers=_PLACEMENT,
        ).raise_for_status()

    found = rows(operator, "allocations", every_host=every_host)

    kinds = {id: (row["kind"], row["hypervisor"]) for id, row in found.items()}
    assert kinds[lost.id] == ("missing_allocation", site.source)
    assert kinds[doubled.id] == ("elsewhere_allocation", site.other)
    assert kinds[ghost] == ("orphaned_allocation", site.other)
    assert sound.id not in kinds
    placement.delete(f"/allocations/{ghost}").raise_for_status()


def test_a_sound_cloud_is_judged_by_sums(site: Site, proxied: Proxied) -> None:
    site.boot(2)
    assert rows(proxied.operator, "allocations") == {}
    paths = [request.path for request in proxied.proxy.requests if "/allocations" in request.path]
    assert paths == []


# -- since when ----------------------------------------------------------------------------------


def test_since_when_servers_are_off_is_asked_of_these_alone(site: Site, proxied: Proxied) -> None:
    stopped, also_stopped, running = site.boot(3)
    for guest in (stopped, also_stopped):
        site.act(guest, "os-stop", "SHUTOFF")
    site.act(stopped, "lock")
    where = f"id any_in ({stopped.id}, {running.id}) and off_since younger_than 10m"
    found = proxied.operator.done("server.search", where=where, select="id,off_since,created_at")
    (row,) = found.result["rows"]
    assert row["id"] == stopped.id
    assert row["off_since"] > row["created_at"]
    asked = [r.path for r in proxied.proxy.requests if "os-instance-actions" in r.path]
    assert len(asked) == 1, asked
