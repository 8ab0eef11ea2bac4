"""What operators give to compare with: how it is read, and what is said of what cannot be."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from common.errors import NotFound, UserError
from query_api.execution.query import query
from query_api.language import times
from query_api.language.kinds import value_for
from query_api.language.schema import Property
from query_api.resources.properties import (
    address,
    addresses,
    boolean,
    integer,
    number,
    text,
    texts,
    time,
)
from support.memory_cloud import MemoryCloud

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
TOKYO = timezone(timedelta(hours=9))
RAM = integer("ram", "", unit="MiB")
SIZE = integer("size", "", unit="bytes")
STATUS = text("status", "", case="upper")


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
