"""What large tables and large values cost, and how much of them is shown."""

from __future__ import annotations

import html.parser
import json
import time
from typing import Any

import pytest

from workflow_api import Table
from workflow_api.result import Result, cap
from workflow_api.table import FORMS

HOSTILE = "we\x1b[31mb\u202e"


def test_rows_that_cannot_fit_are_not_prepared_and_are_counted() -> None:
    rows = [{"n": n, "text": "x" * 90} for n in range(1000)]
    result = Result(summary="many", rows=rows, text="y" * 90_000)
    cut = result.trim(10_000)
    assert 1000 - cut == len(result.rows) < 100
    assert len(result.text) == 10_000
    capped = cap(result.as_dict(), 10_000, cut)
    left_out = 1000 - len(capped["rows"])
    assert f"{left_out} entries left out" in capped["summary"]
    assert 7_000 < len(json.dumps(capped)) <= 10_000
    huge = Result(rows=[{"name": "x" * 20_000}])
    cut = huge.trim(10_000)
    assert "1 entries left out" in cap(huge.as_dict(), 10_000, cut)["summary"]
    small = Result(rows=rows[:3], text="t")
    assert (small.trim(10_000), len(small.rows)) == (0, 3)


class Page(html.parser.HTMLParser):
    """The longest text between two tags."""

    longest = 0

    def handle_data(self, data: str) -> None:
        self.longest = max(self.longest, len(data))


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
