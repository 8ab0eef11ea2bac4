"""Of many cases that are much alike, a sample for every day and the rest when asked for."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import pytest

#: Whether properties are tried with all of their examples, as tests/conftest.py finds out.
all_examples = False


def examples(whole: int) -> int:
    """Return how many examples a property is tried with: all of them, or a third every day.

    Other ones are made up every day.
    """
    return whole if all_examples else max(1, whole // 3)


def sampled(cases: Collection[Any], count: int) -> list[Any]:
    """Return the cases as parameters, all but ``count`` of them marked ``long``.

    Which ones are in the sample depends on the number of cases alone: what fails once fails again.
    """
    chosen = set(random.Random(len(cases)).sample(range(len(cases)), count))
    return [
        case if place in chosen else pytest.param(*_values(case), marks=pytest.mark.long)
        for place, case in enumerate(cases)
    ]


def dealt(cases: Collection[Any], hands: int) -> list[list[Any]]:
    """Return the cases as parameters for each of so many tests, every case once not ``long``.

    So each case is in one of the tests every day, and in all of them if asked for.
    """
    order = random.Random(len(cases)).sample(range(len(cases)), len(cases))
    place_of = {case: place for place, case in enumerate(order)}
    return [
        [
            (
                case
                if place_of[number] % hands == hand
                else pytest.param(*_values(case), marks=pytest.mark.long)
            )
            for number, case in enumerate(cases)
        ]
        for hand in range(hands)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
