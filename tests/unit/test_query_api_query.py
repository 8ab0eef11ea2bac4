"""The verbs of a query: what they make, and what they refuse before anything is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common.errors import UserError
from query_api.execution.query import Query, query
from query_api.language.conditions import (
    DEEPEST,
    All,
    Condition,
    Test,
    all_of,
    any_of,
    not_,
    test,
)
from query_api.language.grouping import group
from query_api.language.where import parse, unparse

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
    assert "web-1199" in asked.select("name").explain().parts[-1].what


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


# -- groups, figures, order --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: query("server").count().count(), "'count' is there twice"),
        (
            lambda: query("server").aggregate("sum", "flavor.ram").aggregate("sum", "flavor.ram"),
            "'sum flavor.ram' is there twice",
        ),
        (lambda: query("server").group_by("host", "host"), "grouped by 'host' twice"),
        (lambda: query("server").group_by("host").group_by(group("host")), "'host' twice"),
    ],
)
def test_what_would_be_one_column_twice_is_refused(ask: Callable[[], Query], said: str) -> None:
    with pytest.raises(UserError, match=said):
        ask()


def test_different_figures_of_one_property_are_no_repetition() -> None:
    asked = query("server").group_by("host", "status").count().aggregate("count", "host")
    assert asked.aggregate("sum", "flavor.ram").aggregate("max", "flavor.ram").explain().parts


@pytest.mark.parametrize(
    ("written", "column"),
    [
        ("-sum(flavor.ram)", "-sum flavor.ram"),
        ("sum  flavor.ram", "sum flavor.ram"),
        ("-COUNT(*)", "-count"),
        ('count(metadata."a b")', "count 'metadata.a b'"),
    ],
)
def test_an_aggregate_is_sorted_by_as_it_is_asked_for(written: str, column: str) -> None:
    asked = query("server").group_by("host").count().aggregate("sum", "flavor.ram")
    asked = asked.aggregate("count", "metadata.a b").sort_by(written)
    assert asked.sorting == (column.replace("'", '"'),)
    assert asked.explain().parts


@pytest.mark.parametrize("path", ["-metadata.a b", "metadata.max(x)", "-name", "sum("])
def test_paths_are_sorted_by_as_they_are(path: str) -> None:
    assert query("server").sort_by(path).sorting == (path,)
