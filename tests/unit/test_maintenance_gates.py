"""Whether a cloud has enough left without some hosts: a floor, and one more that can be lost."""

from __future__ import annotations

import pytest

from hypervisors.hosts import Host, Hosts
from maintenance.gates import GATES, OF_A_HOST, _short
from query_api.resources.inventories import Room


def cloud(*used: int, down: int = -1) -> tuple[Hosts, dict[str, Room]]:
    """Return hosts of ten VCPUs each, of which so many are used."""
    found = [
        Host(
            id=str(number),
            name=f"cmp-{number}",
            state="down" if number == down else "up",
            status="enabled",
            reason=None,
            service_id="",
            service_host=f"cmp-{number}",
            aggregates=["even"] if number % 2 == 0 else [],
        )
        for number in range(len(used))
    ]
    rooms = {str(n): Room(capacity={"VCPU": 10}, used={"VCPU": one}) for n, one in enumerate(used)}
    return Hosts(found, found, []), rooms


@pytest.mark.parametrize(
    ("used", "floor", "spare", "said"),
    [
        ((5, 5, 5), 10, False, ""),
        ((5, 5, 5), 25, False, ""),
        ((5, 5, 5), 26, False, "5 of 20 VCPU free in the cloud, less than 26 %"),
        ((0, 10, 10), 0, False, ""),
        ((0, 10, 10), 1, False, "0 of 20 VCPU free"),
        ((9, 1, 1), 40, False, ""),
        ((9, 1, 1), 0, True, "one more host, with 9 VCPU free, and 10 in the largest"),
        ((8, 1, 1), 0, True, ""),
        ((8, 1), 0, True, ""),  # there is no second one to be lost
    ],
)
def test_what_is_left(used: tuple[int, ...], floor: int, spare: bool, said: str) -> None:
    found, rooms = cloud(*used)
    short = _short("the cloud", found, rooms, ["0"], floor, spare, None)
    assert bool(short) == bool(said)
    assert said in "".join(short)


def test_an_aggregate_is_looked_at_by_itself() -> None:
    found, rooms = cloud(6, 0, 6, 0)
    assert _short("the cloud", found, rooms, ["0"], 20, False, None) == []
    assert _short("aggregate even", found, rooms, ["0"], 20, False, "even") == [
        "-2 of 10 VCPU free in aggregate even, less than 20 %"
    ]


def test_hosts_that_are_down_give_nothing() -> None:
    found, rooms = cloud(5, 0, 5, down=1)
    (short,) = _short("the cloud", found, rooms, ["0"], 10, False, None)
    assert short.startswith("0 of 10 VCPU free")


def test_what_only_some_hosts_have_is_looked_at_where_it_is() -> None:
    found, rooms = cloud(0, 0, 0)
    rooms["0"].capacity["VGPU"], rooms["0"].used["VGPU"] = 4, 2
    (short,) = _short("the cloud", found, rooms, ["0"], 10, True, None)
    assert short == "-2 of 0 VGPU free in the cloud, less than 10 %"
    rooms["1"].capacity["VGPU"] = 4
    # The one host that is left with some cannot be lost anyway: that is no reason to wait.
    assert _short("the cloud", found, rooms, ["0"], 10, True, None) == []
    rooms["2"].capacity["VGPU"] = 1
    (short,) = _short("the cloud", found, rooms, ["0"], 10, True, None)
    assert short.endswith("with 3 VGPU free, and 4 in the largest")


def test_each_gate_that_can_be_gone_past_is_one() -> None:
    assert set(OF_A_HOST) < set(GATES)
