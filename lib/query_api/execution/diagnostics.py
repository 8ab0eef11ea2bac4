"""What does not fit in a condition that was typed, in its own words and with the place of each."""

from __future__ import annotations

from datetime import datetime

import msgspec

from query_api.execution.predicates import Unfit, Where, does_not_fit, has_a_flaw
from query_api.language.conditions import Condition, Test, Typed, tests
from query_api.language.operators import fitting, predicate
from query_api.language.schema import Property


def in_its_words(error: Unfit, condition: Condition, where: Where, now: datetime) -> Unfit:
    """Return what is wrong with a test of the condition, pointing at the operator or the value.

    ``error`` says the same of the test as a whole; it is returned if that was made in Python.
    """
    for test in tests(condition):
        if test.typed is not None and test.at == error.at:
            found = _misfit(test, test.typed, *where(test.path), now)
            if found is not None:
                return found
    return error


def _misfit(test: Test, typed: Typed, prop: Property, index: int, now: datetime) -> Unfit | None:
    if test.operator not in fitting(prop.kind):
        return does_not_fit(_moved(test, typed.at), prop, typed.operator)
    for value, at in zip(test.values, typed.values, strict=True):
        try:
            predicate(prop, test.operator, (value,), now, index)
        except ValueError as error:
            return has_a_flaw(_moved(test, at), typed.operator, error)
    return None


def _moved(test: Test, at: int) -> Test:
    """Return the test as if it began where its error is."""
    return msgspec.structs.replace(test, at=at)
