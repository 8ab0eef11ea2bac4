"""Tables as text: sentences wrap, ids stay whole, and what has no room is said."""

from __future__ import annotations

import datetime
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.table import Table
from common.text import clean, width, wrapped

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


def test_a_time_wraps_before_its_age_and_other_rows_stay_on_one_line() -> None:
    now = datetime.datetime(2026, 11, 21, 4, 0, tzinfo=datetime.timezone.utc)
    rows = [{"id": ID, "at": at} for at in ("2026-10-18T03:04:05Z", None)]
    table = Table(["id", "at"], rows, units={"at": "time"}, now=now)
    assert table.render(columns=58).splitlines() == [
        f"ID{' ' * 36}AT",
        f"{ID}  2026-10-18 03:04",
        f"{' ' * 38}(34d)",
        ID,
    ]


# -- text --------------------------------------------------------------------------------------

ODD = st.text(st.sampled_from("ab 1é語\u0301\x1b[;]m\x07\t\n\u202e\u200b\ud800")) | st.text()


@given(ODD)
def test_what_is_cleaned_can_be_printed_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not any(ord(c) < 32 or c in "\x7f\x9b\u202e\u200b\ud800" for c in cleaned)
    assert not text.isalnum() or cleaned == text


@given(ODD)
def test_width_counts_what_a_terminal_does(text: str) -> None:
    wide = sum(
        unicodedata.east_asian_width(c) in "WF" and not unicodedata.combining(c) for c in text
    )
    combining = sum(unicodedata.combining(c) > 0 for c in text)
    assert width(text) == len(text) + wide - combining


@given(ODD, st.integers(2, 30), st.booleans())
def test_wrapped_lines_fit_and_lose_only_spaces(text: str, columns: int, cut: bool) -> None:
    lines = wrapped(text, columns, cut=cut)
    assert all(width(line) <= columns for line in lines)
    if not cut:
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_words_stay_whole_where_they_fit() -> None:
    assert wrapped("no valid host was found", 10) == ["no valid", "host was", "found"]
    assert wrapped("25606d28-971b in cell", 8) == ["25606d28", "-971b in", "cell"]
    assert wrapped("25606d28-971b in cell", 8, cut=True) == ["25606d2…", "in cell"]
    assert (wrapped("", 5), wrapped("      ", 5)) == ([""], [""])


def test_one_long_name_does_not_widen_a_table() -> None:
    rows = [{"name": f"web-{n}", "id": f"{n:036}", "status": "ACTIVE"} for n in range(20)]
    rows[7]["name"] = "n" * 255
    table = Table(("name", "id", "status"), rows)
    for bound, size in ((0, 60), (100, 33), (80, 26), (200, 66)):
        lines = table.render("text", bound).splitlines()
        assert max(map(len, lines)) <= size + 2 + 36 + 2 + 6
        assert lines[8].startswith("n" * (size - 1) + "…  ")
        assert all(row["id"] in line for row, line in zip(rows, lines[1:], strict=True))
        assert all("ACTIVE" in line for line in lines[1:])
    assert "n" * 255 in table.render("csv")
    assert "n" * 255 in table.render("json")


def test_what_is_usual_in_a_column_is_not_cut() -> None:
    rows = [{"digest": f"{n:064}", "tag": "x"} for n in range(20)]
    for bound in (0, 80):
        text = Table(("digest", "tag"), rows).render("text", bound)
        assert all(row["digest"] in text for row in rows)


def test_a_long_sentence_is_folded_and_nothing_of_it_is_lost() -> None:
    rows = [{"name": f"s{n}", "why": ""} for n in range(20)]
    rows[3]["why"] = " ".join(f"word{n}" for n in range(60))
    text = Table(("name", "why"), rows).render("text")
    assert all(f"word{n}" in text for n in range(60))
    assert max(map(len, text.splitlines())) <= 126


def test_an_id_stands_where_there_is_no_name() -> None:
    rows = [{"project": "shop", "project_id": "p1"}, {"project": None, "project_id": "p2"}]
    table = Table(("project",), rows, extra=("project_id",), instead={"project": "project_id"})
    assert table.render("text").split() == ["PROJECT", "shop", "p2"]
    assert table.rows[1]["project"] is None
