"""Given this cloud, this plan: where hypervisor.drain finds room for all servers together."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Flavor, Group, Hypervisor, Server
from support.fake_cloud_plans import LIVE, drain, hosts, refusal, told
from workflow_api import UserError

BIG = Flavor("big", vcpus=4, ram=8192)
TOGETHER = "each alone would fit, but there is no room for all together: "


class Misfit(NamedTuple):
    """A cloud, and every reason why its cmp-1 is not drained."""

    id: str
    others: list[Hypervisor]
    servers: list[Server]
    reasons: list[str]
    asked: dict[str, Any] = {}  # noqa: RUF012 - never changed


def room(memory: int, name: str = "cmp-2", **more: Any) -> Hypervisor:
    return Hypervisor(name, holds={"VCPU": 64, "MEMORY_MB": memory, "DISK_GB": 999}, **more)


MISFITS = [
    Misfit("no other host that is up", [Hypervisor("cmp-2", state="down")], [Server("a")],
           ["no other hypervisor is up and enabled"]),
    Misfit("no other host that is enabled", [Hypervisor("cmp-2", status="disabled")],
           [Server("a")], ["no other hypervisor is up and enabled"]),
    Misfit("no room for one", [room(512)], [Server("a")],
           ["a (1 vCPU, 1 GiB) fits on no other hypervisor"]),
    Misfit("room only on the host itself", [room(512), room(99999, "cmp-1")], [Server("a")],
           ["a (1 vCPU, 1 GiB) fits on no other hypervisor"]),
    Misfit("room only on a disabled host", [room(512), room(99999, "cmp-3", status="disabled")],
           [Server("a")], ["a (1 vCPU, 1 GiB) fits on no other hypervisor"]),
    Misfit("what others use is not free", [room(2048)], [Server("a"),
           Server("there", "cmp-2"), Server("too", "cmp-2")],
           ["a (1 vCPU, 1 GiB) fits on no other hypervisor"]),
    Misfit("twelve that each fit one hole", [room(8192)], [Server(f"s{n:02}") for n in range(12)],
           [f"{TOGETHER}s08, s09, s10, s11 would be left"]),
    Misfit("one hole for two big ones, room for small ones",
           [room(8192), room(1024, "cmp-3")],
           [Server("big-1", flavor=BIG), Server("big-2", flavor=BIG), Server("small")],
           [f"{TOGETHER}big-2 would be left"]),
    Misfit("all reasons at once", [room(4096)],
           [Server("huge", flavor=BIG), *(Server(f"s{n}") for n in range(5)),
            Server("vast", flavor=BIG)],
           ["huge (4 vCPU, 8 GiB) fits on no other hypervisor",
            "vast (4 vCPU, 8 GiB) fits on no other hypervisor",
            f"{TOGETHER}s4 would be left"]),
    Misfit("a server that Placement does not know counts by its flavor", [room(512)],
           [Server("lost", allocated=False)], ["lost (1 vCPU, 1 GiB) fits on no other hypervisor"]),
    Misfit("the target is unknown", hosts()[1:], [Server("a")],
           ["There is no hypervisor 'elsewhere' in cloud fake"], {"target": "elsewhere"}),
    Misfit("the target is the host itself", hosts()[1:], [Server("a")],
           ["the target cmp-1 is the hypervisor itself"], {"target": "cmp-1"}),
    Misfit("the target is disabled", [Hypervisor("cmp-2", status="disabled"), room(9999, "cmp-3")],
           [Server("a")], ["the target cmp-2 is up and disabled"], {"target": "cmp-2"}),
    Misfit("the target is down", [Hypervisor("cmp-2", state="down"), room(9999, "cmp-3")],
           [Server("a")], ["the target cmp-2 is down and enabled"], {"target": "cmp-2"}),
    Misfit("no room on the target, whatever is free elsewhere", [room(512), room(99999, "cmp-3")],
           [Server("a")], ["a (1 vCPU, 1 GiB) fits on no other hypervisor"], {"target": "cmp-2"}),
]  # fmt: skip


@pytest.mark.parametrize("case", MISFITS, ids=[case.id for case in MISFITS])
def test_why_a_drain_is_refused(case: Misfit) -> None:
    own = [] if any(h.name == "cmp-1" for h in case.others) else [Hypervisor("cmp-1")]
    with FakeCloud([*own, *case.others], case.servers) as fake:
        assert refusal(fake, **case.asked) == case.reasons


ZONED = {"availability_zone": "az1"}
SSD = Flavor(extra_specs={"aggregate_instance_extra_specs:disk": "ssd"})
MAY_NOT = (
    "a (1 vCPU, 1 GiB): its availability zone or its flavor's aggregates leave it no other "
    "hypervisor with room"
)


class Placed(NamedTuple):
    """A server whose zone or aggregates matter; whether it can go to cmp-2."""

    id: str
    server: Server
    aggregates: list[Aggregate]
    may: bool


PLACED = [
    Placed("pinned to a zone that the other host is in", Server("a", zone="az1"),
           [Aggregate("one", ["cmp-1", "cmp-2"], ZONED)], True),
    Placed("pinned to a zone that it is not in", Server("a", zone="az1"),
           [Aggregate("one", ["cmp-1"], ZONED)], False),
    Placed("pinned to the default zone", Server("a", zone="nova"), [], True),
    Placed("pinned to the default zone, the other host in another", Server("a", zone="nova"),
           [Aggregate("two", ["cmp-2"], ZONED)], False),
    Placed("pinned to none", Server("a"), [Aggregate("one", ["cmp-1"], ZONED)], True),
    Placed("its flavor wants an aggregate, and it is there", Server("a", flavor=SSD),
           [Aggregate("fast", ["cmp-2"], {"disk": "hdd, ssd"})], True),
    Placed("its flavor wants an aggregate, and it is not there", Server("a", flavor=SSD),
           [Aggregate("slow", ["cmp-2"], {"disk": "hdd"})], False),
    Placed("its flavor wants an aggregate, and there is none", Server("a", flavor=SSD), [], False),
    Placed("expressions are left to the scheduler", Server("a", flavor=Flavor(
        extra_specs={"aggregate_instance_extra_specs:disk": "<in> ssd"})), [], True),
]  # fmt: skip


@pytest.mark.parametrize("case", PLACED, ids=[case.id for case in PLACED])
def test_zones_and_aggregates(case: Placed) -> None:
    with FakeCloud(hosts(), [case.server], aggregates=case.aggregates) as fake:
        if case.may:
            assert told(drain(fake)) == [LIVE]
        else:
            assert refusal(fake) == [MAY_NOT]


def test_a_nova_without_pinned_zones_is_asked_for_none() -> None:
    with FakeCloud(hosts(), [Server("a", zone="az1")]) as fake:
        fake.compute_version = "2.90"
        assert told(drain(fake)) == [LIVE]


def with_trait(**more: str) -> Flavor:
    return Flavor(extra_specs={f"trait:{name}": value for name, value in more.items()})


@pytest.mark.parametrize(
    ("flavor", "may"),
    [
        (with_trait(HW_FAST="required"), True),
        (with_trait(HW_GPU="required"), False),
        (with_trait(HW_FAST="forbidden"), False),
        (with_trait(HW_GPU="forbidden"), True),
    ],
)
def test_traits(flavor: Flavor, may: bool) -> None:
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2", traits={"HW_FAST"})]) as fake:
        fake.servers.append(Server("a", flavor=flavor))
        if may:
            assert told(drain(fake)) == [LIVE]
        else:
            assert refusal(fake) == ["a (1 vCPU, 1 GiB) fits on no other hypervisor"]


class Grouped(NamedTuple):
    """Servers of a group, and what is planned for those on cmp-1."""

    id: str
    group: Group
    servers: list[Server]
    words: list[str]
    refused: bool = False
    others: int = 2


def moved(*names: str) -> list[str]:
    return [f"live-migrate {name} (1 vCPU, 1 GiB) from cmp-1" for name in names]


ANTI = "anti-affinity group g leaves it no other hypervisor with room"
GROUPED = [
    Grouped("apart, with a host for each", Group("g", "anti-affinity", ["a", "b"]),
            [Server("a"), Server("b", "cmp-2")], moved("a")),
    Grouped("apart, and the only other host is taken", Group("g", "anti-affinity", ["a", "b"]),
            [Server("a"), Server("b", "cmp-2")], [f"a: {ANTI}"], others=1),
    Grouped("apart, two leave at once and there are two hosts",
            Group("g", "anti-affinity", ["a", "b"], most=2), [Server("a"), Server("b")],
            moved("a", "b")),
    Grouped("apart, two leave at once and there is one host",
            Group("g", "anti-affinity", ["a", "b"]), [Server("a"), Server("b")],
            [f"{TOGETHER}b would be left"], refused=True, others=1),
    Grouped("two a host, and one is there", Group("g", "anti-affinity", ["a", "b"], most=2),
            [Server("a"), Server("b", "cmp-2")], moved("a"), others=1),
    Grouped("two a host, and two are there",
            Group("g", "anti-affinity", ["a", "b", "c"], most=2),
            [Server("a"), Server("b", "cmp-2"), Server("c", "cmp-2")], [f"a: {ANTI}"], others=1),
    Grouped("two a host, one is there and two come",
            Group("g", "anti-affinity", ["a", "b", "c"], most=2),
            [Server("a"), Server("b"), Server("c", "cmp-2")],
            [f"{TOGETHER}b would be left"], refused=True, others=1),
    Grouped("two a host, and three come", Group("g", "anti-affinity", ["a", "b", "c"], most=2),
            [Server("a"), Server("b"), Server("c")], [f"{TOGETHER}c would be left"],
            refused=True, others=1),
    Grouped("one host is as full as it may be, one has a place left, two come",
            Group("g", "anti-affinity", ["a", "b", "c", "d", "e"], most=2),
            [Server("a"), Server("b"), Server("c", "cmp-2"), Server("d", "cmp-2"),
             Server("e", "cmp-3")], [f"{TOGETHER}b would be left"], refused=True),
    Grouped("soft rules bind nobody", Group("g", "soft-anti-affinity", ["a", "b"]),
            [Server("a"), Server("b", "cmp-2")], moved("a"), others=1),
    Grouped("together, and it is alone", Group("g", "affinity", ["a"]), [Server("a")], moved("a")),
    Grouped("together with two others", Group("g", "affinity", ["a", "b", "c"]),
            [Server("a"), Server("b"), Server("c", status="SHUTOFF")],
            [f"{name}: affinity group g keeps it on one host with 2 others" for name in "abc"]),
    Grouped("members that are gone keep nobody", Group("g", "affinity", ["a", "ghost"]),
            [Server("a")], moved("a")),
]  # fmt: skip


@pytest.mark.parametrize("case", GROUPED, ids=[case.id for case in GROUPED])
def test_server_groups(case: Grouped) -> None:
    others = [Hypervisor(f"cmp-{number + 2}") for number in range(case.others)]
    with FakeCloud([Hypervisor("cmp-1"), *others], case.servers, groups=[case.group]) as fake:
        assert (refusal(fake) if case.refused else told(drain(fake))) == case.words


@pytest.mark.long
def test_the_cost_of_a_plan_does_not_depend_on_the_number_of_servers() -> None:
    def asked(number: int, page: int = 1000) -> Counter[str]:
        servers = [Server(f"s{n:03}") for n in range(number)] + [Server("there", "cmp-2")]
        members = [server.name for server in servers[:5]] + ["there"]
        group = Group("g", "anti-affinity", members, most=300)
        with FakeCloud([Hypervisor("cmp-1"), room(999_999)], servers, groups=[group]) as fake:
            fake.hypervisors[1].holds["VCPU"] = 999
            fake.hypervisors[1].holds["DISK_GB"] = 9999
            fake.page = page
            assert len(told(drain(fake))) == number
            return Counter(request.line for request in fake.requests)

    few = asked(10)
    assert asked(200) == few
    # What holds the host is read again once all of it is claimed.
    assert few.total() == 15, few
    assert set(asked(200, page=100) - few) == {"GET /compute/v2.1/servers/detail"}


# -- spare hypervisors -------------------------------------------------------------------------


def targets(fake: FakeCloud, **asked: Any) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Return the moves in their order with their targets, and what is noted."""
    plan = drain(fake, **asked)
    moves = [step.data for step in plan.steps() if step.name == "server.move"]
    return [(move["name"], move["target"]) for move in moves], plan.notes


