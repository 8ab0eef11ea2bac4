"""The brakes: which figure keeps a host from being taken in work, and that nobody slips past."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.host_config import Brakes
from brakes.fleet import Fleet, FleetHost
from brakes.judging import closed
from common.duration import Duration
from common.errors import StepFailed
from state.host_works import HeldHostWorks, Work
from state.journal import Journal
from state.store import Store
from support.runs import folder, new_state
from support.state import begin

NOW = 1_000_000.0


def host(number: int, *aggregates: str, up: bool = True) -> FleetHost:
    return FleetHost(f"hypervisor:{number}", f"cmp-{number}", up, aggregates)


def fleet(*hosts: FleetHost, unknown: int = 0, unread: tuple[str, ...] = ()) -> Fleet:
    """Return a fleet of which Placement does not know the first so many."""
    return Fleet(hosts, frozenset(one.name for one in hosts[unknown:]), unread)


def work(number: int, begun: float, ended: float | None = None, run: str = "r") -> Work:
    """Return a work that was begun, and ended, so many seconds ago."""
    ago = None if ended is None else NOW - ended
    return Work(f"hypervisor:{number}", f"cmp-{number}", run, NOW - begun, ago, NOW)


TEN = [host(number) for number in range(10)]
RACKS = [host(number, f"rack-{number % 2}") for number in range(10)]
WIDE = {"hosts_percent": 100, "aggregate_percent": 100, "hosts_per_hour": 100}

CASES: dict[str, tuple[dict[str, Any], Fleet, Sequence[int], Sequence[Work], str]] = {
    "nothing": ({}, fleet(*TEN), [0], [], ""),
    "one of a small cloud": ({}, fleet(host(0), host(1)), [0], [], ""),
    "one too many": ({}, fleet(*TEN), [0, 1], [], "2 of 10 hosts would be down or in work of the"),
    "another is down": (
        {},
        fleet(host(0, up=False), *TEN[1:]),
        [1],
        [],
        r"2 of 10 hosts would be down or in work \(cmp-0 down\) .* brakes.hosts_percent \(10\)",
    ),
    "it is the one that is down": ({}, fleet(host(0, up=False), *TEN[1:]), [0], [], ""),
    "another is in work": (
        {},
        fleet(*TEN),
        [1],
        [work(0, 60, run="r-7")],
        "cmp-0 in work by run r-7",
    ),
    "it is in work already": ({}, fleet(*TEN), [0], [work(0, 60)], ""),
    "another was in work": ({}, fleet(*TEN), [1], [work(0, 9000, 60)], ""),
    "a larger share": ({"hosts_percent": 20}, fleet(*TEN), [0, 1], [], ""),
    "an aggregate": (
        {"hosts_percent": 100, "aggregate_percent": 20},
        fleet(*RACKS),
        [0, 2],
        [],
        r"2 of 5 hosts would be .* of aggregate rack-0, more than brakes.aggregate_percent \(20\)",
    ),
    "two aggregates": (
        {"hosts_percent": 100, "aggregate_percent": 20},
        fleet(*RACKS),
        [0, 1],
        [],
        "",
    ),
    "too many within an hour": (
        {**WIDE, "hosts_per_hour": 2},
        fleet(*TEN),
        [5],
        [work(0, 3000, 2000), work(1, 600, 30)],
        r"3 hosts would be taken .* \(2 were already\), .* out of the hour in 10m",
    ),
    "the hour is over": (
        {**WIDE, "hosts_per_hour": 1, "cool_down": Duration(1)},
        fleet(*TEN),
        [5],
        [work(0, 3601, 3000)],
        "",
    ),
    "it has not cooled down": (
        {},
        fleet(*TEN),
        [0],
        [work(0, 9000, 60)],
        "work on cmp-0 ended 1m ago, and brakes.cool_down is 1h",
    ),
    "it has cooled down": ({}, fleet(*TEN), [0], [work(0, 9000, 3601)], ""),
    "it was in work twice": (
        {},
        fleet(*TEN),
        [0],
        [work(0, 9000, 8000), work(0, 90, 60)],
        "work on cmp-0 ended 1m ago",
    ),
    "we are blind": (
        WIDE,
        fleet(*(host(number, up=number > 5) for number in range(10))),
        [9],
        [],
        r"6 of 10 hosts are said to be down .* brakes.blind_percent \(50\)",
    ),
    "half is not more than half": (
        WIDE,
        fleet(*(host(number, up=number > 4) for number in range(10))),
        [9],
        [],
        "",
    ),
    "the only other one is down": (WIDE, fleet(host(0), host(1, up=False)), [0], [], ""),
    "Placement and Nova disagree": (
        WIDE,
        fleet(*TEN, unknown=6),
        [9],
        [],
        "Placement does not know 6 of the 10 hosts that Nova has",
    ),
    "not all was read": (WIDE, fleet(*TEN, unread=("it: why",)), [9], [], "not all .* it: why"),
}


@pytest.mark.parametrize("case", CASES)
def test_which_brake_is_closed(case: str) -> None:
    options, seen, wanted, works, expected = CASES[case]
    hosts = [one for one in seen.hosts if one.subject in {f"hypervisor:{n}" for n in wanted}]
    told = closed(Brakes(**options), seen, hosts, works)
    assert len(told) == bool(expected), told
    if expected:
        assert re.search(expected, told[0]), told[0]


def test_all_that_are_closed_are_told_at_once() -> None:
    seen = fleet(host(0, up=False), *TEN[1:])
    works = [work(1, 9000, 60), work(2, 60)]
    told = closed(Brakes(hosts_per_hour=1), seen, [seen.hosts[1]], works)
    assert [one for one in told if "hosts_percent" in one]
    assert [one for one in told if "hosts_per_hour" in one]
    assert [one for one in told if "cool_down" in one]


# -- the record of what is in work ---------------------------------------------------------------


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(new_state(folder() / "state.db"))
    yield store
    store.close()


def works(store: Store) -> HeldHostWorks:
    """Return the works as a new run writes them."""
    holder = begin(Journal(store), "work")
    return HeldHostWorks(store, *holder.fence, holder.run)


def anything(known: Sequence[Work]) -> None:
    """Let it be taken whatever is in work."""


def test_a_host_is_in_work_until_it_is_given_back(store: Store) -> None:
    mine = works(store)
    assert mine.begin("hypervisor:1", "cmp-1", 60.0, anything)
    assert not mine.begin("hypervisor:1", "cmp-1", 60.0, anything)
    (known,) = mine.of(["hypervisor:1", "hypervisor:2"], 0.0)
    assert (known.name, known.is_open) == ("cmp-1", True)
    assert mine.end("hypervisor:1")
    assert not mine.end("hypervisor:1")
    assert mine.of(["hypervisor:1"], 0.0) == []
    (known,) = mine.of(["hypervisor:1"], 60.0)
    assert not known.is_open
    assert mine.begin("hypervisor:1", "cmp-1", 60.0, anything)
    assert len(mine.of(["hypervisor:1"], 60.0)) == 2


def test_what_speaks_against_it_is_heeded_and_nothing_written(store: Store) -> None:
    mine = works(store)

    def never(known: Sequence[Work]) -> None:
        raise StepFailed("no")

    with pytest.raises(StepFailed):
        mine.begin("hypervisor:1", "cmp-1", 60.0, never)
    assert mine.of(["hypervisor:1"], 60.0) == []


def test_of_eight_that_come_at_once_no_more_than_may_be_are_taken(store: Store) -> None:
    held = [works(store) for _ in range(8)]
    gate = threading.Barrier(8)

    def two_at_most(known: Sequence[Work]) -> None:
        if sum(one.is_open for one in known) >= 2:
            raise StepFailed("two are in work")

    def take(number: int) -> bool:
        gate.wait()
        try:
            return held[number].begin(f"hypervisor:{number}", f"cmp-{number}", 60.0, two_at_most)
        except StepFailed:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 2


def test_what_is_long_over_is_forgotten_and_what_is_open_never(store: Store) -> None:
    mine = works(store)
    mine.begin("hypervisor:1", "cmp-1", 60.0, anything)
    mine.begin("hypervisor:2", "cmp-2", 60.0, anything)
    mine.end("hypervisor:1")
    mine.forget(-1.0)
    assert [one.name for one in mine.of(["hypervisor:1", "hypervisor:2"], 60.0)] == ["cmp-2"]
