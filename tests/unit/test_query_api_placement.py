"""What servers take up and where there is room, as Placement says it."""

from __future__ import annotations

from typing import Any

import pytest

from query_api.lookups import placement
from query_api.lookups.compute_types import Flavor, Server
from query_api.lookups.placement import Demand
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Flavor as FakeFlavor
from support.fake_cloud_estate import Hypervisor
from support.fake_cloud_estate import Server as FakeServer

SMALL: dict[str, Any] = {"vcpus": 2, "ram": 1024, "disk": 10}
PLAIN = {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 10}

BY_FLAVOR: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "plain": (SMALL, PLAIN),
    "a volume needs no local disk": ({**SMALL, "image": ""}, {"VCPU": 2, "MEMORY_MB": 1024}),
    "a volume and an ephemeral disk": ({**SMALL, "image": "", "ephemeral": 5},
                                       {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 5}),
    "ephemeral disks": ({**SMALL, "ephemeral": 5}, {**PLAIN, "DISK_GB": 15}),
    "swap is rounded up to GiB": ({**SMALL, "swap": 1025}, {**PLAIN, "DISK_GB": 12}),
    "no disk at all": ({**SMALL, "disk": 0}, {"VCPU": 2, "MEMORY_MB": 1024}),
    "pinned": ({**SMALL, "extra_specs": {"hw:cpu_policy": "dedicated"}},
               {"PCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 10}),
    "shared": ({**SMALL, "extra_specs": {"hw:cpu_policy": "shared"}}, PLAIN),
    "a resource of its own": ({**SMALL, "extra_specs": {"resources:VGPU": "1"}},
                              {**PLAIN, "VGPU": 1}),
    "a resource replaced": ({**SMALL, "extra_specs": {"resources:VCPU": "0",
                             "resources:CUSTOM_BAREMETAL": "1"}},
                            {"MEMORY_MB": 1024, "DISK_GB": 10, "CUSTOM_BAREMETAL": 1}),
    "nonsense for an amount": ({**SMALL, "extra_specs": {"resources:VGPU": "many"}}, PLAIN),
    "a trait is no resource": ({**SMALL, "extra_specs": {"trait:HW_GPU": "required"}}, PLAIN),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_FLAVOR)
def test_what_a_flavor_asks_for(case: str) -> None:
    flavor, wanted = dict(BY_FLAVOR[case][0]), BY_FLAVOR[case][1]
    image = flavor.pop("image", {"id": "image"})
    assert placement.by_flavor(Server("1", "a", image=image, flavor=Flavor(**flavor))) == wanted


def test_demands_are_what_placement_holds_and_else_what_the_flavor_says() -> None:
    known = FakeServer("known", flavor=FakeFlavor(extra_specs={"trait:HW_GPU": "required"}))
    lost = FakeServer("lost", allocated=False, flavor=FakeFlavor(vcpus=3))
    with FakeCloud([Hypervisor("cmp-1")], [known, lost]) as fake:
        seen = [
            Server(known.id, "known", flavor=Flavor(vcpus=9, extra_specs=known.flavor.extra_specs)),
            Server(lost.id, "lost", flavor=Flavor(vcpus=3, extra_specs={"trait:X": "forbidden"})),
        ]
        found = placement.demands(
            seen, placement.allocations(fake.account(), fake.hypervisors[0].id)
        )
        assert fake.count("GET /placement/resource_providers") == 1
    resources = {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 10}
    assert found == [
        Demand(known.id, resources, frozenset({"HW_GPU"}), frozenset()),
        Demand(lost.id, {"VCPU": 3}, frozenset(), frozenset({"X"})),
    ]


def demand(server: str, cpus: int, **traits: frozenset[str]) -> Demand:
    return Demand(server, {"VCPU": cpus}, **traits)


def test_one_request_for_each_different_demand() -> None:
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2", traits={"HW_GPU"})]) as fake:
        one, two = (host.id for host in fake.hypervisors)
        fake.hypervisors[0].holds["VCPU"] = 4
        gpu = frozenset({"HW_GPU"})
        wanted = [demand(f"s{n}", 1) for n in range(50)]
        wanted += [demand("big", 8), demand("huge", 99), demand("gpu", 1, required=gpu)]
        room = placement.room(fake.account(), [*wanted, demand("no-gpu", 1, forbidden=gpu)])
        assert fake.count("allocation_candidates") == 5
    assert room.hosts["s0"] == room.hosts["s49"] == {one, two}
    assert room.hosts["big"] == room.hosts["gpu"] == {two}
    assert (room.hosts["huge"], room.hosts["no-gpu"]) == (frozenset(), {one})
    assert {id: free["VCPU"] for id, free in room.free.items()} == {one: 4, two: 16}


def test_disabled_hosts_have_no_room() -> None:
    with FakeCloud([Hypervisor("cmp-1", status="disabled"), Hypervisor("cmp-2")]) as fake:
        room = placement.room(fake.account(), [demand("a", 1)])
        assert room.hosts["a"] == {fake.hypervisors[1].id}


def test_what_is_used_is_not_free() -> None:
    servers = [FakeServer(f"s{n}", "cmp-1") for n in range(15)]
    with FakeCloud([Hypervisor("cmp-1")], servers) as fake:
        room = placement.room(fake.account(), [demand("a", 1), demand("b", 2)])
        (id,) = (host.id for host in fake.hypervisors)
    assert (room.hosts["a"], room.hosts["b"]) == ({id}, frozenset())
    assert room.free[id] == {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 50}


def provider(root: str, **capacity: int) -> dict[str, Any]:
    resources = {name: {"capacity": amount, "used": 1} for name, amount in capacity.items()}
    return {"root_provider_uuid": root, "resources": resources}


def test_what_nested_providers_have_counts_for_their_host() -> None:
    answer = {
        "allocation_requests": [
            {"allocations": {"gpu-1": {"resources": {"VGPU": 1}}, "host": {"resources": {}}}},
            {"allocations": {"gpu-2": {"resources": {"VGPU": 1}}, "host": {"resources": {}}}},
        ],
        "provider_summaries": {
            "host": provider("host", VCPU=8),
            "gpu-1": provider("host", VGPU=4),
            "gpu-2": provider("host", VGPU=2),
        },
    }
    with FakeCloud() as fake:
        fake.fail("allocation_candidates", 200, body=answer)
        room = placement.room(fake.account(), [Demand("a", {"VCPU": 1, "VGPU": 1})])
    assert room.hosts["a"] == {"host"}
    assert room.free == {"host": {"VCPU": 7, "VGPU": 4}}
