"""Every notice, at the edges of its schema: nothing gets out of its place, both parts agree."""

from __future__ import annotations

import datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.mail_config import Colours, Organisation
from common.text import clean, width
from email_api.notices import Rendered, as_variable, example, names, notice
from email_api.rendering import LOGO
from email_api.tables import LINE
from support.mail_notices import EXTREMES, HOSTILE, MARK, Page, extremes, variables
from support.sampling import examples, sampled
from workflow_api import Table

NOW = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.timezone.utc)
NAMES = names()
ORGANISATION = Organisation(
    name="A & B <Cloud>", support="help@example.org", footer=("1 < 2",), logo="/logo.png"
)


def rows_of(given: dict[str, Any]) -> list[Any]:
    """Return the rows that are given, of whichever variable."""
    for value in given.values():
        if isinstance(value, dict):
            return list(value["rows"])
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value
    return []


def same_rows(made: Rendered) -> list[list[str]]:
    """Return the rows of the HTML after finding each cell of them, in order, in the text."""
    text, place = " ".join(made.text.split()), 0
    rows = Page(made.html).cells
    for row in rows:
        for cell in row:
            wanted = " ".join(cell.split())
            found = text.find(wanted, place)
            assert found >= 0, (row, made.text)
            place = found + len(wanted)
    return rows


def is_safe(made: Rendered) -> Page:
    """Check what must hold of every mail, and return its HTML as it is read."""
    page = Page(made.html)
    for tag, attributes in page.tags:
        assert tag != MARK
        assert "onx" not in attributes
        assert tag not in {"script", "link", "iframe", "object", "form", "base"}
        for name in ("src", "href", "background", "srcset"):
            target = attributes.get(name) or ""
            assert target == "" or target.startswith(("cid:", "mailto:", "https://"))
        assert tag != "img" or attributes["src"] == f"cid:{LOGO}"
    assert "url(" not in made.html
    assert "@import" not in made.html
    for text in (made.subject, *made.text.split("\n"), *made.html.split("\n")):
        assert text == clean(text)
    assert 0 < width(made.subject) <= 150
    assert made.subject == " ".join(made.subject.split())
    return page


def test_the_notices_are_these() -> None:
    assert NAMES == [
        "errored_servers", "hypervisor_fault", "hypervisor_maintenance", "hypervisor_report",
        "left_out", "list_notice", "query", "retiring_flavor", "retiring_image",
        "shutoff_servers", "test",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), sampled(list(product(NAMES, EXTREMES)), 20))
def test_every_extreme_renders(name: str, kind: str) -> None:
    given = extremes(notice(name).schema)[kind]
    made = notice(name).render(given, ORGANISATION, now=NOW)
    is_safe(made)
    rows = same_rows(made)
    assert len(rows) == min(500, len(rows_of(given)))
    assert ("1 more row is not shown here." in made.text) is (len(rows_of(given)) > 500)
    assert ("1 more row is not shown here." in made.html) is (len(rows_of(given)) > 500)
    for line in made.text.split("\n"):
        # Only a word that is longer than a line makes one longer.
        assert width(line) <= LINE or max(map(width, line.split(" "))) > LINE - 25, line
    assert "\n\n\n" not in made.text
    assert "None" not in made.text


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_no_value_gets_out_and_both_parts_say_the_same(name: str, data: st.DataObject) -> None:
    filled = notice(name)
    given = data.draw(variables(filled.schema))
    made = filled.render(given, ORGANISATION, now=NOW)
    is_safe(made)
    assert len(same_rows(made)) == len(rows_of(given))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_value_is_read_as_it_was_written(hostile: str) -> None:
    given = {**example("shutoff_servers"), "recipient": hostile, "older_than": hostile}
    given["servers"] = [{"name": hostile, "id": "1"}]
    made = notice("shutoff_servers").render(given, ORGANISATION, now=NOW)
    page = is_safe(made)
    assert [clean(hostile), "1"] in page.cells
    assert f"Hello {clean(hostile)}," in "".join(page.words)
    assert f"Hello {clean(hostile)}," in made.text
    assert clean(hostile) in " ".join(made.subject.split("\n"))


