"""The verbs of a query: what they make, and what they refuse before anything is asked."""

from __future__ import annotations

import pytest

from query_api.conditions import (
    DEEPEST,
    All,
    Condition,
    Test,
    all_of,
    any_of,
    not_,
    test,
)
from query_api.query import query
from query_api.where import parse, unparse
from workflow_api.errors import UserError

ON = test("status", "equal_to", "ACTIVE")
OFF = test("status", "equal_to", "SHUTOFF")


# -- conditions --------------------------------------------------------------------------------


def nested(depth: int) -> Condition:
    """Return a condition that wants so many parentheses, within one another."""
    condition: Condition = any_of(ON, OFF)
    for _ in range(depth):
        condition = any_of(all_of(condition, OFF), ON)
    return condition


def negated(depth: int) -> Condition:
    condition: Condition = ON
    for _ in range(depth):
        condition = not_(condition)
    return condition


def test_conditions_that_are_added_stand_beside_one_another() -> None:
    asked = query("server").where(ON).where("host", "not_null").where(all_of(OFF, OFF))
    (stage,) = asked.stages
    assert stage.condition == All((ON, Test("host", "not_null"), All((OFF, OFF))))
    assert query("server").where(ON).stages[0].condition == ON


def test_any_number_of_conditions_can_be_added() -> None:
    asked = query("server")
    for number in range(1200):
        asked = asked.where("name", "not_equal_to", f"web-{number}")
    assert "web-1199" in asked.explain().parts[-1].what


@pytest.mark.parametrize(
    "condition",
    [negated(5000), negated(DEEPEST + 1), nested(5000), not_(nested(200))],
    ids=["nots", "one-not", "groups", "both"],
)
def test_a_condition_that_is_too_deep_is_refused(condition: Condition) -> None:
    with pytest.raises(UserError, match=f"nested more than {DEEPEST} deep") as told:
        query("server").where(condition)
    assert "any_in" in told.value.advice


@pytest.mark.parametrize(
    ("deepest", "deeper"),
    [
        (negated(DEEPEST), negated(DEEPEST + 1)),
        (nested(DEEPEST), nested(DEEPEST + 1)),
        (not_(nested(DEEPEST - 2)), not_(nested(DEEPEST))),
    ],
    ids=["nots", "groups", "both"],
)
def test_python_and_texts_have_one_bound(deepest: Condition, deeper: Condition) -> None:
    """What a text may say can be said in Python, and the other way round."""
    assert query("server").where(deepest).explain().parts
    text = unparse(deepest)
    assert unparse(parse(text)) == text
    for refuse in (lambda: query("server").where(deeper), lambda: parse(unparse(deeper))):
        with pytest.raises(UserError, match=f"more than {DEEPEST} deep"):
            refuse()
