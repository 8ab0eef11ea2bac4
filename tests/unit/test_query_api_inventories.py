"""What hosts have, and what is left of it, added up over the providers nested in them."""

from __future__ import annotations

from query_api.resources.inventories import FEW, Inventory, Room, inventories, rooms
from support.placement_trees import Provider, Trees

MANY = FEW + 1


def plain(number: int, used: int = 0) -> Provider:
    """Return a host with 4 * 2.0 vCPUs and 7 MiB."""
    holds = {"VCPU": (4, 0, 2.0, min(used, 8)), "MEMORY_MB": (8, 1, 1.0, min(used, 7))}
    return Provider(f"host-{number}", holds, traits=["CUSTOM_A"])


def nested() -> tuple[Provider, Provider, Provider]:
    """Return a host with two GPUs in it."""
    gpu = {"VGPU": (3, 0, 1.0, 1), "CUSTOM_X": (4, 2, 1.5, 0)}
    return (
        Provider("host-gpu", {"VCPU": (4, 0, 2.0, 8)}, traits=["COMPUTE_NODE"]),
        Provider("gpu-1", gpu, root="host-gpu", traits=["HW_GPU"]),
        Provider("gpu-2", {**gpu, "CUSTOM_X": (4, 2, 1.0, 0)}, root="host-gpu"),
    )


def test_total_reserved_and_ratio() -> None:
    found = inventories(Trees(plain(1)), ["host-1"])
    assert found == {
        "host-1": Inventory(
            {"VCPU": 4, "MEMORY_MB": 8},
            {"VCPU": 0, "MEMORY_MB": 1},
            {"VCPU": 2.0, "MEMORY_MB": 1.0},
        )
    }


def test_what_is_nested_in_a_host_counts_with_it() -> None:
    trees = Trees(*nested(), plain(1))
    assert inventories(trees, ["host-gpu"]) == {
        "host-gpu": Inventory(
            {"VCPU": 4, "VGPU": 6, "CUSTOM_X": 8},
            {"VCPU": 0, "VGPU": 0, "CUSTOM_X": 4},
            # The parts differ in the last one.
            {"VCPU": 2.0, "VGPU": 1.0, "CUSTOM_X": None},
        )
    }
    assert not [path for path in trees.asked if "host-1" in path]


def test_capacity_used_and_free() -> None:
    (room,) = rooms(Trees(plain(1, used=3)), ["host-1"]).values()
    assert room == Room({"VCPU": 8, "MEMORY_MB": 7}, {"VCPU": 3, "MEMORY_MB": 3}, ["CUSTOM_A"])
    assert room.free == {"VCPU": 5, "MEMORY_MB": 4}


def test_more_given_away_than_there_is() -> None:
    room = Room({"VCPU": 2}, {"VCPU": 3})
    assert room.free == {"VCPU": -1}


def test_hosts_with_room_take_one_request() -> None:
    trees = Trees(*(plain(number) for number in range(100)))
    hosts = list(trees.providers)
    assert list(rooms(trees, hosts)) == hosts
    assert trees.asked == ["/allocation_candidates"]


def test_few_hosts_take_one_small_request_each() -> None:
    trees = Trees(*(plain(number) for number in range(100)))
    assert [*rooms(trees, ["host-3", "host-4"])] == ["host-3", "host-4"]
    assert trees.asked == ["/allocation_candidates"] * 2


def test_full_hosts_are_asked_for_one_by_one() -> None:
    trees = Trees(*(plain(number, used=9 * (number == 0)) for number in range(MANY)))
    found = rooms(trees, list(trees.providers))
    assert found["host-0"].free == {"VCPU": 0, "MEMORY_MB": 0}
    assert trees.asked.count("/allocation_candidates") == 3
    assert len(trees.asked) == 3 + 1 + 3


def test_both_ways_say_the_same() -> None:
    trees = Trees(*nested(), *(plain(number, used=number) for number in range(10)))
    hosts = [one.id for one in trees.providers.values() if one.id == one.root]
    together = rooms(trees, hosts)
    alone = {host: rooms(trees, [host])[host] for host in hosts}
    assert len(hosts) > FEW
    assert together == alone


def test_what_placement_does_not_know_or_has_just_lost() -> None:
    lost = plain(1, used=9)
    lost.gone = True
    trees = Trees(lost, plain(2))
    asked = ["host-1", "host-2", "nonesuch"]
    assert rooms(trees, asked)["host-1"] == Room()
    assert inventories(trees, asked)["host-1"] == Inventory()
    assert "nonesuch" not in {**rooms(trees, asked), **inventories(trees, asked)}
    assert rooms(trees, []) == inventories(trees, []) == {}


def test_a_host_of_which_a_part_cannot_be_read_has_no_sums() -> None:
    host, first, second = nested()
    second.broken = True
    trees = Trees(host, first, second, plain(1))
    assert set(inventories(trees, ["host-gpu", "host-1"])) == {"host-1"}
    assert trees.reasons == [("inventory of fake (host-gpu)", "It hurts.")]
