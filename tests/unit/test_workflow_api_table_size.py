"""What large tables and large values cost, and how much of them is shown."""

from __future__ import annotations

import html.parser
import json
import time
from typing import Any

import pytest

from common.result import Result, cap
from common.table import FORMS
from workflow_api import Table

HOSTILE = "we\x1b[31mb\u202e"


def capped(result: Result, limit: int = 10_000) -> dict[str, Any]:
    result.trim(limit)
    return cap(result.as_dict(), limit)


def test_rows_that_cannot_fit_are_not_prepared_and_are_counted() -> None:
    rows = [{"n": n, "text": "x" * 90} for n in range(1000)]
    result = Result(summary="many", rows=rows, text="y" * 90_000)
    shown = capped(result)
    assert len(result.rows) < 100
    assert len(result.text) == 10_000
    left_out = 1000 - len(shown["rows"])
    assert shown["truncated"] == {"text": 90_000 - 2_500, "rows": left_out}
    assert shown["complete"] is False
    assert f"{left_out} of rows left out" in shown["summary"]
    assert 7_000 < len(json.dumps(shown)) <= 10_000


def test_one_row_that_cannot_fit_is_counted_too() -> None:
    shown = capped(Result(rows=[{"name": "x" * 20_000}]))
    assert (shown["rows"], shown["truncated"]) == ([], {"rows": 1})


def test_what_fits_is_complete() -> None:
    rows = [{"n": n} for n in range(3)]
    shown = capped(Result(rows=rows, text="t"))
    assert (shown["rows"], shown["complete"], shown["truncated"]) == (rows, True, {})


def test_every_list_that_is_cut_is_counted() -> None:
    many = [{"what": "x" * 40, "why": "y"} for _ in range(300)]
    shown = capped(Result(run="r-1", changed=many, left=many))
    cut = {name: 300 - len(shown[name]) for name in ("changed", "left")}
    assert shown["truncated"] == cut
    assert min(cut.values()) > 0
    assert "run.show run=r-1" in shown["summary"], "it says where the whole is"


def test_the_whole_is_where_it_was_written_to() -> None:
    shown = capped(Result(text="z" * 20_000, output_file="/srv/out.csv"))
    assert "the whole is in /srv/out.csv" in shown["summary"]


class Page(html.parser.HTMLParser):
    """The longest text between two tags."""

    longest = 0

    def handle_data(self, data: str) -> None:
        self.longest = max(self.longest, len(data))


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        "x" * 10_000_000, "日" * 10_000_000, "a " * 5_000_000, HOSTILE * 1_000_000,
        "\x1b]" + "a" * 10_000_000, "\u0301" * 10_000_000, ["x" * 1000] * 10_000,
        {"k" * 10_000_000: "v"},
    ],
    ids=["one word", "wide", "words", "hostile", "escape", "combining", "list", "key"],
)  # fmt: skip
def test_ten_megabytes_in_a_cell_cost_and_show_little(name: Any) -> None:
    long = Table(("name", "id"), [{"name": name, "id": "1"}, {"name": "b", "id": "2"}], str(name))
    started = time.process_time()
    shown = {form: long.render(form) for form in ("text", "markdown", "html")}
    shown["narrow"] = long.render(columns=80)
    assert time.process_time() - started < 2
    for text in shown.values():
        assert len(text) < 12_000
        assert "…" in text
        assert text.replace("\n", "").isprintable()
    page = Page()
    page.feed(shown["html"])
    assert page.longest <= 4000
    whole = json.loads(long.render("json"))
    assert whole[0]["name"] == name


@pytest.mark.long
def test_many_rows_cost_little() -> None:
    rows = [
        {
            "name": f"web-{n}",
            "id": f"25606d28-971b-40bf-858d-{n:012}",
            "status": ("ACTIVE", "ERROR")[n % 2],
            "project": f"project_{n % 100}",
            "ram": 1024 * (n % 16),
            "updated_at": f"2026-10-18T03:{n % 60:02}:05Z",
        }
        for n in range(10_000)
    ]
    many = Table(list(rows[0]), rows, units={"ram": "MiB", "updated_at": "time"})
    spent = {}
    for form, columns in (*((form, 0) for form in FORMS), ("text", 80)):
        started = time.process_time()
        shown = many.render(form, columns)
        spent[form, columns] = time.process_time() - started
        assert shown.count("web-") == 10_000
    # Some 0.04 s each; what is quadratic or looks at each character takes many times as much.
    assert max(spent.values()) < 0.5, spent
