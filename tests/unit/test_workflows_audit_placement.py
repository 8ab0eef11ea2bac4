"""audit.server_groups and audit.allocations, on clouds with one fault each, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from audits.server_groups import breach
from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import (
    Course,
    Flavor,
    Group,
    Hypervisor,
    Json,
    Migration,
    Project,
    Server,
    uuid_of,
)
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_tables import Tables

OWNER = Project("web")


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    hosts = [Hypervisor(f"cmp-{number}") for number in range(1, 7)]
    servers = [Server(f"s{n}", f"cmp-{n % 6 + 1}", project=OWNER.id) for n in range(18)]
    with FakeCloud(hosts, servers, projects=[OWNER]) as fake:
        Tables(fake)
        yield fake


def audit(fake: FakeCloud, name: str, **parameters: Any) -> tuple[str, Json]:
    fake.requests.clear()
    return dispatch(f"audit.{name}", parameters, fake.config())


def found(fake: FakeCloud, name: str, **parameters: Any) -> list[Json]:
    kind, result = audit(fake, name, **parameters)
    assert kind == "done", result["summary"]
    rows: list[Json] = result["rows"]
    return rows


def asked(fake: FakeCloud, part: str) -> int:
    return len([r for r in fake.requests if r.method == "GET" and part in r.path])


# -- server groups -------------------------------------------------------------------------------


TORN = "they are to be together, and are on 2 hosts: a, b"
LARGER = "at most 2 may be on one host, and there are 3 on a"
CROWDED = "at most 1 may be on one host, and there are 2 on a"


@pytest.mark.parametrize(
    ("policy", "rules", "hosts", "broken"),
    [
        ("affinity", {}, "aaa", ""),
        ("affinity", {}, "aab", TORN),
        ("anti-affinity", {}, "abc", ""),
        ("anti-affinity", {}, "aabb", f"{CROWDED}, 2 on b"),
        ("anti-affinity", {"max_server_per_host": "2"}, "aabb", ""),
        ("anti-affinity", {"max_server_per_host": 2}, "aaab", LARGER),
        ("soft-affinity", None, "ab", TORN),
        ("soft-anti-affinity", None, "aa", CROWDED),
        ("affinity", {}, "", ""),
        ("unheard-of", {}, "aab", ""),
    ],
)  # fmt: skip
def test_what_breaks_a_policy(policy: str, rules: Any, hosts: str, broken: str) -> None:
    seen = breach(policy, rules, {f"m{number}": host for number, host in enumerate(hosts)})
    assert (seen.why if seen else "") == broken


def test_groups_that_are_broken(fake: FakeCloud) -> None:
    fake.server("s12").host = None  # shelved
    fake.groups += [
        Group("sound", "anti-affinity", ["s0", "s1", "s2"], project=OWNER.id),
        Group("crowd", "anti-affinity", ["s0", "s6", "s1"], project=OWNER.id),
        Group("wide", "anti-affinity", ["s0", "s6"], most=2),
        Group("torn", "affinity", ["s0", "s1"]),
        Group("shelved", "anti-affinity", ["s0", "s12", "deleted"]),
        Group("wish", "soft-affinity", ["s0", "s1"]),
    ]
    rows = found(fake, "server_groups")
    assert [(row["kind"], row["name"], row["servers"]) for row in rows] == [
        ("server_group", "crowd", ["s0", "s6"]),
        ("server_group", "torn", ["s0", "s1"]),
        ("soft_server_group", "wish", ["s0", "s1"]),
    ]
    crowd = rows[0]
    assert (crowd["hosts"], crowd["project"]) == (["cmp-1"], "web")
    assert crowd["act"] == f"server_group.repair server_group={uuid_of('group', 'crowd')}"
    assert "nothing has to be done" in rows[2]["act"]


def test_groups_are_judged_in_a_handful_of_requests(fake: FakeCloud) -> None:
    fake.groups += [Group(f"g{n}", "affinity", [f"s{n}", f"s{n + 1}"]) for n in range(17)]
    assert len(found(fake, "server_groups")) == 17
    assert asked(fake, "/os-server-groups") == 2, "a page, and the empty one after it"
    assert asked(fake, "/servers") == 1


# -- allocations ---------------------------------------------------------------------------------


def told(rows: list[Json]) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["name"] or row["id"], row["hypervisor"]) for row in rows]


def test_a_sound_cloud_is_judged_by_its_sums(fake: FakeCloud) -> None:
    assert found(fake, "allocations") == []
    assert asked(fake, "/allocations") == 0
    assert asked(fake, "/servers/detail") == 1
    assert len(fake.requests) < 15, "logins and versions among them, whatever the hypervisors"


def test_an_orphaned_a_missing_and_a_misplaced_allocation(fake: FakeCloud) -> None:
    fake.placement.leaked["cmp-1"] = {"ghost": {"VCPU": 2, "MEMORY_MB": 512}}
    fake.server("s1").allocated = False
    moved = fake.server("s2")
    fake.placement.leaked["cmp-5"] = {moved.id: moved.resources}
    rows = found(fake, "allocations")
    assert sorted(told(rows)) == [
        ("elsewhere_allocation", "s2", "cmp-5"),
        ("missing_allocation", "s1", "cmp-2"),
        ("orphaned_allocation", "ghost", "cmp-1"),
    ]
    by_kind = {row["kind"]: row for row in rows}
    assert "holds 512 MEMORY_MB, 2 VCPU of cmp-1" in by_kind["orphaned_allocation"]["why"]
    assert "of cmp-5, and is on cmp-3" in by_kind["elsewhere_allocation"]["why"]
    missing = by_kind["missing_allocation"]
    assert missing["act"].endswith(f"heal_allocations --instance {fake.server('s1').id}")
    assert missing["project"] == "web"
    assert asked(fake, "/allocations") == 6, "three hypervisors, each of them twice"


def test_what_holds_all_of_a_hypervisor_is_looked_into(fake: FakeCloud) -> None:
    fake.placement.leaked["cmp-1"] = {"ghost": {"VCPU": 13, "MEMORY_MB": 13312, "DISK_GB": 170}}
    assert told(found(fake, "allocations")) == [("orphaned_allocation", "ghost", "cmp-1")]


def test_what_cancels_out_shows_up_on_every_host(fake: FakeCloud) -> None:
    lost = fake.server("s1")
    lost.allocated = False
    fake.placement.leaked["cmp-2"] = {"ghost": lost.resources}
    assert found(fake, "allocations") == []
    rows = found(fake, "allocations", every_host=True)
    assert sorted(kind for kind, *_ in told(rows)) == ["missing_allocation", "orphaned_allocation"]


def test_what_is_deleted_softly_moved_or_unconfirmed_is_no_finding(fake: FakeCloud) -> None:
    fake.server("s0").status = "SOFT_DELETED"
    fake.server("s1").task, fake.server("s1").allocated = "migrating", False
    unconfirmed = fake.server("s2")
    unconfirmed.status = "VERIFY_RESIZE"
    fake.migrations.append(
        Migration(1, unconfirmed, "migration", "cmp-6", "cmp-3", 0.0, Course(), "finished")
    )
    assert found(fake, "allocations") == []


def test_flavors_with_classes_of_their_own_agree(fake: FakeCloud) -> None:
    for host in fake.hypervisors:
        host.holds["CUSTOM_GPU"] = 4
    gpu = Flavor("gpu", extra_specs={"resources:CUSTOM_GPU": "2"})
    fake.servers.append(Server("g", "cmp-1", flavor=gpu, image=""))
    assert found(fake, "allocations") == []
    assert asked(fake, "/allocations") == 0


def test_what_is_put_right_meanwhile_is_no_finding(fake: FakeCloud) -> None:
    lost = fake.server("s1")
    lost.allocated = False
    looks = 0

    def healed(request: Request) -> None:
        nonlocal looks
        looks += request.path.endswith("/allocations")
        lost.allocated = lost.allocated or looks > 1

    fake.hooks.append(healed)
    assert found(fake, "allocations") == []
    assert looks == 2


def test_a_hypervisor_that_placement_does_not_know(fake: FakeCloud) -> None:
    fake.hypervisors.append(Hypervisor("cmp-new"))
    assert told(found(fake, "allocations")) == [("missing_provider", "cmp-new", "cmp-new")]


@pytest.mark.long
def test_nobody_is_accused_where_it_could_not_be_read(fake: FakeCloud) -> None:
    fake.server("s1").allocated = False
    fake.fail("GET .*/resource_providers/.*/allocations", 503, times=99)
    kind, result = audit(fake, "allocations")
    assert (kind, result["rows"], result["complete"]) == ("failed", [], False)
    fake.route("GET /compute/v2.1/servers/detail", lambda request: Answer({}, 503), first=True)
    kind, result = audit(fake, "allocations")
    assert (kind, result["rows"]) == ("failed", [])
    assert "no allocation can be judged" in result["summary"]
