"""Tables as text: sentences wrap, ids stay whole, and what has no room is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_api.table import Table
from workflow_api.text import width

ID = "25606d28-971b-40bf-858d-f91287a97437"
ROW = {
    "name": "web-1",
    "id": ID,
    "status": "ACTIVE",
    "hypervisor": "cmp-1",
    "addresses": ["10.10.0.31", "203.0.113.53"],
}


def lines(columns: int) -> list[str]:
    return Table(list(ROW), [ROW]).render(columns=columns).splitlines()


def test_without_a_bound_everything_is_on_one_line() -> None:
    assert lines(0) == [
        f"NAME   ID{' ' * 36}STATUS  HYPERVISOR  ADDRESSES",
        f"web-1  {ID}  ACTIVE  cmp-1       10.10.0.31, 203.0.113.53",
    ]


def test_a_list_wraps_before_anything_is_left_out() -> None:
    assert lines(85)[1:] == [
        f"web-1  {ID}  ACTIVE  cmp-1       10.10.0.31,",
        f"{' ' * 65}203.0.113.53",
    ]


def test_a_column_that_has_no_room_is_named_and_ids_stay_whole() -> None:
    shown = lines(80)
    assert shown[1] == f"web-1  {ID}  ACTIVE  cmp-1"
    assert shown[-1] == "(no room for addresses: see output=json or a wider terminal)"


def test_two_columns_stay_whatever_the_width() -> None:
    assert lines(20)[:2] == ["NAME   ID", "web-1  25606d28-971…"]


@given(
    st.lists(st.lists(st.text(max_size=60), min_size=4, max_size=4), min_size=1, max_size=5),
    st.integers(24, 120),
)
def test_no_line_is_wider_than_the_screen(rows: list[list[str]], columns: int) -> None:
    names = ["a", "b", "c", "d"]
    table = Table(names, [dict(zip(names, row, strict=True)) for row in rows])
    assert all(width(line) <= columns for line in table.render(columns=columns).splitlines())


@pytest.mark.parametrize("columns", [0, 40])
def test_no_rows_are_headings_only(columns: int) -> None:
    assert Table(["name", "id"], []).render(columns=columns) == "NAME  ID\n"
