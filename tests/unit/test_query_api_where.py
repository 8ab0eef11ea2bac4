"""The language of conditions: what it says, what it points at, and that nothing else comes out."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import UserError
from query_api.language.conditions import (
    All,
    Any_,
    Condition,
    Not,
    Test,
    Typed,
    all_of,
    any_of,
    test,
)
from query_api.language.conditions import tests as each_of
from query_api.language.operator_names import ALIASES, ARITY, FOR_MANY
from query_api.language.where import parse, pointed, unparse


def without_places(condition: Condition) -> Condition:
    if isinstance(condition, Test):
        return Test(condition.path, condition.operator, condition.values)
    if isinstance(condition, Not):
        return Not(without_places(condition.part))
    return type(condition)(tuple(map(without_places, condition.parts)))


def said(text: str) -> Condition:
    return without_places(parse(text))


A, B, C = (test(name, "equal_to", "1") for name in "abc")

# -- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status equal_to ACTIVE", test("status", "equal_to", "ACTIVE")),
        ("status EQUAL_TO ACTIVE", test("status", "equal_to", "ACTIVE")),
        ("status=ACTIVE", test("status", "equal_to", "ACTIVE")),
        ("status == ACTIVE", test("status", "equal_to", "ACTIVE")),
        ("status!=ACTIVE", test("status", "not_equal_to", "ACTIVE")),
        ("status <> ACTIVE", test("status", "not_equal_to", "ACTIVE")),
        ("ram<2048", test("ram", "less_than", "2048")),
        ("ram <=2048", test("ram", "less_or_equal", "2048")),
        ("ram> 2048", test("ram", "greater_than", "2048")),
        ("ram>=2048", test("ram", "greater_or_equal", "2048")),
        ("name~^web", test("name", "matches_regex", "^web")),
        ("name !~ ^web", test("name", "not_matches_regex", "^web")),
        ("status in(A,B)", test("status", "any_in", "A", "B")),
        ("status IN ( A , B )", test("status", "any_in", "A", "B")),
        ("status any_in A", test("status", "any_in", "A")),
        ("status not in (A, B)", test("status", "not_any_in", "A", "B")),
        ("status Not  Any_In (A, B)", test("status", "not_any_in", "A", "B")),
        ("status not equal_to A", test("status", "not_equal_to", "A")),
        ("status equal_to (A)", test("status", "equal_to", "A")),
        ("host is_null", test("host", "is_null")),
        ("host is null", test("host", "is_null")),
        ("host IS NOT NULL", test("host", "not_null")),
        ("host not null", test("host", "not_null")),
        ("updated_at older_than 30d", test("updated_at", "older_than", "30d")),
        ("created_at > 2026-01-02T03:04:05Z",
         test("created_at", "greater_than", "2026-01-02T03:04:05Z")),
        ("addresses in_cidr 10.0.0.0/8", test("addresses", "in_cidr", "10.0.0.0/8")),
        ("addresses has_tag fe80::1", test("addresses", "has_tag", "fe80::1")),
        ("a=b=c", test("a", "equal_to", "b=c")),
        ("name = O'Brien", test("name", "equal_to", "O'Brien")),
        ("name = null-host", test("name", "equal_to", "null-host")),
        ("name = android", test("name", "equal_to", "android")),
        ('name = "and"', test("name", "equal_to", "and")),
        ("name = ''", test("name", "equal_to", "")),
        ("name contains ' a, (b) '", test("name", "contains", " a, (b) ")),
        ('name ~ "^a\\.b\\d+\\"', test("name", "matches_regex", "^a\\.b\\d+\\")),
        ('name = "say ""hi"""', test("name", "equal_to", 'say "hi"')),
        ("name = 'it''s \"x\"'", test("name", "equal_to", "it's \"x\"")),
        ("name\u00a0=\u00a0x", test("name", "equal_to", "x")),
        ("\n name =\n\tx\r\n", test("name", "equal_to", "x")),
        ("名前 = 値", test("名前", "equal_to", "値")),
    ],
)  # fmt: skip
def test_a_test(text: str, expected: Condition) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("metadata.owner is null", "metadata.owner"),
        ("flavor.extra_specs.hw:cpu_policy=1", "flavor.extra_specs.hw:cpu_policy"),
        ("a_b-c*d@e/f=1", "a_b-c*d@e/f"),
        ('metadata."my key" = 1', "metadata.my key"),
        ('metadata."my "" key".x = 1', 'metadata.my " key.x'),
        ("'metadata.my key' = 1", "metadata.my key"),
        ('"not" = 1', "not"),
        ("andy = 1", "andy"),
        ("or-1 = 1", "or-1"),
        ("in in (1)", "in"),
        ("true is null", "true"),
    ],
)
def test_names_of_properties(text: str, path: str) -> None:
    (found,) = each_of(parse(text))
    assert found.path == path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", All(())),
        (" \n\t ", All(())),
        ("true", All(())),
        ("False", Any_(())),
        ("a=1 and b=1 and c=1", all_of(A, B, C)),
        ("a=1 or b=1 or c=1", any_of(A, B, C)),
        ("a=1 or b=1 and c=1", any_of(A, all_of(B, C))),
        ("a=1 and b=1 or c=1", any_of(all_of(A, B), C)),
        ("(a=1 or b=1)and(c=1)", all_of(any_of(A, B), C)),
        ("(a=1 and b=1) and c=1", all_of(all_of(A, B), C)),
        ("not a=1 and b=1", all_of(Not(A), B)),
        ("not(a=1 AND b=1)", Not(all_of(A, B))),
        ("NOT not ((a=1))", Not(Not(A))),
        ("true and (false)", all_of(All(()), Any_(()))),
        ('not"a"=1 or"b"=1', any_of(Not(A), B)),
    ],
)
def test_conditions(text: str, expected: Condition) -> None:
    assert said(text) == expected


