"""Resizing servers: what is refused, what a plan says, what is confirmed by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Flavor
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from support.fake_cloud_tables import Tables
from support.server_stand import ServerStand
from support.verb_stands import NAME
from workflow_api import Begun, Plan, Refused


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(now=clock.monotonic) as fake:
        ServerStand(fake)
        fake.part(Tables)
        fake.server(NAME).flavor = Flavor("m1.small")
        yield fake


def planned(fake: FakeCloud, flavor: str = "m1.large", **options: Any) -> Plan:
    return drawn(fake.account(), "server.resize", server=NAME, flavor=flavor, **options)


def done(fake: FakeCloud, attempt: FakeAttempt, plan: Plan) -> list[str]:
    return [perform(step, fake.account(), attempt)["said"] for step in plan.steps()]


def test_it_is_confirmed_by_itself(fake: FakeCloud, attempt: FakeAttempt) -> None:
    assert done(fake, attempt, planned(fake)) == [
        "web-1 is of flavor m1.large, and waits to be confirmed or taken back",
        "web-1 is ACTIVE",
    ]
    assert [list(change.body) for change in fake.changes] == [["resize"], ["confirmResize"]]
    assert fake.server(NAME).flavor.name == "m1.large"


def test_what_nova_has_confirmed_by_itself_is_not_confirmed_again(
    fake: FakeCloud, attempt: FakeAttempt
) -> None:
    resize, confirm = planned(fake).steps()
    perform(resize, fake.account(), attempt)
    fake.nova.confirm(fake.server(NAME))
    assert perform(confirm, fake.account(), attempt)["said"] == "web-1 is ACTIVE"
    assert len(fake.changes) == 1


def test_what_is_confirmed_and_not_shown_yet_is_not_confirmed_again(
    fake: FakeCloud, attempt: FakeAttempt
) -> None:
    resize, confirm = planned(fake).steps()
    perform(resize, fake.account(), attempt)
    fake.nova.newest(fake.server(NAME)).status = "confirmed"
    assert isinstance(look_up(confirm, fake.account(), attempt), Begun)


@pytest.mark.parametrize("before", ["ACTIVE", "SHUTOFF"])
def test_one_that_is_held_can_be_taken_back(
    fake: FakeCloud, attempt: FakeAttempt, before: str
) -> None:
    fake.server(NAME).status = before
    done(fake, attempt, planned(fake, confirm=False))
    assert fake.server(NAME).status == "VERIFY_RESIZE"
    done(fake, attempt, drawn(fake.account(), "server.resize_revert", server=NAME))
    server = fake.server(NAME)
    assert (server.status, server.flavor.name) == (before, "m1.small")


def test_one_that_has_the_flavor_is_skipped(fake: FakeCloud) -> None:
    plan = planned(fake, "m1.small")
    assert plan.skipped == [{"what": NAME, "why": "it is of flavor m1.small, and ACTIVE already"}]
    assert list(plan.steps()) == []


def test_the_plan_names_both_sizes(fake: FakeCloud) -> None:
    sizes, guest = planned(fake).notes
    assert sizes == (
        "From flavor m1.small (1 vCPU, 1 GiB, 10 GiB of disk) "
        "to flavor m1.large (1 vCPU, 4 GiB, 10 GiB of disk)."
    )
    assert guest == "Its guest is shut down for that, and started again."


def test_all_that_speaks_against_it_is_told_at_once(fake: FakeCloud) -> None:
    fake.server(NAME).flavor = Flavor("m1.huge", vcpus=1, ram=2048, disk=80)
    fake.nova.lives.quota["ram"] = 3000
    fake.hypervisors[0].holds["MEMORY_MB"] = 2048
    with pytest.raises(Refused) as refused:
        planned(fake)
    said = str(refused.value)
    assert "its root disk has 80 GiB, and would have 10" in said
    assert "quota of ram is 3000, of which 952 are free, and it needs 2048" in said
    assert "no hypervisor has room for flavor m1.large (1 vCPU, 4 GiB, 10 GiB of disk)" in said


def test_a_server_on_a_volume_may_get_a_smaller_disk(fake: FakeCloud) -> None:
    fake.server(NAME).flavor = Flavor("m1.huge", disk=80)
    fake.server(NAME).image = ""
    assert planned(fake).changes() == 2


def test_a_smaller_server_is_within_any_quota(fake: FakeCloud) -> None:
    fake.server(NAME).flavor = Flavor("m1.huge", vcpus=8, ram=8192)
    fake.nova.lives.quota["ram"] = 10
    assert planned(fake).changes() == 2
    assert fake.count("os-quota-sets") == 0


def test_a_resize_that_waits_is_not_resized_further(fake: FakeCloud, attempt: FakeAttempt) -> None:
    done(fake, attempt, planned(fake, confirm=False))
    with pytest.raises(Refused, match="waits: confirm it or take it back first"):
        planned(fake, "m1.small")


def test_few_requests_are_made(fake: FakeCloud) -> None:
    fake.account().log_in()
    planned(fake)
    asked = [request.line for request in fake.requests if request.path.count("/") > 2]
    assert sum("/flavors" in line for line in asked) == 1
    assert sum("/os-quota-sets/" in line for line in asked) == 1
    assert fake.count("allocation_candidates") == 1