def test_a_spare_host_is_filled_first() -> None:
    others = [room(9999), room(2500, "cmp-3")]
    servers = [Server(name) for name in "abc"]
    with FakeCloud([Hypervisor("cmp-1"), *others], servers) as fake:
        moves, notes = targets(fake, spare=["cmp-3"])
        assert moves == [("a", "cmp-3"), ("b", "cmp-3"), ("c", None)]
        assert notes == ["To the spare cmp-3, which is filled first: a, b."]


def test_what_fits_nowhere_else_has_the_spare_host_first() -> None:
    """Filled with the largest first, it would have no room for the one that needs it."""
    others = [room(9999), Hypervisor("cmp-3", holds={"VCPU": 4, "MEMORY_MB": 9000, "DISK_GB": 99})]
    others[0].holds["DISK_GB"] = 30
    servers = [Server("big", flavor=BIG), Server("wide", flavor=Flavor("wide", disk=80))]
    with FakeCloud([Hypervisor("cmp-1"), *others], servers) as fake:
        assert targets(fake, spare=["cmp-3"])[0] == [("wide", "cmp-3"), ("big", None)]


@pytest.mark.parametrize(
    ("spare", "note"),
    [
        ("cmp-2", "Nothing goes to the spare cmp-2: it is up and disabled."),
        ("cmp-1", ""),
    ],
)
def test_a_spare_host_that_takes_nothing_is_left_out(spare: str, note: str) -> None:
    others = [Hypervisor("cmp-2", status="disabled"), Hypervisor("cmp-3")]
    with FakeCloud([Hypervisor("cmp-1"), *others], [Server("a")]) as fake:
        assert targets(fake, spare=[spare]) == ([("a", None)], [note] if note else [])


def test_a_target_for_all_leaves_nothing_for_a_spare_host() -> None:
    with FakeCloud(hosts(), [Server("a")]) as fake, pytest.raises(UserError, match="one of them"):
        drain(fake, target="cmp-2", spare=["cmp-2"])
