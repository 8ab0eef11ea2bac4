"""Patterns for Nova's database: what passes here is among what they find there."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.wire import nova_patterns

# Names and values that share characters often, and some that are special to a pattern.
TEXTS = st.text(alphabet="abAB-_. 1é*?[]^$|\\(+", max_size=6)
# How databases read a pattern: by characters or bytes, with or without regard to case.
Search = Callable[[str, str], object]
DATABASES: dict[str, Search] = {
    "PostgreSQL": lambda pattern, name: re.search(pattern, name),
    "MariaDB": lambda pattern, name: re.search(pattern, name, re.IGNORECASE),
    "old MySQL": lambda pattern, name: re.search(pattern.encode(), name.encode(), re.IGNORECASE),
}


def finds(pattern: str | None, name: str) -> bool:
    """Return whether a name is found everywhere; it is if nothing can be asked for."""
    return pattern is None or all(search(pattern, name) for search in DATABASES.values())


@given(name=TEXTS, value=TEXTS)
def test_what_passes_is_found(name: str, value: str) -> None:
    assert finds(nova_patterns.whole(name), name)
    assert finds(nova_patterns.start(value), value + name)
    assert finds(nova_patterns.part(value), name + value + name)
    if fnmatchcase(name, value):
        assert finds(nova_patterns.glob(value), name)


@given(name=TEXTS, pattern=st.from_regex(r"\A\^?([abé -]|\.\*|\.|\\\.|\||a\*)*\$?\Z"))
def test_what_matches_is_found(name: str, pattern: str) -> None:
    if re.search(pattern, name):
        assert finds(nova_patterns.regex(pattern), name)


@pytest.mark.parametrize(
    ("make", "given", "pattern"),
    [
        (nova_patterns.whole, "web-1", r"^web\-1$"),
        (nova_patterns.whole, "web.1", r"^web\.1$"),
        (nova_patterns.whole, "a|b", None),  # Nova would escape it once more
        (nova_patterns.whole, "é", None),
        (nova_patterns.whole, "", None),
        (nova_patterns.start, "web", "^web"),
        (nova_patterns.part, "eb", "eb"),
        (nova_patterns.glob, "web-*", r"^web\-"),
        (nova_patterns.glob, "w?b", "^w"),
        (nova_patterns.glob, "w[ae]b", "^w"),
        (nova_patterns.glob, "*web", None),
        (nova_patterns.regex, "^web", "^web"),
        (nova_patterns.regex, "^web.*-prod$", "^web.*-prod$"),
        (nova_patterns.regex, r"node\.1", r"node\.1"),
        (nova_patterns.regex, "w.b", None),  # a byte, to some
        (nova_patterns.regex, r".\.*", None),
        (nova_patterns.regex, r"a\\.b", None),
        (nova_patterns.regex, "(?i)web", None),
        (nova_patterns.regex, "web|db", None),
        (nova_patterns.regex, r"\d", None),
        (nova_patterns.regex, "^$", None),
        (nova_patterns.literal, "web-1", "web-1"),
        (nova_patterns.literal, "c++", None),  # not a valid pattern
        (nova_patterns.literal, "a,b", None),  # two tags
        (nova_patterns.literal, "", None),
    ],
)
def test_patterns(make: Callable[[str], str | None], given: str, pattern: str | None) -> None:
    assert make(given) == pattern
