"""server_group.repair: which servers move where, and who has to stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Flavor, Group, Hypervisor, Server, uuid_of
from support.fake_cloud_groups import FakeGroups
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform
from workflow_api import Refused, StepFailed
from workflow_api.plan import Plan


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    hosts = [Hypervisor(f"cmp-{number}") for number in range(1, 5)]
    with FakeCloud(hosts, now=clock.monotonic) as fake:
        FakeGroups(fake)
        yield fake


def group(fake: FakeCloud, policy: str, where: str, **more: Any) -> list[Server]:
    """Have a group ``web`` of servers a, b, c, ... on the hypervisors of these numbers."""
    made = [Server(name, f"cmp-{number}") for name, number in zip("abcdef", where, strict=False)]
    fake.servers += made
    fake.groups.append(Group("web", policy, [server.name for server in made], **more))
    return made


def repair(fake: FakeCloud, **options: Any) -> Plan:
    plan = drawn(fake.account(), "server_group.repair", server_group="web", **options)
    assert fake.changes == []
    return plan


def moves(plan: Plan) -> dict[str, str]:
    """Return where each server goes, by name."""
    steps = [step for step in plan.steps() if step.name == "server.move"]
    return {step.data["name"]: step.data["target"] for step in steps}


def small(name: str) -> Flavor:
    return Flavor(name, ram=512)


# -- apart ---------------------------------------------------------------------------------------


def test_as_many_move_as_are_too_many(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "1112")
    found = moves(repair(fake))
    assert sorted(found.values()) == ["cmp-3", "cmp-4"]


def test_max_server_per_host_is_kept(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "11122", most=2)
    assert set(moves(repair(fake)).values()) <= {"cmp-3", "cmp-4"}
    assert len(moves(repair(fake))) == 1


def test_small_ones_move_rather_than_large_ones(fake: FakeCloud) -> None:
    _, second = group(fake, "anti-affinity", "11")
    second.flavor = small("tiny")
    assert list(moves(repair(fake))) == ["b"]


def test_who_is_protected_stays_and_another_one_moves(fake: FakeCloud) -> None:
    first, _ = group(fake, "anti-affinity", "11")
    first.tags = ["openstack-ops-protected"]
    plan = repair(fake)
    assert (list(moves(plan)), plan.left) == (["b"], [])


def test_who_has_to_stay_is_left_with_the_reason(fake: FakeCloud) -> None:
    first, second, _third, _ = group(fake, "anti-affinity", "1133")
    first.locked = True
    second.metadata = {"openstack_ops:protected": "yes"}
    plan = repair(fake)
    assert list(moves(plan)) == ["c"]
    told = {entry["what"].partition(" ")[0]: entry["why"] for entry in plan.left}
    assert set(told) == {"a", "b"}
    assert "it is locked" in told["a"]
    assert "it is protected" in told["b"]
    assert "server_group.verify" not in [step.name for step in plan.steps()]
    assert "still breaks its policy afterwards" in plan.notes[-1]


def test_a_target_has_room_by_placement(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "11")
    for host in fake.hypervisors[1:3]:
        host.holds["VCPU"] = 0
    assert list(moves(repair(fake)).values()) == ["cmp-4"]
    fake.hypervisors[3].holds["MEMORY_MB"] = 512
    with pytest.raises(Refused, match="a has to stay: no hypervisor with room for it keeps"):
        repair(fake)


def test_those_that_move_have_room_together(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "111", most=1)
    for host in fake.hypervisors[1:]:
        host.holds["VCPU"] = 1
    fake.servers.append(Server("other", "cmp-2"))
    assert sorted(moves(repair(fake)).values()) == ["cmp-3", "cmp-4"]


def test_no_other_group_is_broken(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "11")
    fake.servers += [Server("x", "cmp-2"), Server("y", "cmp-3")]
    fake.groups += [Group("also", "anti-affinity", ["a", "b", "x", "y"], most=2)]
    fake.groups[1].most = 1
    assert list(moves(repair(fake)).values()) == ["cmp-4"]


def test_zones_are_kept(fake: FakeCloud) -> None:
    for server in group(fake, "anti-affinity", "11"):
        server.zone = "az1"
    fake.aggregates.append(Aggregate("one", ["cmp-1", "cmp-4"], {"availability_zone": "az1"}))
    assert list(moves(repair(fake)).values()) == ["cmp-4"]


def test_no_one_goes_to_a_disabled_or_dead_hypervisor(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "11")
    fake.hypervisors[1].status, fake.hypervisors[2].state = "disabled", "down"
    assert list(moves(repair(fake)).values()) == ["cmp-4"]


def test_off_a_dead_hypervisor_nobody_is_migrated(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "11")
    fake.hypervisors[0].state = "down"
    with pytest.raises(Refused, match="evacuated, not migrated"):
        repair(fake)


# -- together ------------------------------------------------------------------------------------


def test_the_few_go_to_the_many(fake: FakeCloud) -> None:
    group(fake, "affinity", "12322")
    assert moves(repair(fake)) == {"a": "cmp-2", "c": "cmp-2"}


def test_all_go_to_who_has_to_stay(fake: FakeCloud) -> None:
    first, *_ = group(fake, "affinity", "1222")
    first.locked = True
    assert moves(repair(fake)) == dict.fromkeys("bcd", "cmp-1")


def test_the_largest_host_without_room_is_no_target(fake: FakeCloud) -> None:
    group(fake, "affinity", "1222")
    fake.hypervisors[1].holds["VCPU"] = 3
    assert moves(repair(fake)) == dict.fromkeys("bcd", "cmp-1")


def test_nobody_goes_where_the_group_is_not(fake: FakeCloud) -> None:
    group(fake, "affinity", "12")
    for host in fake.hypervisors[:2]:
        host.holds["VCPU"] = 1
    with pytest.raises(Refused, match="has to stay: cmp-1 has no room for it"):
        repair(fake)


def test_two_that_have_to_stay_apart_are_told(fake: FakeCloud) -> None:
    first, second, _ = group(fake, "affinity", "123")
    first.locked = second.locked = True
    plan = repair(fake)
    assert len(moves(plan)) == 1
    assert len(plan.left) == 1


# -- the plan ------------------------------------------------------------------------------------


def test_a_sound_group_is_skipped(fake: FakeCloud) -> None:
    group(fake, "anti-affinity", "123")
    plan = repair(fake)
    assert plan.skipped == [{"what": "web", "why": "its 3 servers are where its policy wants them"}]
    assert list(plan.steps()) == []


def test_what_is_deleted_or_on_no_host_does_not_count(fake: FakeCloud) -> None:
    _, second, third = group(fake, "anti-affinity", "111")
    second.host = None
    fake.servers.remove(third)
    assert list(repair(fake).steps()) == []


def test_a_member_of_another_project_counts(fake: FakeCloud) -> None:
    _, second = group(fake, "anti-affinity", "11")
    second.project = "another"
    assert len(moves(repair(fake))) == 1


def test_a_soft_group_is_repaired_too(fake: FakeCloud) -> None:
    group(fake, "soft-affinity", "12")
    assert moves(repair(fake)) == {"b": "cmp-1"}


def test_it_is_found_by_its_id(fake: FakeCloud) -> None:
    group(fake, "affinity", "12")
    plan = drawn(fake.account(), "server_group.repair", server_group=uuid_of("group", "web"))
    assert moves(plan) == {"b": "cmp-1"}


def test_so_many_at_once(fake: FakeCloud) -> None:
    group(fake, "affinity", "1222")
    assert repair(fake, max_parallel=2).stages[0].at_most == 2


def test_it_is_carried_out_and_looked_at(fake: FakeCloud, attempt: FakeAttempt) -> None:
    first, second = group(fake, "anti-affinity", "11")
    second.status = "SHUTOFF"
    move, arrived, verify = repair(fake).steps()
    with pytest.raises(StepFailed, match="web still breaks its policy: at most 1"):
        perform(verify, fake.account(), attempt)
    for step in (move, arrived):
        perform(step, fake.account(), attempt)
    assert first.host != second.host
    assert perform(verify, fake.account(), attempt)["said"] == "web keeps its policy"
