"""Whether servers that each fit somewhere also fit together. Arithmetic only, no cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Amounts = Mapping[str, int]
# How many placements are tried before the search gives up; first fit alone settles most.
_MOST_TRIES = 20_000


@dataclass(frozen=True)
class Item:
    """Something to place: its name, what it takes up, and where it may go.

    What only so many items may share is a resource too, of which each takes one.
    """

    name: str
    takes: Amounts
    places: frozenset[str]


def unplaced(items: Sequence[Item], free: Mapping[str, Amounts]) -> list[str]:
    """Return the names of items for which no room is left when all are placed together.

    The largest go first and may be moved again; the search is bounded, so on a nearly full cloud
    it can name items that a cleverer packing would place. It never says that all fit when they
    do not.

    >>> hole = {"a": {"MEMORY_MB": 1024}}
    >>> one = Item("x", {"MEMORY_MB": 1024}, frozenset("a"))
    >>> two = Item("y", {"MEMORY_MB": 1024}, frozenset("a"))
    >>> unplaced([one], hole), unplaced([one, two], hole)
    ([], ['y'])
    """
    known = placed(items, free)
    return sorted(item.name for item in items if item.name not in known)


def placed(items: Sequence[Item], free: Mapping[str, Amounts]) -> dict[str, str]:
    """Return where each item goes when all are placed together, by its name.

    The search is that of :func:`unplaced`, and what it names is not among them.
    """
    total = _totals(free)
    ordered = sorted(items, key=lambda item: (len(item.places), -_share(item, total), item.name))
    search = _Search(ordered, free)
    return search.place_all() or search.first_fit()


def filled(
    items: Sequence[Item], free: Mapping[str, Amounts], first: Sequence[str]
) -> dict[str, str]:
    """Return which items go to the places ``first``, by name, when those are filled first.

    What they do not take goes to the other places, or where they have room left, and fits there.

    >>> hole = {"a": {"VCPU": 4}, "b": {"VCPU": 3}}
    >>> both = [Item(name, {"VCPU": 2}, frozenset("ab")) for name in "xyz"]
    >>> filled(both, hole, ["b"])
    {'x': 'b'}
    """
    total = _totals(free)
    ordered = sorted(items, key=lambda item: (-_share(item, total), item.name))
    room = {place: dict(amounts) for place, amounts in free.items()}
    found: dict[str, str] = {}
    for place in first:
        for item in ordered:
            fits = all(room.get(place, {}).get(name, 0) >= n for name, n in item.takes.items())
            if item.name not in found and place in item.places and fits:
                found[item.name] = place
                for name, n in item.takes.items():
                    room[place][name] -= n
    if unplaced([item for item in ordered if item.name not in found], room):
        # It has taken what goes nowhere else from what does: a packing of all knows better.
        return {name: place for name, place in placed(items, free).items() if place in first}
    return found


class _Search:
    def __init__(self, items: Sequence[Item], free: Mapping[str, Amounts]) -> None:
        self.items, self.free = items, free
        self.tries = 0

    def place_all(self) -> dict[str, str]:
        """Return a placement of all items; nothing if none is found within the bound."""
        self._reset()
        stack: list[list[str]] = []
        placed: list[str] = []
        while len(placed) < len(self.items):
            if len(stack) == len(placed):
                stack.append(self._choices(self.items[len(placed)]))
            self.tries += 1
            if self.tries > _MOST_TRIES:
                return {}
            if stack[-1]:
                place = stack[-1].pop()
                self._take(self.items[len(placed)], place, 1)
                placed.append(place)
                continue
            stack.pop()
            if not placed:
                return {}
            self._take(self.items[len(placed) - 1], placed.pop(), -1)
        names = (item.name for item in self.items)
        return dict(zip(names, placed, strict=True))

    def first_fit(self) -> dict[str, str]:
        """Place greedily and return where what fits has gone."""
        self._reset()
        found = {}
        for item in self.items:
            choices = self._choices(item)
            if choices:
                self._take(item, choices[-1], 1)
                found[item.name] = choices[-1]
        return found

    def _reset(self) -> None:
        self.room = {place: dict(amounts) for place, amounts in self.free.items()}

    def _choices(self, item: Item) -> list[str]:
        """Return where the item fits now, the best place last: the one with least to spare."""
        fitting = [
            place
            for place in item.places
            if place in self.room
            and all(self.room[place].get(name, 0) >= n for name, n in item.takes.items())
        ]
        return sorted(fitting, key=lambda place: (-self._spare(item, place), place))

    def _spare(self, item: Item, place: str) -> float:
        return sum(
            (self.room[place].get(name, 0) - n) / max(1, self.room[place].get(name, 0))
            for name, n in item.takes.items()
        )

    def _take(self, item: Item, place: str, sign: int) -> None:
        for name, amount in item.takes.items():
            self.room[place][name] = self.room[place].get(name, 0) - sign * amount


def _totals(free: Mapping[str, Amounts]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for amounts in free.values():
        for name, amount in amounts.items():
            totals[name] = totals.get(name, 0) + amount
    return totals


def _share(item: Item, totals: Mapping[str, int]) -> float:
    """Return the largest share of any resource that the item takes up."""
    return max((n / max(1, totals.get(name, 0)) for name, n in item.takes.items()), default=0.0)
