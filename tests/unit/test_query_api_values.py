"""What operators give to compare with: how it is read, and what is said of what cannot be."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from query_api import times
from query_api.conditions import Not, Test, all_of, any_of, not_
from query_api.kinds import value_for
from query_api.predicates import Unfit, compiled
from query_api.presets import NEGATIVE, POSITIVE, fitting
from query_api.properties import (
    address,
    addresses,
    boolean,
    integer,
    mapping,
    number,
    text,
    texts,
    time,
)
from query_api.query import query
from query_api.schema import Property
from support.memory_cloud import MemoryCloud
from workflow_api.errors import NotFound, UserError

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
TOKYO = timezone(timedelta(hours=9))
RAM = integer("ram", "", unit="MiB")
SIZE = integer("size", "", unit="bytes")
STATUS = text("status", "", case="upper")


def passes(prop: Property, preset: str, value: Any, *given: Any) -> bool:
    """Return whether a value passes a test of a property."""
    return compiled(Test("x", preset, given), lambda _: (prop, 0), NOW)((value,))


# -- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prop", "given", "value"),
    [
        (RAM, 2048, 2048),
        (RAM, "2048", 2048),
        (RAM, "-1", -1),
        (RAM, "2GiB", 2048),
        (RAM, "2GB", 2048),
        (RAM, "2gib", 2048),
        (RAM, "2 GiB", 2048),
        (RAM, "0.5GiB", 512),
        (RAM, "512KiB", 0.5),
        (RAM, "1048576B", 1),
        (RAM, "1TiB", 1 << 20),
        (SIZE, "10GiB", 10 << 30),
        (SIZE, "1.5KiB", 1536),
        (integer("disk", "", unit="GiB"), "10GiB", 10),
        (integer("disk", "", unit="GiB"), "512MiB", 0.5),
        (number("load", ""), "0.25", 0.25),
        (number("load", ""), 3, 3),
        (boolean("locked", ""), "true", True),
        (boolean("locked", ""), "Yes", True),
        (boolean("locked", ""), "FALSE", False),
        (boolean("locked", ""), False, False),
        (STATUS, "shutoff", "SHUTOFF"),
        (text("mood", "", case="lower"), "Calm", "calm"),
        (text("name", ""), "Web 1 ", "Web 1 "),
        (texts("tags", ""), "", ""),
        (address("ip", ""), "2001:DB8:0:0::1", "2001:db8::1"),
        (addresses("ips", ""), "10.0.0.1", "10.0.0.1"),
        (time("at", ""), "2026-01-02", "2026-01-02T00:00:00Z"),
        (time("at", ""), date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (time("at", ""), datetime(2026, 1, 2, 12, tzinfo=TOKYO), "2026-01-02T03:00:00Z"),
        (time("at", ""), datetime(2026, 1, 2, 12), "2026-01-02T12:00:00Z"),
    ],
)
def test_values(prop: Property, given: Any, value: Any) -> None:
    found = value_for(prop, given)
    assert (found, isinstance(found, bool)) == (value, isinstance(value, bool))


@pytest.mark.parametrize(
    ("prop", "given", "says"),
    [
        (RAM, "much", "'much' is not a number of MiB"),
        (RAM, "10 apples", "is not a number of MiB"),
        (RAM, "GiB", "is not a number of MiB"),
        (RAM, "", "'' is not a number of MiB"),
        (RAM, "1e3", "is not a number of MiB"),
        (RAM, True, "True is not a number"),
        (RAM, None, "None is not a number"),
        (RAM, float("nan"), "nan is not a number"),
        (number("load", ""), float("inf"), "inf is not a number"),
        (number("load", ""), "inf", "'inf' is not a number"),
        (integer("vcpus", ""), "2GiB", "'2GiB' is not a number"),
        (integer("took", "", unit="seconds"), "1GiB", "is not a number of seconds"),
        (boolean("locked", ""), "maybe", "'maybe' is neither true nor false"),
        (boolean("locked", ""), 1, "1 is neither true nor false"),
        (text("name", ""), 5, "5 is not a text"),
        (text("name", ""), None, "None is not a text"),
        (texts("tags", ""), ["a"], "is not a text"),
        (address("ip", ""), "10.0.0", "'10.0.0' is not an IP address"),
        (address("ip", ""), "10.0.0.1/24", "is not an IP address"),
        (addresses("ips", ""), "web", "is not an IP address"),
        (time("at", ""), "yesterday", "'yesterday' is not a time like 2026-01-02T03:04:05Z"),
        (time("at", ""), "2026-02-30", "is not a time"),
        (time("at", ""), "2026-01-02T25:00:00Z", "is not a time"),
        (time("at", ""), "2026-01-02x03:04:05", "is not a time"),
        (time("at", ""), "30d", "is not a time"),
        (time("at", ""), "", "is not a time"),
        (time("at", ""), 1767323045, "1767323045 is not a text"),
    ],
)
def test_values_that_are_none(prop: Property, given: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        value_for(prop, given)
    assert says in str(caught.value)


# -- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "normal"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.000000", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.120000Z", "2026-01-02T03:04:05.12Z"),
        ("2026-01-02T03:04:05.1", "2026-01-02T03:04:05.1Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05z", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T12:04:05+09:00", "2026-01-02T03:04:05Z"),
        ("2026-01-01T22:04:05.5-05:00", "2026-01-02T03:04:05.5Z"),
        ("2026-01-02T03:04", "2026-01-02T03:04:00Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_have_one_form(said: str, normal: str) -> None:
    assert times.normal(said) == normal
    assert times.column([said, None, ""]) == [normal, None, None]
    assert times.normal(normal) == normal


def test_times_sort_as_the_instants_do() -> None:
    ordered = ["04.999999", "05", "05.000001", "05.1", "05.12", "05.2", "06"]
    said = [times.sortable(f"2026-01-02T03:04:{second}Z") for second in ordered]
    assert sorted(said) == said


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("30d", "2026-01-30T12:00:00"),
        ("1h30m", "2026-03-01T10:30:00"),
        ("1.5d", "2026-02-28T00:00:00"),
        ("0.5s", "2026-03-01T11:59:59.5"),
        ("2026-01-02", "2026-01-02T00:00:00"),
        ("2026-01-02T12:00:00+09:00", "2026-01-02T03:00:00"),
        (date(2026, 1, 2), "2026-01-02T00:00:00"),
        (datetime(2026, 1, 2, 12, tzinfo=TOKYO), "2026-01-02T03:00:00"),
        (datetime(2026, 1, 2, 12), "2026-01-02T12:00:00"),
    ],
)
def test_ages_and_moments(given: Any, moment: str) -> None:
    assert times.cutoff(given, NOW) == moment


@pytest.mark.parametrize("given", ["30", "a month", "", 30, None, "2026-13-01", "9000w"])
def test_what_is_neither_an_age_nor_a_moment(given: Any) -> None:
    with pytest.raises(ValueError, match=r"neither a duration|is not a time|never|no calendar"):
        times.cutoff(given, datetime(100, 1, 1, tzinfo=timezone.utc))


# -- presets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prop", "preset", "given", "passing", "failing"),
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
        (time("at", ""), "younger_than", ["1d"], ["2026-02-28T12:00:00.1Z"], [None]),
    ],
)
def test_presets(
    prop: Property, preset: str, given: list[Any], passing: list[Any], failing: list[Any]
) -> None:
    assert [passes(prop, preset, value, *given) for value in passing] == [True] * len(passing)
    assert [passes(prop, preset, value, *given) for value in failing] == [False] * len(failing)


def test_every_preset_fits_something() -> None:
    kinds = ("text", "integer", "boolean", "time", "address", "texts", "addresses", "map")
    fits = {preset for kind in kinds for preset in fitting(kind)}  # type: ignore[arg-type]
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
    ("prop", "preset", "given", "says"),
    [
        (RAM, "matches_regex", ["1"], "x is an integer: matches_regex does not fit. These do: eq"),
        (texts("tags", ""), "greater_than", ["a"], "x is a list of texts: greater_than does not"),
        (mapping("m", ""), "equal_to", ["a"], "These do: not_null, has_key, is_null."),
        (boolean("b", ""), "older_than", ["1d"], "x is a boolean: older_than does not fit"),
        (RAM, "equals_to", [1], "'equals_to' is not a preset. Did you mean equal_to"),
        (RAM, "zzz", [1], "'zzz' is not a preset. Known: equal_to, any_in"),
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
    prop: Property, preset: str, given: list[Any], says: str
) -> None:
    with pytest.raises(Unfit) as caught:
        passes(prop, preset, None, *given)
    assert says in str(caught.value)


def test_a_message_is_one_safe_line() -> None:
    with pytest.raises(Unfit) as caught:
        passes(RAM, "equal_to", None, "\x1b[31m\n1")
    assert str(caught.value).isprintable()


# -- queries -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: query("servr"), "Did you mean server"),
        (lambda: query("server").where("stats", "equal_to", "x"), "Did you mean status or"),
        (lambda: query("server").where("user.emial", "is_null"), "Did you mean email?"),
        (lambda: query("server").where("user", "is_null"), "say which property, as user.id."),
        (lambda: query("server").where("status.name", "is_null"), "no property 'status.name'"),
        (lambda: query("server").where("status", "equals", "x"), "Did you mean equal_to"),
        (lambda: query("server").where("status", "older_than", "1d"), "status is a text"),
        (lambda: query("server").select("nmae"), "Did you mean name"),
        (lambda: query("server").sort_by("-tags"), "tags is a list of texts"),
        (lambda: query("server").group_by("metadata"), "metadata is a map"),
        (lambda: query("server").aggregate("sum", "name"), "name is a text: it has no sum."),
        (lambda: query("server").aggregate("mean", "name"), "'mean' is not an aggregate"),
        (lambda: query("server").aggregate("sum"), "sum wants a property"),
        (lambda: query("server").count().select("name"), "Leave select and join out"),
        (lambda: query("server").count().sort_by("name"), "Sort by count."),
        (lambda: query("server").then("owner"), "servers do not lead to 'owner'."),
        (lambda: query("server").then("projekt"), "Did you mean project?"),
        (lambda: query("server").select("name").then("user"), "before columns are chosen"),
        (lambda: query("server").append_from("users", "email"), "Did you mean user.email?"),
        (lambda: query("server").limit(-1), "limit is a whole number"),
        (lambda: query("server").limit(2.5), "limit is a whole number"),  # type: ignore[arg-type]
        (lambda: query("server").limit("3"), "limit is a whole number"),  # type: ignore[arg-type]
    ],
)
def test_queries_are_checked_before_anything_is_asked(ask: Any, says: str) -> None:
    cloud = MemoryCloud({})
    with pytest.raises((UserError, NotFound)) as caught:
        ask().run([cloud], now=NOW)
    assert says in str(caught.value)
    assert cloud.requests == []