def test_the_organisation_is_escaped_too_and_its_logo_is_a_part_of_the_message() -> None:
    made = notice("test").render(example("test"), ORGANISATION, now=NOW)
    assert "A &amp; B &lt;Cloud&gt;" in made.html
    assert "1 &lt; 2" in made.html
    assert f'src="cid:{LOGO}"' in made.html
    assert 'href="mailto:help@example.org"' in made.html
    assert "\n-- \nA & B <Cloud>\nQuestions? help@example.org\n1 < 2\n" in made.text
    bare = notice("test").render(example("test"), Organisation(name=""), now=NOW)
    assert "<img" not in bare.html
    assert "Questions?" not in bare.html + bare.text


@pytest.mark.parametrize(
    ("support", "target"),
    [
        ("help@example.org", "mailto:help@example.org"),
        ("https://help.example.org/?a=b", "https://help.example.org/?a=b"),
        ("javascript:alert(1)", None),
        ("a@example.org?bcc=b@example.org", None),
        ("extension 4242", None),
    ],
)
def test_support_is_linked_if_it_is_an_address(support: str, target: str | None) -> None:
    made = notice("test").render(example("test"), Organisation(support=support), now=NOW)
    links = [given["href"] for tag, given in Page(made.html).tags if tag == "a"]
    assert links == ([target] if target else [])
    assert support in made.text


def test_colours_are_the_organisations() -> None:
    colours = Colours(accent="#aa0044", background="#fafafa")
    made = notice("test").render(example("test"), Organisation(colours=colours), now=NOW)
    assert "background-color:#aa0044" in made.html
    assert "background-color:#fafafa" in made.html


def test_what_every_notice_has_is_shown_by_the_layouts() -> None:
    note = "Call us <now>.\n\n{{ 1 }} second"
    common = {"recipient": "Zoë", "cloud": "north", "note": note, "campaign": "k-1"}
    made = notice("test").render({**example("test"), **common}, ORGANISATION, now=NOW)
    assert "Hello Zoë,\n\n" in made.text
    assert "\n\nCall us <now>.\n\n{{ 1 }} second\n\n-- \n" in made.text
    assert "Reference: k-1" in made.text
    shown = "".join(Page(made.html).words)
    for said in ("Hello Zoë,", "Call us <now>.", "{{ 1 }} second", "Reference: k-1"):
        assert said in shown


def test_words_agree_with_numbers_and_dates_are_read_by_people() -> None:
    given = {**example("hypervisor_maintenance"), "servers": [{"name": "web-1"}]}
    given |= {"starts_at": "2026-12-31T23:30:00-01:00", "ends_at": None, "effect": "moved"}
    made = notice("hypervisor_maintenance").render(given, ORGANISATION, now=NOW)
    assert made.subject == "Maintenance on 1 January 2027 affects 1 server of yours"
    assert "that 1 server of yours runs on." in made.text
    assert "1 January 2027, 00:30 UTC" in made.text
    assert "Ends" not in made.text
    assert "stay up" in made.html


def test_a_table_is_rows_in_the_text_if_they_fit_and_blocks_if_not() -> None:
    rows = [{"a": "x", "size": 2048, "at": "2026-11-20T09:30:00Z"}]
    table = Table(("a", "size", "at"), rows, units={"size": "MiB", "at": "time"})
    given = {"subject": "s", "sentences": "One.", "table": as_variable(table)}
    made = notice("query").render(given, Organisation(), now=NOW)
    assert "A   SIZE  AT\nx  2 GiB  2026-11-20 09:30 (1d)\n\nTimes are in UTC.\n" in made.text
    rows[0]["a"] = "y" * 80
    given["table"] = as_variable(Table(("a", "size", "at"), rows, units={"size": "MiB"}))
    made = notice("query").render(given, Organisation(), now=NOW)
    assert f"A     {'y' * 80}\nSIZE  2 GiB\nAT    2026-11-20T09:30:00Z\n" in made.text
    assert "UTC" not in made.text


def test_a_column_that_no_row_has_is_not_shown() -> None:
    given = {"servers": [{"name": "a", "fault": None}, {"name": "b", "project": "p"}]}
    made = notice("errored_servers").render(given, Organisation(), now=NOW)
    assert "FAULT" not in made.text + made.html
    assert same_rows(made) == [["a", ""], ["b", "p"]]


def test_both_parts_count_ages_from_the_same_moment() -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    at = (now - datetime.timedelta(seconds=59.9)).isoformat()
    for _ in range(20):
        given = {"servers": [{"name": "a", "since": at}]}
        same_rows(notice("errored_servers").render(given, Organisation()))
