"""Names with values in one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from common.pairs import pairs
from workflow_api import UserError

_NAMES = some.text("abcxyz:_0", min_size=1)
_VALUES = some.text("abc ;='0", max_size=8).filter(lambda value: '"' not in value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, {}),
        ("", {}),
        (" ; ", {}),
        ("a=1", {"a": "1"}),
        ("a = 1 ;b=2;", {"a": "1", "b": "2"}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a='x; y'; b=it's", {"a": "x; y", "b": "it's"}),
        ('a=" x "', {"a": " x "}),
    ],
)
def test_what_is_written_is_read(text: str | None, found: dict[str, str]) -> None:
    assert pairs("properties", text) == found


@given(some.dictionaries(_NAMES, _VALUES))
def test_any_value_can_be_written_in_quotes(values: dict[str, str]) -> None:
    text = "; ".join(f'{name}="{value}"' for name, value in values.items())
    assert pairs("properties", text) == values


@pytest.mark.parametrize("text", ["a", "=1", "a=1; b", "a=1; a=2", "a='x; b=1"])
def test_what_is_no_pair_is_refused_by_the_parameters_name(text: str) -> None:
    with pytest.raises(UserError, match=r"properties (must be name=value|has)"):
        pairs("properties", text)
