"""Which values pass which operator, and what is said of tests that cannot be made."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from query_api.execution.predicates import Unfit, compiled
from query_api.language.conditions import Not, Test, all_of, any_of, not_
from query_api.language.operators import NEGATIVE, POSITIVE, fitting
from query_api.language.schema import Property
from query_api.resources.properties import (
    address,
    addresses,
    boolean,
    integer,
    mapping,
    text,
    texts,
    time,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
RAM = integer("ram", "", unit="MiB")
STATUS = text("status", "", case="upper")


DAY = "2026-01-01"


def passes(prop: Property, operator: str, value: Any, *given: Any) -> bool:
    """Return whether a value passes a test of a property."""
    return compiled(Test("x", operator, given), lambda _: (prop, 0), NOW)((value,))


@pytest.mark.parametrize(
    ("prop", "operator", "given", "passing", "failing"),
    [
        (STATUS, "equal_to", ["error"], ["ERROR"], ["error", "ERRORS", None]),
        (STATUS, "starts_with", ["shelved"], ["SHELVED", "SHELVED_OFFLOADED"], [None]),
        (STATUS, "glob", ["*size"], ["VERIFY_RESIZE", "RESIZE"], ["RESIZED"]),
        (STATUS, "matches_regex", ["RES"], ["RESIZE", "VERIFY_RESIZE"], ["ERROR"]),
        (STATUS, "not_equal_to", ["error"], ["ACTIVE", None], ["ERROR"]),
        (text("name", ""), "glob", ["a?[!b]*"], ["axc", "a-cde"], ["axb", "Axc", "ax", None]),
        (text("name", ""), "glob", ["a*b"], ["a\nb"], ["xa\nb", "a\nb\n"]),
        (text("name", ""), "matches_regex", ["^b$"], ["b"], ["a\nb", "bb"]),
        (text("name", ""), "is_null", [], [None], [""]),
        (text("name", ""), "any_in", [], [], ["", None]),
        (text("name", ""), "not_any_in", [], ["", None], []),
        (texts("tags", ""), "contains", ["a"], [["b", "a"]], [["ab"], [], None]),
        (texts("tags", ""), "not_equal_to", ["a"], [["b"], [], None], [["a", "b"]]),
        (texts("tags", ""), "not_matches_regex", ["a"], [["b"], None], [["b", "ab"]]),
        (texts("tags", ""), "is_null", [], [[], None], [["a"], [""]]),
        (mapping("m", ""), "is_null", [], [{}, None], [{"a": None}]),
        (mapping("m", ""), "has_key", ["a"], [{"a": None}], [{"b": "a"}, {}, None]),
        (address("ip", ""), "equal_to", ["2001:db8::1"], ["2001:DB8:0::1"], ["2001:db8::2", None]),
        (address("ip", ""), "any_in", ["10.0.0.1", "::1"], ["10.0.0.1", "0::1"], ["", None]),
        (address("ip", ""), "in_cidr", ["10.0.0.7/24"], ["10.0.0.1"], ["10.0.1.1", "::1", "x"]),
        (address("ip", ""), "in_cidr", ["fe80::/10"], ["fe80::1", "FE80::2"], ["10.0.0.1"]),
        (addresses("ips", ""), "in_cidr", ["10.0.0.7"], [["::1", "10.0.0.7"]], [["10.0.0.8"], []]),
        (RAM, "equal_to", ["1GiB"], [1024], [1, None]),
        (RAM, "greater_or_equal", ["1GiB"], [1024, 1025], [1023, None]),
        (RAM, "less_than", [0], [-1], [0, None]),
        (time("at", ""), "equal_to", ["2026-01-02"], ["2026-01-02T00:00:00Z"], [None]),
        (
            time("at", ""),
            "older_than",
            ["1d"],
            ["2026-02-28T11:59:59.9Z"],
            ["2026-02-28T12:00:00Z"],
        ),
        (
            time("at", ""),
            "younger_than",
            ["1d"],
            ["2026-02-28T12:00:00.1Z"],
            ["2026-02-28T12:00:00Z", None],
        ),
        (time("at", ""), "greater_than", [DAY], [f"{DAY}T00:00:00.1Z"], [f"{DAY}T00:00:00Z", None]),
        (time("at", ""), "less_than", [DAY], ["2025-12-31T23:59:59Z"], [f"{DAY}T00:00:00Z", None]),
    ],
)
def test_operators(
    prop: Property, operator: str, given: list[Any], passing: list[Any], failing: list[Any]
) -> None:
    assert [passes(prop, operator, value, *given) for value in passing] == [True] * len(passing)
    assert [passes(prop, operator, value, *given) for value in failing] == [False] * len(failing)


def test_every_operator_fits_something() -> None:
    kinds = ("text", "integer", "boolean", "time", "address", "texts", "addresses", "map")
    fits = {operator for kind in kinds for operator in fitting(kind)}  # type: ignore[arg-type]
    assert fits == {*POSITIVE, *NEGATIVE}


def test_conditions_of_no_parts_and_of_many() -> None:
    name = text("name", "")
    alike = [Test("x", "equal_to", (letter,)) for letter in "abcd"]

    def holds(condition: Any, value: Any) -> bool:
        return compiled(condition, lambda _: (name, 0), NOW)((value,))

    assert holds(all_of(), "a")
    assert not holds(any_of(), "a")
    assert holds(any_of(*alike), "d")
    assert not holds(all_of(*alike), "d")
    # What is missing fails a test, and so passes its negation.
    assert holds(not_(alike[0]), None)
    assert not holds(Not(Not(alike[0])), None)


@pytest.mark.parametrize(
    ("prop", "operator", "given", "says"),
    [
        (RAM, "matches_regex", ["1"], "x is an integer: matches_regex does not fit. These do: eq"),
        (texts("tags", ""), "greater_than", ["a"], "x is a list of texts: greater_than does not"),
        (mapping("m", ""), "equal_to", ["a"], "These do: not_null, has_key, is_null."),
        (boolean("b", ""), "older_than", ["1d"], "x is a boolean: older_than does not fit"),
        (RAM, "equals_to", [1], "'equals_to' is not an operator. Did you mean equal_to"),
        (RAM, "zzz", [1], "'zzz' is not an operator. Known: equal_to, any_in"),
        (RAM, "equal_to", [1, 2], "equal_to takes one value, not 2."),
        (RAM, "greater_than", [], "greater_than takes one value, not 0."),
        (RAM, "is_null", [1], "is_null takes no value, not 1."),
        (RAM, "greater_than", ["much"], "x greater_than: 'much' is not a number of MiB."),
        (text("n", ""), "matches_regex", ["("], "'(' is not a regular expression"),
        (text("n", ""), "matches_regex", ["a" * 1001], "at most 1000 characters"),
        (text("n", ""), "matches_regex", [5], "5 is not a text"),
        (text("n", ""), "contains", [None], "None is not a text"),
        (address("ip", ""), "in_cidr", ["10.0.0.0/33"], "an address range looks like 10.0.0.0/8"),
        (address("ip", ""), "in_cidr", [10], "10 is not a text"),
        (time("at", ""), "older_than", ["1 month"], "neither a duration like 30d or 1h30m nor a"),
    ],
)
def test_tests_that_cannot_be_made(
    prop: Property, operator: str, given: list[Any], says: str
) -> None:
    with pytest.raises(Unfit) as caught:
        passes(prop, operator, None, *given)
    assert says in str(caught.value)


def test_a_message_is_one_safe_line() -> None:
    with pytest.raises(Unfit) as caught:
        passes(RAM, "equal_to", None, "\x1b[31m\n1")
    assert str(caught.value).isprintable()
