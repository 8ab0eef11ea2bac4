"""From conditions to what a service is asked for. It only narrows: all is looked at again here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from common.errors import UserError
from query_api.language import times
from query_api.language.conditions import Test
from query_api.language.kinds import value_for
from query_api.language.schema import Filter, Property, Resource

# Ids in one request, and letters of them: longer addresses are refused by some proxies (8 KiB).
_BATCH, _LETTERS = 100, 6000
# Where a listing has pages, so many narrowed requests are worth more than reading it whole.
_MOST = 20
# So many requests for one object each are sent, where a service offers nothing else: some minutes.
# A question that takes more has most likely forgotten a condition, and keeps others from asking.
MOST_SINGLE = 5000
# Databases of many sites hold no letters beyond (emoji and the like): asked for one, they fail.
_LAST = "\uffff"
# No service has a longer name; an address with much longer ones is refused on its way.
_LONGEST = 255
_AGES = frozenset({"older_than", "younger_than"})


class Ask(msgspec.Struct, frozen=True):
    """One chain of requests: its parameters, and the values of properties it was asked with.

    ``known`` says that a 404 is how the service says that there are no such rows.
    """

    params: Mapping[str, Any] = {}
    asked: Mapping[str, Any] = {}
    known: bool = False


class Narrowed(msgspec.Struct):
    """What a resource's listings are asked for.

    ``asks`` are read side by side; ``tests`` say which conditions they stand for. Rows that have
    an ``unwanted`` value (a property and a value) would not be there without these parameters.
    """

    asks: list[Ask]
    tests: list[Test] = []
    unwanted: list[tuple[str, str]] = []


# Returns the values of "resource.property": what a resource is fanned over that needs one.
Expand = Callable[[str], Sequence[Any]]


def narrowed(
    resource: Resource,
    tests: Sequence[Test],
    now: datetime,
    expand: Expand,
    *,
    narrow: bool = True,
) -> Narrowed:
    """Return what is asked of the service for a resource, given tests that all have to hold.

    Raises UserError if the resource needs a value that no test gives and nothing stands in for, or
    if a test gives more values than are asked for one by one.
    """
    params: dict[str, Any] = {}
    found = Narrowed([])
    best: tuple[Test, list[dict[str, Any]]] | None = None
    for test in tests if narrow else ():
        way = _way(resource, test)
        if way is None or test.path in resource.needs:
            continue
        prop, filter_ = way
        asked = _asked(prop, filter_, test, now)
        if asked is None or filter_.param in params:
            continue
        if len(asked) == 1:
            params.update(asked[0])
            found.tests.append(test)
            found.unwanted += [filter_.unless] if filter_.unless else []
        elif _pays(resource, len(asked)) and (best is None or len(asked) < len(best[1])):
            best = (test, asked)
    alternatives: list[dict[str, Any]] = [{}]
    # Several requests for one parameter; none if the test can be passed by nothing.
    if best is not None and not any(set(one) & set(params) for one in best[1]):
        alternatives = best[1]
        found.tests.append(best[0])
    needed = _needed(resource, tests, expand)
    ways = [_way(resource, test) for test in found.tests]
    known = any(way is not None and way[1].known for way in ways)
    found.asks = [
        Ask({**params, **alternative}, asked, known)
        for alternative in alternatives
        for asked in needed
    ]
    return found


def _pays(resource: Resource, requests: int) -> bool:
    paged = any(listing.paging != "none" for listing in resource.listings)
    return requests == 0 or (paged and requests <= _MOST)


def _way(resource: Resource, test: Test) -> tuple[Property, Filter] | None:
    prop = resource.property(test.path)
    if prop is None:
        return None
    filter_ = prop.filters.get(test.operator)
    if filter_ is None and test.operator == "any_in":
        filter_ = prop.filters.get("equal_to")
    return (prop, filter_) if filter_ is not None else None


def _asked(
    prop: Property, filter_: Filter, test: Test, now: datetime
) -> list[dict[str, Any]] | None:
    """Return the parameters of each request that a test takes; None if the service has no way."""
    values = sorted({_plain(prop, test.operator, value, now) for value in test.values}, key=str)
    encoded = [filter_.encode(value) for value in values]
    given = [text for text in encoded if text is not None and _is_askable(text)]
    if len(given) < len(encoded):
        return None
    if test.operator != "any_in":
        return [{filter_.param: text} for text in given[:1]] if len(given) == 1 else None
    if len(given) == 1 or not filter_.many:
        return [{filter_.param: text} for text in given]
    join = _JOINS[filter_.many]
    return [{filter_.param: join(batch)} for batch in _batches(given)]


def _is_askable(text: str) -> bool:
    return len(text) <= _LONGEST and max(text, default="") <= _LAST


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in groups, each of which fits into one address."""
    batch, size = list[str](), 0
    for text in texts:
        letters = len(quote(text)) + 1
        if batch and (len(batch) == _BATCH or size + letters > _LETTERS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += letters
    yield batch


_JOINS: dict[str, Callable[[list[str]], Any]] = {
    "repeat": list,
    "comma": ",".join,
    "in:": lambda values: "in:" + ",".join(f'"{value}"' for value in values),
}


def _plain(prop: Property, operator: str, value: Any, now: datetime) -> Any:
    if operator in _AGES:
        return times.cutoff(value, now) + "Z"
    if operator in ("equal_to", "any_in", "has_tag") or prop.kind in ("integer", "number", "time"):
        return value_for(prop, value)
    return value


def refuse_flood(why: str, requests: int) -> None:
    """Raise UserError if more requests for one object each would be sent than anybody wants."""
    if requests > MOST_SINGLE:
        raise UserError(
            f"{why}: this would take {requests} requests, and {MOST_SINGLE} are the most.",
            advice="Narrow what leads to them with a condition; where nothing is followed, sorted "
            "or grouped, a limit helps too.",
        )


def given(name: str, tests: Iterable[Test]) -> Test | None:
    """Return the test that gives the values of a property which a resource needs, if one does."""
    return next((t for t in tests if t.path == name and t.operator in ("equal_to", "any_in")), None)


def _needed(resource: Resource, tests: Sequence[Test], expand: Expand) -> list[Mapping[str, Any]]:
    """Return the values that a resource is read for: one reading of it for each."""
    asked: list[dict[str, Any]] = [{}]
    for name, instead in resource.needs.items():
        prop = resource.property(name)
        assert prop is not None
        test = given(name, tests)
        if test is not None:
            values = [value_for(prop, value) for value in test.values]
            if prop.asked and instead and any(value != value.lower() for value in values):
                # Services find it in any case, and rows would have what was asked for as theirs.
                there = frozenset(expand(instead))
                values = [value for value in values if value in there]
            number = len(set(values)) * len(resource.listings)
            refuse_flood(f"{resource.plural} are read by one {name} at a time", number)
        elif instead is None:
            raise UserError(
                f"{resource.plural} can only be read for a known {name}.",
                advice=f"Add a condition such as {name} equal_to <value>.",
            )
        else:
            values = list(expand(instead))
        asked = [{**one, name: value} for one in asked for value in dict.fromkeys(values)]
    return list(asked)
