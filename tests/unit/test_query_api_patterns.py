"""Patterns that people type: they end whatever they say, and what they cannot say is a sentence."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.execution.predicates import Unfit
from query_api.execution.query import query
from query_api.language import patterns
from query_api.language.patterns import searching
from query_api.wire import nova_patterns
from support.memory_cloud import MemoryCloud, Shelf
from workflow_api import UserError

# Each takes a backtracking engine longer than anybody waits, over the text beside it.
ENDLESS = [
    ("(a+)+$", "a" * 40 + "!"),
    ("(a|a)*$", "a" * 60 + "!"),
    ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 60),
    ("(x+x+)+y", "x" * 60),
    ("(.*)*=", "a" * 60),
    ("a?" * 30 + "a" * 30, "a" * 30 + "!"),
    (".*.*.*.*.*.*=", "a" * 3000),
    (r"(\w*\s*)*$", "a " * 40 + "!"),
]


@pytest.mark.parametrize(("pattern", "text"), ENDLESS)
def test_every_pattern_ends(pattern: str, text: str) -> None:
    began = time.monotonic()
    searching(pattern)(text)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("pattern", ["*a" * 300 + "b", "[!b]*" * 200 + "b", "?*" * 400])
@pytest.mark.parametrize("size", [255, 65_535])
def test_every_shell_pattern_ends(pattern: str, size: int) -> None:
    began = time.monotonic()
    fnmatchcase("a" * size, pattern)
    assert time.monotonic() - began < 2


@given(
    st.from_regex(r"\A\^?(ab?|\.|\[a-c\]|\(b|c\)|a\*|b\+|c\{1,3\}|\\\.)*\$?\Z"),
    st.text("abc.é", max_size=8),
)
def test_what_both_engines_have_means_the_same(pattern: str, text: str) -> None:
    try:
        expected = re.search(pattern, text) is not None
        found = searching(pattern)(text)
    except (re.error, ValueError):
        return
    assert found is expected


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a)\1", "cannot be referred to"),
        ("(?P<x>a)(?P=x)", "cannot be referred to"),
        ("a(?=b)", "ahead or behind"),
        ("(?<!a)b", "ahead or behind"),
        ("(?>a)", "atomic"),
        ("a++", "possessive"),
        (r"a\Z", r"is \\z or \$"),
        ("(?x) a", "of the flags"),
        ("a{1001}", "repetition"),
        ("(", r"missing \)"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_is_no_pattern_here_is_said_in_words(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"is not a regular expression: .*{why}") as caught:
        searching(pattern)
    assert "b'" not in str(caught.value).replace(repr(pattern), "")


def test_a_pattern_is_pointed_at_before_anything_is_asked() -> None:
    cloud = MemoryCloud({"compute": Shelf([], name="servers")})
    with pytest.raises(Unfit, match="ahead or behind"):
        query("server").where("name", "matches_regex", "(?=a)").run([cloud])
    assert not cloud.requests


def test_what_takes_too_long_for_all_values_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 0.0)
    with pytest.raises(UserError, match=r"The pattern 'a' took more than 0 seconds"):
        searching("a")("a")


def test_half_a_character_is_a_character() -> None:
    assert searching("^a.b$")("a\ud800b")


def test_the_end_is_the_end() -> None:
    assert searching("a$")("ba")
    assert not searching("a$")("a\n")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("^web.*prod", "^web.*prod"),
        ("^a.*b.*c$", "^a.*b"),
        (".*a.*", ".*a"),
        ("a.*b.*c.*d.*e", "a.*b"),
        (r"a\.b.*c$", r"a\.b.*c$"),
    ],
)
def test_the_database_is_given_no_pattern_that_it_takes_long_for(given: str, asked: str) -> None:
    assert nova_patterns.regex(given) == asked


@pytest.mark.long
def test_a_question_without_a_pattern_imports_no_engine() -> None:
    code = (
        "import sys; sys.path.insert(0, 'lib')\n"
        "from query_api.language.where import parse\n"
        "from query_api.execution.query import query\n"
        "query('server').where(parse('name = a and status in (A, B)')).explain()\n"
        "assert 're2' not in sys.modules and 'query_api.language.patterns' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
