"""Conditions: tests of properties, joined by all_of, any_of and not_ to any depth. Plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

# How deep conditions may stand in one another; nobody reads more, and what walks over them must
# not run out of stack. A text is held to it by its parentheses and `not` (see where).
DEEPEST = 100


class Typed(msgspec.Struct, frozen=True):
    """How an operator was typed, and where in the text it stands, and each of the values."""

    operator: str
    at: int
    values: tuple[int, ...] = ()


class Test(msgspec.Struct, frozen=True):
    """One property, one operator, its values as they were given.

    ``at`` is the place of the test in the text it was read from, for messages, and ``typed`` what
    else is known of that; both are None if it was made in Python.
    """

    path: str
    operator: str
    values: tuple[Any, ...] = ()
    at: int | None = None
    typed: Typed | None = None

    __test__ = False  # pytest would take it for tests of its own


class All(msgspec.Struct, frozen=True):
    """True if every part is; with no parts, true."""

    parts: tuple[Condition, ...]


class Any_(msgspec.Struct, frozen=True):
    """True if at least one part is; with no parts, false."""

    parts: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True):
    """True if the part is not. There are two truth values: what is missing fails a test, and so
    passes its negation."""

    part: Condition


Condition = Test | All | Any_ | Not


def test(path: str, operator: str, *values: Any) -> Test:
    """Return the condition that a property passes an operator.

    >>> test("status", "any_in", "SHUTOFF", "ERROR").values
    ('SHUTOFF', 'ERROR')
    """
    return Test(path, operator, values)


test.__test__ = False  # type: ignore[attr-defined]  # nor the function


def all_of(*parts: Condition) -> Condition:
    """Return the condition that all of ``parts`` hold."""
    return parts[0] if len(parts) == 1 else All(parts)


def any_of(*parts: Condition) -> Condition:
    """Return the condition that at least one of ``parts`` holds."""
    return parts[0] if len(parts) == 1 else Any_(parts)


def not_(part: Condition) -> Condition:
    """Return the condition that ``part`` does not hold."""
    return Not(part)


def too_deep(condition: Condition) -> bool:
    """Return whether a condition has parts more than ``DEEPEST`` deep.

    It is counted as a text would have it, where each ``not`` and each pair of parentheses is one
    deeper: conjunctions within a disjunction need no parentheses.
    """
    # Not recursive: this is what tells whether others may be.
    todo: list[tuple[Condition, int]] = [(condition, 0)]
    while todo:
        part, depth = todo.pop()
        if depth > DEEPEST:
            return True
        if isinstance(part, Not):
            todo.append((part.part, depth + 1 + isinstance(part.part, (All, Any_))))
        elif not isinstance(part, Test):
            for inner in part.parts:
                bare = isinstance(part, Any_) and isinstance(inner, All)
                todo.append((inner, depth + (not bare and not isinstance(inner, (Test, Not)))))
    return False


def tests(condition: Condition) -> Iterator[Test]:
    """Yield every test in a condition, from left to right."""
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Not):
        yield from tests(condition.part)
    else:
        for part in condition.parts:
            yield from tests(part)


def conjuncts(condition: Condition) -> Iterator[Condition]:
    """Yield the parts that all have to hold."""
    if isinstance(condition, All):
        for part in condition.parts:
            yield from conjuncts(part)
    else:
        yield condition
