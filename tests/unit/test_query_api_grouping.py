"""The languages of groups, ranges and aggregates, and the ranges that values fall into."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from common.duration import Duration
from common.errors import UserError
from query_api.execution.query import query
from query_api.language.grouping import (
    FUNCTIONS,
    Aggregate,
    Group,
    Range,
    group,
    parse_aggregate,
    parse_group_by,
    range_of,
    typed,
    unparse_aggregate,
    unparse_group_by,
)


def without_places(groups: list[Group]) -> list[Group]:
    return [
        Group(g.path, tuple(Range(r.name, r.low, r.high) for r in g.ranges), None) for g in groups
    ]


def aggregates(text: str) -> list[Aggregate]:
    return [Aggregate(one.function, one.path) for one in parse_aggregate(text)]


# -- groups --------------------------------------------------------------------------------------

SIZES = group("flavor.ram", small=(None, "2047"), medium=("2048", "8191"), large=("8192", None))
AGES = group("updated_at", fresh=(None, "7d"), old=("30d", None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n", []),
        ("project_id, status", [Group("project_id"), Group("status")]),
        ("project_id;status", [Group("project_id"), Group("status")]),
        ("flavor.ram: small ..2047, medium 2048..8191, large 8192..", [SIZES]),
        ("flavor.ram :small ..2047,medium 2048..8191,large 8192..", [SIZES]),
        ("updated_at: fresh ..7d, old 30d..; status", [AGES, Group("status")]),
        ("status, updated_at: fresh ..7d, old 30d..", [Group("status"), AGES]),
        ("flavor.extra_specs.hw:cpu_policy", [Group("flavor.extra_specs.hw:cpu_policy")]),
        ('metadata."a, b": x 1..1', [Group("metadata.a, b", (Range("x", "1", "1"),))]),
        ("'ends:': x 1..1", [Group("ends:", (Range("x", "1", "1"),))]),
        ("load: 'not much' 0.5..1.5", [Group("load", (Range("not much", "0.5", "1.5"),))]),
        ("t: x 2026-01-02T03:04:05Z..", [Group("t", (Range("x", "2026-01-02T03:04:05Z"),))]),
        ("t: x 'a b'..\"c..\"", [Group("t", (Range("x", "a b", "c.."),))]),
        ("t: x -5..-1", [Group("t", (Range("x", "-5", "-1"),))]),
    ],
)
def test_what_to_group_by(text: str, expected: list[Group]) -> None:
    assert without_places(parse_group_by(text)) == expected


def test_groups_and_ranges_know_their_places() -> None:
    text = "status; ram: small ..1, 'large' 2.."
    status, ram = parse_group_by(text)
    assert [status.at, ram.at, *(one.at for one in ram.ranges)] == [0, 8, 13, 24]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,¶", "the name of a property is missing at the end"),
        ("a, ¶, b", "the name of a property is missing before ','"),
        ("a ¶b", "a comma or ; is missing before 'b'"),
        ("a, b, ¶a", "'a' is there twice"),
        ("¶(a)", "the name of a property is missing before '('"),
        ("¶a:small ..3", "a space is missing after the colon"),
        ("a:¶", "the name of a range, as in small ..2047, is missing at the end"),
        ("a: ¶x", "'x' has no range: write low..high"),
        ("a: ¶x 5", "'x' has no range"),
        ("a: ¶x 3 ..5", "'x' has no range"),
        ("a: x ..3, ¶status", "a ; comes before the next property"),
        ("a: ¶2048..8191", "a range has a name and a space before it"),
        ("a: ¶..8191", "a range has a name and a space before it"),
        ("a: 2048 ¶.. 8191", "range '2048' has no end"),
        ("a: x 2048.. ¶8191", "a comma or ; is missing before '8191'"),
        ("a: x ¶1...5", "a range is low..high"),
        ("a: x ¶1..2..3", "a range is low..high"),
        ("a: x ..3, ¶x 4..", "there are two ranges called 'x'"),
        ("a: x ¶'3..", "the quote ' is not closed"),
        ("a: x ..3, ¶\u201cy\u201d 4..", "is not a quote here"),
        ("a, b¶\x00", "a control or invisible character (U+0000)"),
    ],
)
def test_errors_in_groups_point_at_the_word(text: str, message: str) -> None:
    at, text = text.index("¶"), text.replace("¶", "")
    with pytest.raises(UserError) as error:
        parse_group_by(text)
    assert str(error.value).startswith(f"At character {at + 1}: ")
    assert message in str(error.value)


# -- ranges of typed values ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name"),
    [(-1, "small"), (2047, "small"), (2048, "medium"), (8191, "medium"), (8192, "large"),
     (10**9, "large"), (None, None)],
)  # fmt: skip
def test_a_value_lies_in_its_range(value: int | None, name: str | None) -> None:
    assert range_of(typed(SIZES, int))(value) == name


def test_what_lies_in_no_range_is_other_than_what_is_missing() -> None:
    name = range_of(typed(AGES, Duration.parse))
    days = 86400.0
    assert [name(n * days) for n in (0, 7, 7.1, 29.9, 30)] == [
        "fresh",
        "fresh",
        "other",
        "other",
        "old",
    ]
    assert name(None) is None
    only = range_of(group("a", some=(2, 3)))
    assert [only(n) for n in (1, 2, 3, 4)] == ["other", "some", "some", "other"]


def test_a_shared_end_is_the_lower_ranges_where_ranges_may_touch() -> None:
    loads = group("load", high=(1.0, None), none=(0.0, 0.0), low=(0.0, 1.0))
    with pytest.raises(UserError, match="overlap"):
        typed(loads, float)
    name = range_of(typed(loads, float, touching=True))
    assert [name(n) for n in (0.0, 0.5, 1.0, 1.5)] == ["none", "low", "low", "high"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: x ..5, ¶y 5..", "ranges 'x' (..5) and 'y' (5..) overlap; ends are included"),
        ("a: y 5.., ¶x ..5", "ranges 'x' (..5) and 'y' (5..) overlap"),
        ("a: x ..5, ¶y ..9", "overlap"),
        ("a: x 5.., ¶y 10..", "overlap"),
        ("a: x 1..10, ¶y 4..5, z 20..", "overlap"),
        ("a: x 100..200, ¶y 20..150", "ranges 'y' (20..150) and 'x' (100..200) overlap"),
        ("a: x 1..2, ¶y 10..9", "range 'y' (10..9) runs backwards"),
        ("a: x 1..2, ¶y 3..many", "range 'y' (3..many): invalid literal for int()"),
    ],
)
def test_ranges_that_are_none_are_pointed_at(text: str, message: str) -> None:
    at, text = text.index("¶"), text.replace("¶", "")
    with pytest.raises(UserError) as error:
        typed(parse_group_by(text)[0], int)
    assert str(error.value).startswith(f"At character {at + 1}: ")
    assert message in str(error.value)


def test_without_a_text_there_is_only_the_message() -> None:
    with pytest.raises(UserError) as error:
        typed(group("a", x=(1, 5), y=(5, 9)), int)
    assert str(error.value) == "ranges 'x' (1..5) and 'y' (5..9) overlap; ends are included"


numbers = st.none() | st.integers(0, 12)
spans = st.tuples(numbers, numbers).filter(lambda pair: pair != (None, None))


@given(st.lists(spans, max_size=4))
def test_ranges_are_taken_if_each_value_lies_in_one_at_most(
    given_spans: list[tuple[int | None, int | None]],
) -> None:
    made = Group("a", tuple(Range(f"r{n}", *span) for n, span in enumerate(given_spans)))
    held = {
        value: [
            one.name
            for one in made.ranges
            if (one.low is None or one.low <= value) and (one.high is None or value <= one.high)
        ]
        for value in range(-1, 14)
    }
    forward = all(None in (low, high) or low <= high for low, high in given_spans)
    if not forward or any(len(names) > 1 for names in held.values()):
        with pytest.raises(UserError):
            typed(made, int)
        return
    name = range_of(typed(made, int))
    assert {value: [name(value)] for value in held} == {v: n or ["other"] for v, n in held.items()}
    renamed = Group(
        "a", (*made.ranges[:-1], *(Range("other", r.low, r.high) for r in made.ranges[-1:]))
    )
    if made.ranges and all(held.values()):
        typed(renamed, int)
    elif made.ranges:
        with pytest.raises(UserError, match="other is what values in no range are called"):
            typed(renamed, int)


def test_a_range_is_called_other_only_where_nothing_else_is() -> None:
    whole = group("a", small=(None, 2047), other=(2048, None))
    assert [range_of(typed(whole, int))(n) for n in (2047, 2048, None)] == ["small", "other", None]
    with pytest.raises(UserError, match="other is what values in no range"):
        typed(whole, float, touching=True)
    typed(group("a", small=(None, 1.5), other=(1.5, None)), float, touching=True)
    text = "a: small ..5, other 7.."
    with pytest.raises(UserError, match="At character 15: other is what values in no range"):
        typed(parse_group_by(text)[0], int)


def test_the_types_refuse_what_the_language_refuses() -> None:
    with pytest.raises(UserError, match="neither a low nor a high end"):
        group("a", x=(None, None))
    with pytest.raises(UserError, match="two ranges called 'x'"):
        Group("a", (Range("x", 1), Range("x", 2)))
    with pytest.raises(UserError, match="wants a name"):
        Range("", 1)
    with pytest.raises(UserError, match="'median' is not an aggregate"):
        Aggregate("median", "a")
    with pytest.raises(UserError, match="sum wants a property"):
        Aggregate("sum")


# -- aggregates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("count", [Aggregate("count")]),
        ("COUNT(*), count()", None),
        ("count *", [Aggregate("count")]),
        ("Count ( )", [Aggregate("count")]),
        ("count, count(host)", [Aggregate("count"), Aggregate("count", "host")]),
        (
            "count, sum flavor.vcpus, avg(flavor.ram)",
            [Aggregate("count"), Aggregate("sum", "flavor.vcpus"), Aggregate("avg", "flavor.ram")],
        ),
        ("min metadata.'a b'", [Aggregate("min", "metadata.a b")]),
        ('max("x,y")', [Aggregate("max", "x,y")]),
    ],
)  # fmt: skip
def test_aggregates(text: str, expected: list[Aggregate] | None) -> None:
    if expected is None:
        with pytest.raises(UserError, match="count is there twice"):
            parse_aggregate(text)
    else:
        assert aggregates(text) == expected


def test_aggregates_know_their_places() -> None:
    assert [one.at for one in parse_aggregate("count,  sum a")] == [0, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("¶median x", "'median' is not an aggregate: there are count, sum, min, max, avg"),
        ("count, ¶sum", "sum wants a property, as in sum flavor.vcpus"),
        ("¶sum()", "sum wants a property"),
        ("¶avg(*)", "avg wants a property"),
        ("sum¶(a", "this ( is not closed"),
        ("sum¶(a b)", ") is missing"),
        ("sum a ¶b", "a comma is missing before 'b'"),
        ("sum a ¶)", "a comma is missing before ')'"),
        ("count,¶", "an aggregate is missing at the end"),
        ("count, ¶,", "an aggregate is missing before ','"),
        ("sum a, ¶sum(a)", "sum a is there twice"),
        ("sum ¶'a", "the quote ' is not closed"),
        ("sum ¶''", "the name of a property cannot be empty"),
        ("sum a¶\u200b", "a control or invisible character (U+200B)"),
    ],
)
def test_errors_in_aggregates_point_at_the_word(text: str, message: str) -> None:
    at, text = text.index("¶"), text.replace("¶", "")
    with pytest.raises(UserError) as error:
        parse_aggregate(text)
    assert str(error.value).startswith(f"At character {at + 1}: ")
    assert message in str(error.value)


def test_an_aggregate_that_does_not_fit_its_kind_is_pointed_at() -> None:
    text = "count,  sum metadata.owner"
    asked = replace(query("server"), aggregates=tuple(parse_aggregate(text)))
    with pytest.raises(UserError) as error:
        asked.run([])
    message = "At character 9: metadata.owner is a text: it has no sum."
    assert str(error.value).splitlines() == [message, f"  {text}", " " * 10 + "^"]
    with pytest.raises(UserError, match=r"^metadata.owner is a text: it has no sum\.$"):
        query("server").aggregate("sum", "metadata.owner").run([])


# -- there and back, and hostile texts -----------------------------------------------------------

tricky = st.sampled_from(
    ["*", ":", "a:", "..", ".", "1.", ".5", "a..b", "x y", '"', "'", "a,b", ";"]
)
visible = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
names = st.text(visible, min_size=1, max_size=6) | tricky
ends = st.none() | names | st.just("")


@st.composite
def ranges(draw: st.DrawFn) -> tuple[Range, ...]:
    called = draw(st.lists(names, max_size=3, unique=True))
    both = st.tuples(ends, ends).filter(lambda pair: pair != (None, None))
    return tuple(Range(name, *draw(both)) for name in called)


@pytest.mark.long
@given(st.lists(st.builds(Group, names, ranges()), max_size=3, unique_by=lambda g: g.path))
def test_groups_that_are_written_are_read_back(groups: list[Group]) -> None:
    assert without_places(parse_group_by(unparse_group_by(groups))) == groups


@given(
    st.lists(
        st.builds(Aggregate, st.sampled_from(sorted(FUNCTIONS)), names)
        | st.just(Aggregate("count")),
        max_size=3,
        unique=True,
    )
)
def test_aggregates_that_are_written_are_read_back(given_aggregates: list[Aggregate]) -> None:
    assert aggregates(unparse_aggregate(given_aggregates)) == given_aggregates


def test_they_are_written_as_one_would_type_them() -> None:
    text = 'status; flavor.ram: small ..2047, "very large" 8192..; updated_at: old 1.5d..30d'
    assert unparse_group_by(parse_group_by(text)) == text
    assert unparse_aggregate(parse_aggregate("count(*),sum(a.b)")) == "count, sum a.b"
    assert unparse_group_by([group("a", x=(1, 2.5))]) == "a: x 1..2.5"


fragments = st.sampled_from(
    ["a", "b.c", ":", ": ", "..", ".", ",", ";", "(", ")", "*", "'", '"', "sum", "count", "5", "\n"]
)


@given(st.lists(fragments, max_size=14), st.sampled_from(["", " "]))
def test_any_text_is_understood_or_a_user_error(parts: list[str], between: str) -> None:
    text = between.join(parts)
    groups, found = list[Group](), list[Aggregate]()
    with contextlib.suppress(UserError):
        groups = without_places(parse_group_by(text))
    with contextlib.suppress(UserError):
        found = aggregates(text)
    assert without_places(parse_group_by(unparse_group_by(groups))) == groups
    assert aggregates(unparse_aggregate(found)) == found


@given(st.text())
def test_nothing_but_user_errors(text: str) -> None:
    for parse in (parse_group_by, parse_aggregate):
        with contextlib.suppress(UserError):
            parse(text)


MEGABYTE = 1_000_000


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    ["a" + ":" * MEGABYTE, "a: x " + "." * MEGABYTE, "a, " + "a:" * (MEGABYTE // 2) + " x",
     "sum" + "(" * MEGABYTE, "x" * MEGABYTE + "!", ";" * MEGABYTE, "sum " + "a." * MEGABYTE + "!",
     "a: " + "x" * MEGABYTE, "a: x '" + "'" * MEGABYTE],
    ids=range(9),
)  # fmt: skip
def test_a_megabyte_is_refused_soon_and_briefly(text: str) -> None:
    parsers: list[Any] = [parse_group_by, parse_aggregate]
    for parse in parsers:
        began = time.process_time()
        with pytest.raises(UserError) as error:
            parse(text)
        assert time.process_time() - began < 5
        assert len(str(error.value)) < 700
