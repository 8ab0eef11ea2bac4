"""Packing: whoever is told that all fit can rely on it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_api.lookups.packing import Item, unplaced
from support.sampling import examples

Free = dict[str, dict[str, int]]
PLACES = ("p", "q", "r")
CLASSES = ("VCPU", "MEMORY_MB", "group")
unhurried = settings(deadline=None, max_examples=examples(60))  # a busy machine is no slow search

amounts = st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 4), max_size=3)
frees = st.dictionaries(st.sampled_from(PLACES), amounts, max_size=3)


@st.composite
def item_lists(draw: st.DrawFn) -> list[Item]:
    some = st.frozensets(st.sampled_from((*PLACES, "gone")))
    sizes = draw(st.lists(st.tuples(amounts, some), max_size=5))
    return [Item(f"item-{n}", takes, places) for n, (takes, places) in enumerate(sizes)]


def fits(
    items: Sequence[Item], placed: Sequence[str], free: Mapping[str, Mapping[str, int]]
) -> bool:
    """Whether that placement of the items is possible."""
    left = {place: dict(amounts) for place, amounts in free.items()}
    for item, place in zip(items, placed, strict=True):
        if place not in left or place not in item.places:
            return False
        for name, amount in item.takes.items():
            left[place][name] = left[place].get(name, 0) - amount
            if left[place][name] < 0:
                return False
    return True


def possible(items: Sequence[Item], free: Free) -> bool:
    """Whether any placement of all items is possible: every one is tried."""
    every = itertools.product(PLACES, repeat=len(items))
    return any(fits(items, placed, free) for placed in every)


@unhurried
@given(item_lists(), frees)
def test_it_says_that_all_fit_exactly_when_they_do(items: list[Item], free: Free) -> None:
    # So few items are searched to the end; of many it may say no though there is a way.
    assert (unplaced(items, free) == []) == possible(items, free)


@unhurried
@given(item_lists(), frees)
def test_without_those_that_it_names_the_others_fit(items: list[Item], free: Free) -> None:
    left = unplaced(items, free)
    assert left == sorted(set(left))
    assert possible([item for item in items if item.name not in left], free)


@unhurried
@given(item_lists(), frees, st.randoms(use_true_random=False))
def test_the_order_of_items_and_places_does_not_matter(
    items: list[Item], free: Free, random: object
) -> None:
    shuffled, places = list(items), list(free.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(places)  # type: ignore[attr-defined]
    assert unplaced(shuffled, dict(places)) == unplaced(items, free)


@unhurried
@given(item_lists(), frees)
def test_what_is_given_is_not_changed(items: list[Item], free: Free) -> None:
    before = {place: dict(amounts) for place, amounts in free.items()}
    unplaced(items, free)
    assert free == before


@unhurried
@given(st.integers(0, 7), st.integers(0, 7))
def test_as_many_fit_as_there_are_holes(servers: int, holes: int) -> None:
    free = {f"hole-{n}": {"MEMORY_MB": 1} for n in range(holes)}
    items = [Item(f"s{n}", {"MEMORY_MB": 1}, frozenset(free)) for n in range(servers)]
    assert len(unplaced(items, free)) == max(0, servers - holes)


def test_the_picky_and_the_large_go_first() -> None:
    free = {"p": {"VCPU": 4}, "q": {"VCPU": 3}}
    both = frozenset("pq")
    items = [Item(f"small-{n}", {"VCPU": 1}, both) for n in range(3)]
    items += [Item("picky", {"VCPU": 2}, frozenset("p")), Item("large", {"VCPU": 2}, both)]
    assert unplaced(items, free) == []


@pytest.mark.long
def test_a_search_that_finds_nothing_ends() -> None:
    free = {f"host-{n}": {"VCPU": 64, "MEMORY_MB": 2048 + n % 7} for n in range(30)}
    items = [Item(f"s{n}", {"VCPU": 1, "MEMORY_MB": 1024}, frozenset(free)) for n in range(61)]
    began = time.process_time()
    assert len(unplaced(items, free)) == 1
    assert time.process_time() - began < 5
