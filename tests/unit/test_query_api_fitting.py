"""How many more fit on each host: what Placement says of one, and what is left for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from query_api.lookups.fitting import fitting
from query_api.lookups.placement import Demand

SMALL = Demand("small", {"VCPU": 2, "MEMORY_MB": 1024})
GPU = Demand("gpu", {"VCPU": 1, "VGPU": 2}, frozenset({"HW_GPU"}), frozenset({"OLD"}))
SHARED = Demand("shared", {"VCPU": 1, "DISK_GB": 10})


class Placement:
    """What a Reading is to who asks Placement once."""

    def __init__(self, requests: list[Mapping[str, str]], providers: dict[str, Any]) -> None:
        allocations = [{"allocations": _by_provider(request)} for request in requests]
        self.answer = {"allocation_requests": allocations, "provider_summaries": providers}
        self.asked: list[Mapping[str, Any]] = []

    def one(self, service: str, path: str, shape: Any, params: Any, version: str) -> Any:
        assert (service, path) == ("placement", "/allocation_candidates")
        self.asked.append(params)
        return msgspec.convert(self.answer, shape)


def _by_provider(request: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {by: {"resources": {}} for by in request.values()}
    for name, by in request.items():
        given[by]["resources"][name] = 1
    return given


def provider(root: str, *traits: str, **left: int) -> dict[str, Any]:
    """Return the summary of a provider with so much left of each class, and as much used."""
    resources = {name: {"capacity": 2 * free, "used": free} for name, free in left.items()}
    return {"resources": resources, "root_provider_uuid": root, "traits": list(traits)}


def on(host: str, demand: Demand = SMALL) -> dict[str, str]:
    return dict.fromkeys(demand.resources, host)


def fits(demand: Demand, requests: list[Mapping[str, str]], **providers: Any) -> dict[str, int]:
    return fitting(Placement(requests, providers), demand)  # type: ignore[arg-type]


def test_the_scarcest_resource_counts() -> None:
    found = fits(
        SMALL,
        [on("a"), on("b")],
        a=provider("a", VCPU=9, MEMORY_MB=99999),
        b=provider("b", VCPU=99, MEMORY_MB=2047),
    )
    assert found == {"a": 4, "b": 1}


def test_a_host_that_placement_does_not_name_takes_none() -> None:
    # Its largest unit is too small, perhaps, whatever is left of it.
    found = fits(
        SMALL,
        [on("a")],
        a=provider("a", VCPU=2, MEMORY_MB=1024),
        b=provider("b", VCPU=99, MEMORY_MB=99999),
    )
    assert found == {"a": 1}


def test_placement_is_asked_once_with_traits_and_without_disabled_hosts() -> None:
    placement = Placement([], {})
    assert fitting(placement, GPU) == {}  # type: ignore[arg-type]
    (params,) = placement.asked
    assert params["resources"] == "VCPU:1,VGPU:2"
    assert params["required"] == "HW_GPU,!COMPUTE_STATUS_DISABLED,!OLD"


def test_parts_of_a_host_do_not_add_up() -> None:
    # Three are left in each card, a server takes two of one card: two fit, not three.
    requests = [{"VCPU": "host", "VGPU": "card-1"}, {"VCPU": "host", "VGPU": "card-2"}]
    found = fits(
        GPU,
        requests,
        host=provider("host", VCPU=50),
        **{f"card-{n}": provider("host", VGPU=3) for n in (1, 2)},
    )
    assert found == {"host": 2}


def test_what_hosts_share_counts_once() -> None:
    requests = [{"VCPU": host, "DISK_GB": "pool"} for host in "abc"]
    found = fits(
        SHARED,
        requests,
        a=provider("a", VCPU=4),
        b=provider("b", VCPU=4),
        c=provider("c", VCPU=4),
        pool=provider("pool", "MISC_SHARES_VIA_AGGREGATE", DISK_GB=65),
    )
    assert found == {"a": 4, "b": 2}


def test_a_host_s_own_is_taken_before_what_is_shared() -> None:
    requests = [{"VCPU": "a", "DISK_GB": "a"}, {"VCPU": "a", "DISK_GB": "pool"}]
    requests.append({"VCPU": "b", "DISK_GB": "pool"})
    found = fits(
        SHARED,
        requests,
        a=provider("a", VCPU=5, DISK_GB=30),
        b=provider("b", VCPU=9),
        pool=provider("pool", "MISC_SHARES_VIA_AGGREGATE", DISK_GB=40),
    )
    assert found == {"a": 5, "b": 2}


AMOUNTS = st.dictionaries(st.sampled_from(["VCPU", "MEMORY_MB"]), st.integers(1, 40), min_size=1)
HOSTS = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 99), st.integers(0, 99)))


@given(AMOUNTS, HOSTS)
def test_one_after_the_other_fits_as_often(
    takes: dict[str, int], hosts: dict[str, tuple[int, int]]
) -> None:
    left = {host: {"VCPU": vcpus, "MEMORY_MB": ram} for host, (vcpus, ram) in hosts.items()}
    demand = Demand("any", takes)
    able = [h for h, room in left.items() if all(room[name] >= n for name, n in takes.items())]
    counted = fits(
        demand,
        [on(host, demand) for host in able],
        **{host: provider(host, **room) for host, room in left.items()},
    )
    placed: dict[str, int] = {}
    for host, room in left.items():
        while all(room[name] >= amount for name, amount in takes.items()):
            left[host] = room = {name: room[name] - takes.get(name, 0) for name in room}
            placed[host] = placed.get(host, 0) + 1
    assert counted == placed
