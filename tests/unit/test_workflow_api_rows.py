"""Rows that are kept as columns."""

from __future__ import annotations

import pytest

from common.rows import Rows
from common.table import Table

ROWS = [{"name": "a", "ram": 1}, {"name": "b", "ram": None}, {"name": "c", "ram": 3}]


def rows() -> Rows:
    return Rows.of(["name", "ram"], [("a", 1), ("b", None), ("c", 3)])


def test_they_read_as_a_list_of_mappings() -> None:
    assert list(rows()) == ROWS == rows()
    assert (len(rows()), rows()[-1], rows()[1:]) == (3, ROWS[-1], ROWS[1:])
    assert rows() != ROWS[:2]
    with pytest.raises(IndexError):
        rows()[3]


@pytest.mark.parametrize("names", [["name", "ram"], []])
def test_there_may_be_none(names: list[str]) -> None:
    assert list(Rows.of(names, [])) == []
    assert Table(names, Rows.of(names, [])).render("json") == "[]\n"


def test_a_table_keeps_its_columns_of_them() -> None:
    table = Table(["ram", "host"], rows())
    assert table.rows == [{"ram": row["ram"], "host": None} for row in ROWS]
    assert table.rows == Table(["ram", "host"], ROWS).rows


@pytest.mark.parametrize("form", ["text", "markdown", "html", "csv", "json"])
def test_a_table_shows_them_as_it_shows_mappings(form: str) -> None:
    one, other = (Table(["name", "ram"], given, extra=["id"]) for given in (rows(), ROWS))
    assert one.render(form) == other.render(form)
