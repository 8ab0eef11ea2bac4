"""Which tests a row passes because something is missing, where it may only not have been seen."""

from __future__ import annotations

from collections.abc import Iterator

from query_api.language.conditions import Condition, Not, Test
from query_api.language.operators import NEGATIVE


def passed_by_nothing(condition: Condition, *, negated: bool = False) -> Iterator[str]:
    """Yield the paths of the tests that help a row to pass if their values are missing.

    >>> from query_api.language.conditions import not_, test
    >>> list(passed_by_nothing(not_(test("user.name", "equal_to", "ann"))))
    ['user.name']
    """
    if isinstance(condition, Test):
        if (condition.preset in NEGATIVE) is not negated:
            yield condition.path
    elif isinstance(condition, Not):
        yield from passed_by_nothing(condition.part, negated=not negated)
    else:
        for part in condition.parts:
            yield from passed_by_nothing(part, negated=negated)