def test_each_test_knows_its_place() -> None:
    text = 'a=1 and not ( "b" = 1 or  c=1)'
    assert [one.at for one in each_of(parse(text))] == [0, 14, 26]
    assert [text[one.at or 0] for one in each_of(parse(text))] == ["a", '"', "c"]


def test_each_operator_and_value_knows_its_place_too() -> None:
    text = "a >  1 and b  Not  in ( x,'y' , z) or c is  null"
    places = [one.typed for one in each_of(parse(text))]
    assert places == [Typed(">", 2, (5,)), Typed("Not in", 14, (24, 26, 32)), Typed("is null", 40)]


def test_many_values() -> None:
    ids = [f"id-{number}" for number in range(30_000)]
    assert said(f"id in ({','.join(ids)})") == test("id", "any_in", *ids)


@pytest.mark.parametrize("operator", ARITY)
def test_every_operator_takes_what_it_takes(operator: str) -> None:
    typed, taken = {"none": ("", ()), "one": ("x", ("x",)), "many": ("(x, y)", ("x", "y"))}[
        ARITY[operator]
    ]
    assert said(f"p {operator} {typed}") == test("p", operator, *taken)


def test_the_names_are_those_of_operators() -> None:
    assert {*ALIASES.values(), *FOR_MANY, *FOR_MANY.values()} <= ARITY.keys()
    assert {*ARITY.values()} == {"none", "one", "many"}
    assert {ARITY[name] for name in FOR_MANY.values()} == {"many"}


