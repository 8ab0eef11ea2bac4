"""What people and programs are shown of a table: units, groups, what is missing."""

from __future__ import annotations

import csv
import datetime
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.result import plain
from common.table import FORMS
from common.text import width
from common.units import humaniser
from engine.dispatch import dispatch
from workflow_api import Context, Table, workflow

UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
UNITS = {"ram": "MiB", "volume": "bytes", "up": "seconds", "updated_at": "time"}
HUMAN = ("text", "markdown", "html")
WHY = [("cell2", "it is <down>"), ("volumes", "the cloud\x1b[31m refuses")]


def server(name: str, status: str, project: str | None, **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "project": project, **more}


ROWS = [
    server("web-1", "ERROR", "shop", ram=8192, volume=1610612736, up=187200,
           updated_at="2026-10-18T03:04:05Z"),
    server("db", "ACTIVE", None, ram=1280, volume=0, up=None, updated_at="soon\x1b[1m"),
    server("web-22", "ERROR", "shop", ram=512, volume=None, up=3.44, updated_at=None),
]  # fmt: skip


def table(**more: Any) -> Table:
    columns = ("name", "status", "project", "ram", "volume", "up", "updated_at")
    return Table(columns, ROWS, units=UNITS, now=NOW, **more)


# -- units -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("MiB", 8192, "8 GiB"),
        ("MiB", 1280, "1.25 GiB"),
        ("MiB", 512, "512 MiB"),
        ("MiB", 0, "0 MiB"),
        ("MiB", -2048, "-2 GiB"),
        ("GiB", 20, "20 GiB"),
        ("GiB", 1536, "1.5 TiB"),
        ("GiB", 0.5, "512 MiB"),
        ("bytes", 1610612736, "1.5 GiB"),
        ("bytes", 1023, "1023 B"),
        ("bytes", 1048575, "1 MiB"),
        ("bytes", 13_200_000, "12.6 MiB"),
        ("bytes", 2**80, "1048576 EiB"),
        ("seconds", 187200, "2d4h"),
        ("seconds", -90, "-1m30s"),
        ("seconds", 0, "0s"),
        ("time", "2026-10-18T03:04:05Z", "2026-10-18 03:04 (34d)"),
        ("time", "2026-10-18T03:04:05.123456Z", "2026-10-18 03:04 (34d)"),
        ("time", "2026-10-18T03:04:05.000000", "2026-10-18 03:04 (34d)"),
        ("time", "2026-10-18 12:04:05+09:00", "2026-10-18 03:04 (34d)"),
        ("time", "2026-10-17T22:34:05-0430", "2026-10-18 03:04 (34d)"),
        ("time", "2026-11-21T03:04:05Z", "2026-11-21 03:04 (55m)"),
        ("time", "2026-11-20T23:04:05Z", "2026-11-20 23:04 (4h)"),
        ("time", "2026-11-21T04:00:00Z", "2026-11-21 04:00 (0s)"),
        ("time", "2026-11-24T05:00:00Z", "2026-11-24 05:00 (in 3d)"),
    ],
)
def test_a_unit_is_humanised(unit: str, value: Any, shown: str) -> None:
    assert humaniser(unit, NOW)(value) == shown


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        *((unit, value) for unit in ("MiB", "seconds") for value in ("8192", True, [1], {})),
        *(("bytes", value) for value in (float("inf"), float("nan"), 10**400)),
        *(
            ("time", value)
            for value in (
                "", "soon", "2026-10-18", "2026-13-18T03:04:05Z", "2026-06-31T03:04:05Z",
                "2026-10-18T03:04:05Zulu", "2026-10-18T25:04:05Z", "0000-00-00T00:00:00Z",
                "0001-01-01T00:00:00+09:00", "\u0662026-10-18T03:04:05Z", 1792292645, "9" * 20,
            )
        ),
    ],
)  # fmt: skip
def test_what_is_not_of_its_unit_is_shown_as_it_is(unit: str, value: Any) -> None:
    assert humaniser(unit, NOW)(value) is None
    for form in HUMAN:
        plainly = Table(("a",), [{"a": value}]).render(form)
        shown = Table(("a",), [{"a": value}], units={"a": unit}, now=NOW).render(form)
        assert shown == plainly


