"""What does not fit in a condition that was typed, in its own words and with the place of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from query_api.conditions import Condition, Test, Typed, tests
from query_api.kinds import a_kind
from query_api.predicates import Unfit, Where
from query_api.presets import fitting, predicate
from query_api.schema import Property
from workflow_api.text import clean


def in_its_words(error: Unfit, condition: Condition, where: Where, now: datetime) -> Unfit:
    """Return what is wrong with a test of the condition, pointing at the preset or the value.

    ``error`` says the same of the test as a whole; it is returned if that was made in Python.
    """
    for test in tests(condition):
        if test.typed is not None and test.at == error.at:
            found = _misfit(test, test.typed, *where(test.path), now)
            if found is not None:
                return found
    return error


def _misfit(test: Test, typed: Typed, prop: Property, index: int, now: datetime) -> Unfit | None:
    path, fits = clean(test.path), fitting(prop.kind)
    if test.preset not in fits:
        message = f"{path} is {a_kind(prop.kind)}: {clean(typed.preset)} does not fit."
        return Unfit(message, _moved(test, typed.at), advice=f"These do: {', '.join(fits)}.")
    for value, at in zip(test.values, typed.values, strict=True):
        if flaw := _flaw(prop, test.preset, (value,), now, index):
            return Unfit(f"{path} {clean(typed.preset)}: {flaw}.", _moved(test, at))
    return None


def _flaw(
    prop: Property, preset: str, values: Sequence[Any], now: datetime, index: int
) -> str | None:
    try:
        predicate(prop, preset, values, now, index)
    except ValueError as error:
        return clean(error)
    return None


def _moved(test: Test, at: int) -> Test:
    """Return the test as if it began where its error is."""
    return msgspec.structs.replace(test, at=at)