# -- what it points at ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("status ¶anyin (A)", "'anyin' is not an operator; did you mean any_in"),
        ("a=1 or status ¶qqq 1", "the operators are equal_to, not_equal_to"),
        ("a ¶is ACTIVE", "'is ACTIVE' is not an operator; did you mean = or is null?"),
        ("a ¶not contains x", "there is no 'not contains': write not before the property"),
        ("a ¶not x", "'not x' is not an operator"),
        ("a ¶! x", "'!' is not an operator"),
        ("a ¶(x)", "'(' is not an operator"),
        ("a¶", "'a' wants an operator"),
        ("a ¶and b=1", "'a' wants an operator"),
        ("a ¶=", "= wants a value"),
        ("a ¶contains", "contains wants a value"),
        ("a = ¶and b = 1", "'and' is a reserved word: quote it if it is the value"),
        ("a in (x, ¶OR)", "'OR' is a reserved word: quote it"),
        ("a = ¶null", "quote it if it is the value, or write is_null or not_null"),
        ("(a = ¶)", "= wants a value before ')'"),
        ("a in (¶)", "in wants a value before ')'"),
        ("a in (x, ¶)", "in wants a value before ')'"),
        ("a in (¶, x)", "in wants a value before ','"),
        ("a =¶> 5", "a value that starts so is quoted"),
        ("a is_null ¶x", "'x' is too much: is_null takes no value"),
        ("a is null ¶(x)", "is null takes no value"),
        ("a = x ¶y", "'y' is too much: = takes one value"),
        ("a = x ¶b = 1", "join conditions with and, or"),
        ("a ~ ^web-¶(x|y)", "quote one with white space, commas or parentheses"),
        ("a = (x, ¶y)", "= takes one value; did you mean any_in?"),
        ("a != (x, ¶y)", "!= takes one value; did you mean not_any_in?"),
        ("a > (x, ¶y)", "'y' is too much: > takes one value"),
        ("a in x¶, y", "put several values in parentheses: (A, B)"),
        ("a in (x ¶y)", "a comma or ) is missing before 'y'"),
        ("a in ¶(x", "this ( is not closed"),
        ("a in ¶(x,", "this ( is not closed"),
        ("b=1 and ¶(a=1", "this ( is not closed"),
        ("(a=1) ¶b=1", "'b=1' is left over"),
        ("a=1¶)", "this ) closes nothing"),
        ("a in (x)¶)", "this ) closes nothing"),
        ("(¶)", "a property's name is wanted before ')'"),
        ("a=1 ¶and", "a condition is missing after 'and'"),
        ("(a=1 ¶OR )", "a condition is missing after 'or'"),
        ("¶not", "a condition is missing after 'not'"),
        ("a=1 and ¶and b=1", "a property's name is wanted before 'and'; quote it"),
        ("¶or = 1", "a property's name is wanted before 'or'; quote it"),
        ("¶= 1", "a property's name is wanted before '='"),
        ("a = ¶'x", "the quote ' is not closed"),
        ('a = ¶"x""', 'the quote " is not closed'),
        ("metadata.¶'x = 1", "the quote ' is not closed"),
        ("¶'' = 1", "the name of a property cannot be empty"),
        ("a = ¶\u201cx\u201d", "is not a quote here"),
        ("¶\u2018a\u2019 = x", "is not a quote here"),
        ("a = x¶\u200by", "a control or invisible character (U+200B)"),
        ("a = ¶\x1b[31m", "a control or invisible character (U+001B)"),
        ("a = 'x¶\ty'", "a quoted text holds no tabs and no line breaks"),
        ("a" * 200 + " ¶xx", "'xx' is not an operator"),
    ],
)  # fmt: skip
def test_errors_point_at_the_word(text: str, message: str) -> None:
    at, text = text.index("¶"), text.replace("¶", "")
    with pytest.raises(UserError) as error:
        parse(text)
    first, line, caret = str(error.value).split("\n")
    assert first.startswith(f"At character {at + 1}: ")
    assert message in first
    seen, wanted = line[caret.index("^") :][:1], text[at : at + 1]
    assert seen == (wanted if wanted.isprintable() else " " if wanted == "\t" else "\ufffd")


def test_a_long_word_makes_a_short_message() -> None:
    with pytest.raises(UserError) as error:
        parse("a " + "x" * 1000 + " y")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("a = 1", None, "No."),
        ("a = 1", 4, "At character 5: No.\n  a = 1\n      ^"),
        ("a = 1", 5, "At character 6: No.\n  a = 1\n       ^"),
        ("a = 1", 99, "At character 6: No.\n  a = 1\n       ^"),
        ("名前 = 1", 3, "At character 4: No.\n  名前 = 1\n       ^"),
        ("a = 1\nand b 2", 10, "At line 2, character 5: No.\n  and b 2\n      ^"),
        ("", 0, "At character 1: No.\n  \n  ^"),
        ("\x1b[0m", 1, "At character 2: No.\n  \ufffd[0m\n   ^"),
    ],
)
def test_pointed(text: str, at: int | None, expected: str) -> None:
    assert pointed(text, at, "No.") == expected


@given(st.integers(0, 500), st.integers(0, 500))
def test_of_a_long_line_the_place_is_shown(before: int, after: int) -> None:
    text = "b" * before + "X" + "a" * after
    _, line, caret = pointed(text, before, "No.").split("\n")
    assert line[caret.index("^")] == "X"
    assert len(line) <= 80


# -- there and back ------------------------------------------------------------------------------

visible = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
tricky = st.sampled_from(
    ["and", "OR", "not", "null", "true", "", "a b", "'", '"', "\"'", "\\", "a,b", "(", "=x", "a.b"]
)
values = st.text(visible, max_size=8) | tricky
paths = st.text(visible, min_size=1, max_size=8) | tricky.filter(bool)