def test_a_time_is_shown_in_utc_wherever_one_is() -> None:
    tokyo = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    shown = {humaniser("time", now)("2026-11-20T16:00:00Z") for now in (NOW, tokyo)}
    assert shown == {"2026-11-20 16:00 (12h)"}
    assert "(0s)" in str(humaniser("time", None)(datetime.datetime.now(UTC).isoformat()))


@given(st.sampled_from(["MiB", "GiB", "bytes", "seconds", "time"]), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(),
    st.datetimes().map(str), st.datetimes().map(lambda t: t.isoformat() + "+14:00"),
))  # fmt: skip
def test_any_value_can_be_in_any_unit(unit: str, value: Any) -> None:
    shown = Table(("a",), [{"a": value}], units={"a": unit}, now=NOW).render()
    assert shown.count("\n") == 2


def test_numbers_are_on_the_right_in_units_too() -> None:
    assert table().render().splitlines() == [
        "NAME    STATUS  PROJECT       RAM   VOLUME    UP  UPDATED AT",
        "web-1   ERROR   shop        8 GiB  1.5 GiB  2d4h  2026-10-18 03:04 (34d)",
        "db      ACTIVE           1.25 GiB      0 B        soon",
        "web-22  ERROR   shop      512 MiB           3.4s",
    ]
    marks = table().render("markdown").splitlines()[1]
    assert marks == "| --- | --- | --- | ---: | ---: | ---: | --- |"
    assert '<td align="right" nowrap>8 GiB</td>' in table().render("html")


def test_programs_get_what_is_there() -> None:
    assert json.loads(table().render("json")) == plain(table().rows)
    assert table().rows[0]["ram"] == 8192
    read = list(csv.DictReader(io.StringIO(table().render("csv"))))
    assert read[0]["updated_at"] == "2026-10-18T03:04:05Z"
    assert (read[0]["volume"], read[2]["volume"]) == ("1610612736", "")
    assert table(group_by=("status",)).render("csv") == table().render("csv")


def test_a_unit_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="not MB"):
        Table(("a",), [], units={"a": "MB"})
    assert Table(("a",), [{"a": 1}], units={"a": "", "b": "MiB"}).render() == "A\n1\n"


# -- groups ------------------------------------------------------------------------------------


def test_a_group_has_a_heading_and_all_have_the_same_widths() -> None:
    columns, rows = ("name", "status", "project", "ram"), [*ROWS, {**ROWS[1], "project": ""}]
    shown = Table(columns, rows, "Servers", units=UNITS, group_by=("status", "project")).render()
    assert shown.splitlines() == [
        "Servers",
        "status: ERROR, project: shop (2)",
        "NAME         RAM",
        "web-1      8 GiB",
        "web-22   512 MiB",
        "",
        "status: ACTIVE, no project (1)",
        "NAME         RAM",
        "db      1.25 GiB",
        "",
        "status: ACTIVE, no project (1)",
        "NAME         RAM",
        "db      1.25 GiB",
    ]


def test_groups_in_markdown_and_html() -> None:
    rows = [*ROWS, {**ROWS[0], "status": "<b>*"}]
    grouped = Table(("name", "status"), rows, group_by=("status",))
    assert grouped.render("markdown").split("\n\n")[:2] == [
        "**status: ERROR (2)**", "| NAME |\n| --- |\n| web-1 |\n| web-22 |"]  # fmt: skip
    assert r"**status: &lt;b&gt;\* (1)**" in grouped.render("markdown")
    page = grouped.render("html")
    assert page.count("<tbody") == page.count("colspan") == 3
    assert "status: &lt;b&gt;* (1)" in page


