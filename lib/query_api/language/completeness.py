"""What tests say beyond their words: which are passed by what is missing, and what some imply."""

from __future__ import annotations

from collections.abc import Iterator

from query_api.language.conditions import All, Any_, Condition, Not, Test
from query_api.language.operators import NEGATIVE
from query_api.language.schema import Resource


def passed_by_nothing(condition: Condition, *, negated: bool = False) -> Iterator[str]:
    """Yield the paths of the tests that help a row to pass if their values are missing.

    >>> from query_api.language.conditions import not_, test
    >>> list(passed_by_nothing(not_(test("user.name", "equal_to", "ann"))))
    ['user.name']
    """
    if isinstance(condition, Test):
        if (condition.operator in NEGATIVE) is not negated:
            yield condition.path
    elif isinstance(condition, Not):
        yield from passed_by_nothing(condition.part, negated=not negated)
    else:
        for part in condition.parts:
            yield from passed_by_nothing(part, negated=negated)


def implied(condition: Condition, of: Resource) -> list[Test]:
    """Return what every row that passes also passes, by the properties that only such rows have.

    Whatever has been off since some time is SHUTOFF: a service can be asked for that.
    """
    found = _implied(condition, of)
    return [Test(name, "any_in", tuple(sorted(values))) for name, values in found.items()]


def _implied(condition: Condition, of: Resource) -> dict[str, frozenset[str]]:
    """Return, for each property, the only values that a matching row can have."""
    if isinstance(condition, Test):
        prop = of.property(condition.path)
        if prop is None or prop.only is None or condition.operator in NEGATIVE:
            return {}
        return {prop.only[0]: frozenset({prop.only[1]})}
    if isinstance(condition, Not):
        return {}
    parts = [_implied(part, of) for part in condition.parts]
    found: dict[str, frozenset[str]] = {}
    if isinstance(condition, All):
        for part in parts:
            for name, values in part.items():
                found[name] = found.get(name, values) & values
    elif isinstance(condition, Any_) and parts:
        for name in parts[0]:
            if all(name in part for part in parts):
                found[name] = frozenset().union(*(part[name] for part in parts))
    return found