@st.composite
def single(draw: st.DrawFn) -> Condition:
    operator = draw(st.sampled_from(sorted(ARITY)))
    least, most = {"none": (0, 0), "one": (1, 1), "many": (1, 3)}[ARITY[operator]]
    given_values = draw(st.lists(values, min_size=least, max_size=most))
    return test(draw(paths), operator, *given_values)


def compound(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, max_size=3)
    return (
        several.map(lambda parts: all_of(*parts))
        | several.map(lambda parts: any_of(*parts))
        | inner.map(Not)
    )


conditions = st.recursive(single(), compound, max_leaves=10)


@given(conditions)
@example(All(()))
@example(any_of(all_of(A, B), any_of(B, C), Not(all_of(A, any_of()))))
def test_what_is_written_is_read_back(condition: Condition) -> None:
    assert said(unparse(condition)) == condition


def test_it_is_written_as_one_would_type_it() -> None:
    condition = parse(
        "status in (SHUTOFF,ERROR)and(not updated_at>30d or metadata.owner is null) and a~'^a b'"
    )
    assert unparse(condition) == (
        "status any_in (SHUTOFF, ERROR) and (not updated_at greater_than 30d or metadata.owner"
        ' is_null) and a matches_regex "^a b"'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "p equal_to 5"),
        (True, "p equal_to true"),
        (None, "p equal_to null"),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "p equal_to 2026-01-02T00:00:00+00:00"),
        ("a\nb\u200b", 'p equal_to "a\\nb\\u200b"'),
    ],
)
def test_values_from_python_are_shown(value: Any, expected: str) -> None:
    assert unparse(test("p", "equal_to", value)) == expected


def test_what_no_text_can_say_is_shown_all_the_same() -> None:
    assert unparse(All((A,))) == "a equal_to 1"
    assert unparse(test("p", "like", "x", "y")) == "p like (x, y)"
    assert unparse(test("p", "any_in")) == "p any_in ()"
    deep: Condition = A
    for _ in range(5000):
        deep = Not(deep)
    assert unparse(deep) == "not " * 5000 + "a equal_to 1"


# -- hostile texts -------------------------------------------------------------------------------

fragments = st.sampled_from(
    ["a", "b.c", "'x y'", '"', "'", "(", ")", ",", "and", "or", "not", "in", "is", "null", "=",
     "!~", "<", "is_null", "any_in", "contains", "30d", ".", "true", "\\", "\u201c", "\u00a0",
     "\n", "\x00"]
)  # fmt: skip


@given(st.lists(fragments, max_size=14), st.sampled_from(["", " "]))
def test_any_text_is_a_condition_or_a_user_error(parts: list[str], between: str) -> None:
    try:
        condition = parse(between.join(parts))
    except UserError:
        return
    assert said(unparse(condition)) == without_places(condition)


@given(st.text())
def test_nothing_but_user_errors(text: str) -> None:
    with contextlib.suppress(UserError):
        parse(text)


def test_nesting_is_bounded() -> None:
    assert said("(" * 100 + "a=1" + ")" * 100) == A
    assert unparse(parse("not(" * 50 + "a=1" + ")" * 50)) == "not " * 50 + "a equal_to 1"
    for text in ("(" * 101, "not " * 101 + "a=1", "not(" * 51 + "a=1"):
        with pytest.raises(UserError, match="nested more than 100 deep"):
            parse(text)


MEGABYTE = 1_000_000


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        "(" * MEGABYTE,
        "not " * (MEGABYTE // 4),
        "not(" * (MEGABYTE // 4),
        "a = '" + "'" * MEGABYTE,
        "a = \"" + "''" * (MEGABYTE // 2),
        "a is" + " " * MEGABYTE + "not",
        "a " + "x" * MEGABYTE + " y",
        "a = " + "x" * MEGABYTE + " y",
        "a = b" + ")" * MEGABYTE,
        "a" + ":" * MEGABYTE,
        "=" * MEGABYTE,
        "\n" * MEGABYTE + "x",
        "\x00" * MEGABYTE,
        "a." + "'x'." * (MEGABYTE // 40),
        "a in (" + "x," * (MEGABYTE // 20),
    ],
    ids=range(15),
)  # fmt: skip
def test_a_megabyte_is_refused_soon_and_briefly(text: str) -> None:
    began = time.process_time()
    with pytest.raises(UserError) as error:
        parse(text)
    assert time.process_time() - began < 5
    assert len(str(error.value)) < 700