def test_what_one_can_group_by() -> None:
    rows = [{"tags": ["a", "b"], "n": 1}, {"tags": [], "n": 2}, {"tags": ["a", "b"], "n": 3}]
    shown = Table(("n",), rows, group_by=("tags",))
    assert shown.render() == "tags: a, b (2)\nN\n1\n3\n\nno tags (1)\nN\n2\n"
    assert shown.render("csv").splitlines()[0] == "tags,n"
    only = Table(("tags",), rows, group_by=("tags",))
    assert only.render() == "tags: a, b (2)\nno tags (1)\n"
    assert only.render("markdown") == "**tags: a, b (2)**\n\n**no tags (1)**\n"
    assert "tags: a, b (2)" in only.render("html")
    assert Table(("n", "tags"), [], group_by=("tags",)).render() == "N\n"
    # Names that look the same and are not are two groups.
    alike = Table(("n",), [{"p": "shop"}, {"p": "sh\u200bop"}], group_by=("p",)).render()
    assert alike.count("p: shop (1)") == 2


@pytest.mark.long
@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=9), st.text(max_size=200))),
    st.integers(24, 100),
)
def test_groups_keep_to_the_width_and_lose_no_row(rows: Any, columns: int) -> None:
    named = [dict(zip("abc", row, strict=True)) | {"n": "row"} for row in rows]
    grouped = Table(("n", "a", "b", "c"), named, group_by=("b",))
    shown = grouped.render(columns=columns).splitlines()
    assert all(width(line) <= columns for line in shown)
    assert sum(line.split(" ")[0] == "row" for line in shown if line) >= len(rows)
    assert len(json.loads(grouped.render("json"))) == len(rows)


# -- what is missing ---------------------------------------------------------------------------


def test_an_answer_that_is_not_whole_says_so_at_its_end() -> None:
    missing = table(reasons=WHY)
    assert missing.complete is False
    assert missing.render(columns=40).endswith(
        "\nThis answer is not whole:\n- cell2: it is <down>\n- volumes: the cloud refuses\n"
    )
    assert missing.render("markdown").endswith(
        "\n**This answer is not whole:**\n\n"
        "- cell2: it is &lt;down&gt;\n- volumes: the cloud refuses\n"
    )
    assert missing.render("html").endswith(
        "<li>cell2: it is &lt;down&gt;</li>\n<li>volumes: the cloud refuses</li>\n</ul>\n"
    )
    for form in ("csv", "json"):
        assert missing.render(form) == table().render(form)
    assert table(complete=False).render().endswith("\n\nThis answer is not whole.\n")
    many = table(reasons=[(f"host {n}", "it is down") for n in range(1000)]).render()
    assert many.endswith("- host 19: it is down\n- and 980 more reasons\n")
    assert all("whole" not in table().render(form) for form in FORMS)  # fmt: skip


@workflow("toy.missing")
def show_missing(ctx: Context, whole: bool, good: bool = True) -> Table:
    """Show servers of which some may be missing."""
    return table(reasons=[] if whole else WHY, good=good)


def test_the_result_says_whether_it_is_whole() -> None:
    kind, result = dispatch("toy.missing", {"whole": True}, {})
    assert (kind, result["complete"], result["left"]) == ("done", True, [])
    kind, result = dispatch("toy.missing", {"whole": False, "output": "json"}, {})
    assert (kind, result["complete"]) == ("done", False)
    assert result["left"] == [
        {"what": "cell2", "why": "it is <down>"},
        {"what": "volumes", "why": "the cloud refuses"},
    ]
    said = "3 rows; the answer is not whole: cell2: it is <down> (and 1 more)"
    assert result["summary"] == said
    kind, result = dispatch("toy.missing", {"whole": False, "good": False}, {})
    assert (kind, result["complete"]) == ("failed", False)
    assert dispatch("toy.nothing", {}, {})[1]["complete"] is False, "there is no such one"
