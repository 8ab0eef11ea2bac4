"""Conditions compiled once into closures over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from common.errors import UserError
from common.text import clean, near
from query_api.language.conditions import All, Condition, Not, Test
from query_api.language.kinds import a_kind
from query_api.language.operator_names import ARITY
from query_api.language.operators import NEGATIVE, POSITIVE, fitting, predicate
from query_api.language.schema import Property

Passes = Callable[[Sequence[Any]], bool]
# Where a path's value stands in a row, and what it is.
Where = Callable[[str], tuple[Property, int]]


class Unfit(UserError):
    """A test that cannot be made; ``at`` is its place in the text it was read from, if any."""

    def __init__(self, message: str, test: Test, *, advice: str = "") -> None:
        self.at = test.at
        super().__init__(message, advice=advice)


def compiled(condition: Condition, where: Where, now: datetime) -> Passes:
    """Return whether a row passes a condition. Raises Unfit for a wrong operator or value."""
    if isinstance(condition, Test):
        return _test(condition, where, now)
    if isinstance(condition, Not):
        passes = compiled(condition.part, where, now)
        return lambda row: not passes(row)
    parts = [compiled(part, where, now) for part in condition.parts]
    if isinstance(condition, All):
        return all_pass(parts)
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda row: first(row) or second(row)
    return lambda row: any(passes(row) for passes in parts)


def all_pass(parts: Sequence[Passes]) -> Passes:
    """Return whether a row passes all of the parts of a condition."""
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda row: first(row) and second(row)
    return lambda row: all(passes(row) for passes in parts)


def _test(test: Test, where: Where, now: datetime) -> Passes:
    prop, index = where(test.path)
    fits = fitting(prop.kind)
    if test.operator not in fits:
        if test.operator in POSITIVE or test.operator in NEGATIVE:
            raise does_not_fit(test, prop, test.operator)
        likely = near(test.operator, [*POSITIVE, *NEGATIVE])
        advice = f"Did you mean {' or '.join(likely)}?" if likely else f"Known: {', '.join(fits)}."
        raise Unfit(f"{clean(test.operator)!r} is not an operator.", test, advice=advice)
    most = {"none": 0, "one": 1}.get(ARITY[test.operator])
    if most is not None and len(test.values) != most:
        wanted = "no value" if most == 0 else "one value"
        raise Unfit(f"{test.operator} takes {wanted}, not {len(test.values)}.", test)
    try:
        return predicate(prop, test.operator, test.values, now, index)
    except ValueError as error:
        raise has_a_flaw(test, test.operator, error) from None


def does_not_fit(test: Test, prop: Property, called: str) -> Unfit:
    """Return the error of an operator, as it is ``called``, that is not for the property's kind."""
    message = f"{clean(test.path)} is {a_kind(prop.kind)}: {clean(called)} does not fit."
    return Unfit(message, test, advice=f"These do: {', '.join(fitting(prop.kind))}.")


def has_a_flaw(test: Test, called: str, error: ValueError) -> Unfit:
    """Return the error of a value that the operator, as it is ``called``, does not take."""
    return Unfit(f"{clean(test.path)} {clean(called)}: {clean(error)}.", test)
