"""The small parts: durations, text, tables, redaction, results, parameters, stop and lease."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.redaction import Redactor
from common.result import Result, cap, plain
from common.text import shorten, width
from engine.lease import Lease
from engine.parameters import bind
from engine.stop import Stop
from state.journal import Journal
from support import sample_runbooks as toys
from workflow_api import (
    Context,
    Duration,
    Interrupted,
    LeaseLost,
    Plan,
    Table,
    UserError,
    clean,
    count,
    humanize,
    listed,
    near,
)
from workflow_api.workflow import workflow, workflow_named

# -- durations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("90m", 5400), ("1h30m", 5400), ("1.5d", 129600), (" 1h 5s", 3605)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "90", 90, "-1h", "1 hour", "h", "1h-", None, "9" * 400 + "d"])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|longer than"):
        Duration.parse(text)


@given(st.floats(0, 6e8).map(lambda seconds: round(seconds, 3)))
def test_a_stored_duration_is_read_back_as_it_was(seconds: float) -> None:
    assert Duration.parse(str(Duration(seconds))) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (3.44, "3.4s"), (59.97, "1m"), (750, "12m30s"), (187200.4, "2d4h"), (3601, "1h1s")],
)
def test_humanize(seconds: float, text: str) -> None:
    assert humanize(seconds) == text


# -- text and tables ---------------------------------------------------------------------------

HOSTILE = "we\x1b[31mb\x1b]0;owned\x07-1\r\nrm\u202e\x9b2J\ud800"


def test_clean() -> None:
    assert clean(HOSTILE) == "web-1 rm2J"
    assert (count(1, "host"), count(2, "host"), count(0, "entry", "entries")) == (
        "1 host", "2 hosts", "0 entries")  # fmt: skip
    assert listed("abcdef", 4) == "a, b, c, d and 2 more"
    assert near("WEB-1", ["web-1", "web-2", "db"])[0] == "web-1"


@given(st.text(), st.integers(1, 30))
def test_shorten(text: str, columns: int) -> None:
    assert width(shorten(text, columns)) <= columns


def table() -> Table:
    rows = [
        {"name": HOSTILE, "n": 3, "up": True, "id": "1"},
        {"name": "日本語" * 20, "n": None, "tags": ["a", "b"], "id": "2"},
        {"name": "<b>|`[x](y)`\\|", "n": -1.5, "tags": {"k": "v"}},
    ]
    return Table(
        ("name", "n", "up", "tags"), rows, f"Servers {clean(HOSTILE)}\nof \x1b[1mall", extra=("id",)
    )


def test_text_keeps_to_its_width() -> None:
    lines = table().render(columns=40).splitlines()
    assert max(map(width, lines)) <= 40
    assert lines[:2] == ["Servers web-1 rm2J", "of all"]
    assert not any(ord(c) < 32 for line in lines for c in line)
    wide = Table([f"column_{n}" for n in range(12)], [{f"column_{n}": "x" * 30 for n in range(12)}])
    assert max(map(width, wide.render(columns=80).splitlines())) <= 80
    assert "yes" in table().render()


def test_html_and_markdown_are_escaped() -> None:
    assert "&lt;b&gt;|" in table().render("html")
    assert "<b>" not in table().render("html")
    row = table().render("markdown").splitlines()[-1]
    assert row.startswith(r"| &lt;b&gt;\|\`\[x\](y)\`\\\| |")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\uff1d"])
def test_no_cell_is_a_formula(start: str) -> None:
    text = Table(("a", "b"), [{"a": f"{start}1+1", "b": -1}]).render("csv")
    _, (cell, number) = csv.reader(io.StringIO(text))
    assert (cell[0], number) == ("'", "-1")


def test_machines_get_the_extra_columns() -> None:
    assert table().render("csv").splitlines()[0] == "name,n,up,tags,id"
    assert Table(("a",), [], extra=("b",)).render("csv") == "a,b\n"
    assert json.loads(table().render("json"))[0]["id"] == "1"
    assert "ID" not in table().render().splitlines()[2]


# -- redaction and results ---------------------------------------------------------------------


def test_secrets_are_taken_out() -> None:
    redactor = Redactor(
        {
            "clouds": [{"auth": {"password": "hunter2'2", "username": "ann"}}],
            "state_url": "mariadb://ops:s3cr%40ts@db/x",
            "short": {"token": "abc"},
        }
    )
    assert redactor.text("login hunter2'2 failed") == "login ******** failed"
    assert "hunter2" not in redactor.text(repr({"p": "hunter2'2"}) + repr("hunter2'2\""))
    for shown in ("s3cr%40ts", "s3cr@ts"):
        assert redactor.text(f"access denied: {shown}") == "access denied: ********"
    assert redactor.text("http://me:pw@host/") == "http://me:********@host/"
    data = {"password": "x", "bypass": "no", "n": 1, "list": [{"auth_token": "y"}], "hunter2'2": 1}
    assert redactor.data(data) == {
        "password": "********", "bypass": "no", "n": 1, "list": [{"auth_token": "********"}],
        "********": 1}  # fmt: skip


def test_anything_becomes_plain_json() -> None:
    odd = {
        1: {2},
        "x": object,
        "nan": float("inf"),
        "big": 2**64,
        "b": b"x",
        "s": "\ud800",
        "t": (1,),
    }
    shown = plain(odd)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert (shown["1"], shown["nan"], shown["big"], shown["s"]) == ([2], "inf", str(2**64), "?")


@pytest.mark.parametrize("limit", [300, 1_000_000])
def test_what_a_person_reads_comes_first_and_what_fills_screens_last(limit: int) -> None:
    rows = [{"what": "x" * 100}] * 20
    shown = cap(Result(summary="s", text="t" * 1000, rows=rows, changed=rows).as_dict(), limit)
    assert ([*shown][:2], [*shown][-1]) == (["summary", "text"], "rows")


def test_a_summary_that_repeats_a_long_value_is_shortened_and_the_text_is_not() -> None:
    said = f"ports: {'1' * 5000} is no port."
    shown = cap(Result(summary=said, text=said).as_dict())
    assert (len(shown["summary"]), shown["summary"][-1]) == (2000, "…")
    assert (shown["text"], shown["complete"]) == (said, True)


@given(st.lists(st.text(max_size=300), max_size=60), st.integers(2000, 5000))
def test_a_result_is_cut_to_its_limit(texts: list[str], limit: int) -> None:
    rows = [{"what": text} for text in texts]
    result = Result(summary="s" * 50, text="".join(texts), rows=rows, changed=rows, failed=rows)
    capped = cap(result.as_dict(), limit)
    assert len(json.dumps(capped, ensure_ascii=False).encode()) <= limit
    assert capped["complete"] is not bool(capped["truncated"])
    for name in ("rows", "changed", "failed"):
        assert len(capped[name]) + capped["truncated"].get(name, 0) == len(texts)


# -- parameters --------------------------------------------------------------------------------


@workflow("toy.parameters")
def parameters(
    ctx: Context,
    yard: toys.Yard,
    name: str,
    color: Literal["green", "red"] = "green",
    wait: Duration = Duration(60),  # noqa: B008 - a float
    many: int = 1,
    size: Literal[1, 2] | None = None,
    some: list[str] = [],  # noqa: B006 - never changed
) -> Plan:
    """Take one of each."""
    return Plan("Nothing")


def bound(**given: Any) -> Any:
    return bind(workflow_named("toy.parameters"), given, lambda kind, name: kind(name or "home"))


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(toys.WORLD, "/nowhere")


def test_parameters_are_typed_and_stored_as_they_are_given() -> None:
    call = bound(name="a", wait="1h30m5s", yard="far", many=None, dry_run=True, deadline="60")
    assert call.arguments["wait"] == 5405
    assert call.arguments["yard"].name == "far"
    assert call.plain == {
        "yard": "far", "name": "a", "color": "green", "wait": "1h30m5s", "many": 1, "size": None,
        "some": [],
    }  # fmt: skip
    assert bound(**call.plain).request == call.request
    assert bound(name="b").request != bound(name="a").request


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "toy.parameters needs name."),
        ({"name": "a", "colour": "red"}, "no parameter 'colour'. Did you mean color?"),
        ({"name": "a", "zzz": 1}, "It takes yard, name, color, wait, many, size, some."),
        ({"name": 3}, "name: Expected `str`, got `int`."),
        ({"name": "a", "color": "gren"}, "one of green, red, not 'gren'. Did you mean green?"),
        ({"name": "a", "size": 3}, "size is one of 1, 2, not '3'."),
        ({"name": "a", "wait": "90"}, "wait: '90' is not a duration"),
        ({"name": "a", "many": "3"}, "many: Expected `int`, got `str`."),
        ({"name": "a", "some": [1]}, "some: Expected `str`, got `int` - at `$[0]`."),
        ({"name": "a", "yard": 5}, "yard is a name in the configuration, not 5."),
        ({"name": "a", "output": "csv"}, "no parameter 'output'."),
    ],
)  # fmt: skip
def test_what_is_not_right_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        bound(**given)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["nonesuch.verb", "os.system", "../x", "server", "a.b;c"])
def test_only_workflows_are_ever_found(name: str) -> None:
    with pytest.raises(UserError):
        workflow_named(name)


# -- stop and lease ----------------------------------------------------------------------------


@pytest.mark.long
def test_a_stop_gives_running_steps_their_grace() -> None:
    stop = Stop(0.2)
    stop.wait(0.01)
    stop.request("interrupt", "SIGINT was received", insist=True)
    stop.wait(0.01)
    with pytest.raises(Interrupted, match="SIGINT was received"):
        stop.wait(5)
    stop.extend()
    stop.wait(0.01)


def test_who_insists_does_not_wait() -> None:
    stop = Stop(600)
    stop.request("cancel", "ann cancelled it")
    stop.request("interrupt", "its timeout is near")  # later, and no reason to hurry
    stop.wait(0.01)
    stop.request("interrupt", "SIGINT was received", insist=True)
    with pytest.raises(Interrupted, match="ann cancelled it"):
        stop.wait(5)
    assert stop.kind == "cancel"
    stop.request("lost", "its lease was lost")
    assert stop.kind == "lost"


class Renewals:
    """A journal of which only the renewal is asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def renew(self, *_: Any) -> str | None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return cast("str | None", answer)


def lease(journal: Renewals, stop: Stop, seconds: float = 0.2, **more: Any) -> Lease:
    return Lease(cast(Journal, journal), "run", 1, seconds, stop, **more)


def until(what: Any) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_fence_falls_with_the_lease() -> None:
    stop = Stop(600)
    held = lease(Renewals(), stop, 0.05)
    held.fence()
    time.sleep(0.06)
    with pytest.raises(LeaseLost):
        held.fence()
    assert stop.kind == "lost"
    assert not lease(Renewals(), Stop(1), since=0.0)._valid_until > 1


@pytest.mark.long
def test_a_lease_is_lost_by_its_journal_or_by_time() -> None:
    for answers in ([LeaseLost("run")], [OSError("no database")] * 1000):
        stop = Stop(600)
        with lease(Renewals(*answers), stop):
            until(lambda stop=stop: stop.kind == "lost")


@pytest.mark.long
def test_a_renewal_that_fails_once_costs_nothing() -> None:
    stop, journal = Stop(600), Renewals(OSError("no database"))
    with lease(journal, stop, 5.0) as held:
        held._beat = 0.01
        until(lambda: not journal.answers)
        held.fence()
    assert not stop.requested


@pytest.mark.long
def test_watchers_may_fail_or_hang_and_still_be_heeded() -> None:
    def breaks() -> str | None:
        raise OSError("no API")

    hang = threading.Event()
    stop = Stop(600)
    with lease(Renewals(), stop, 0.5, cancelled=[breaks, lambda: "the execution was cancelled"]):
        until(lambda: stop.requested)
    assert (stop.kind, stop.reason) == ("cancel", "the execution was cancelled")
    stop = Stop(600)
    with lease(Renewals(), stop, 0.5, cancelled=[lambda: str(hang.wait())]) as held:
        time.sleep(0.8)
        held.fence()  # renewed all the while
        assert not stop.requested
    hang.set()


def test_a_cancel_and_the_deadline_are_seen() -> None:
    stop = Stop(600)
    with lease(Renewals("ann"), stop):
        until(lambda: stop.kind == "cancel")
    stop = Stop(600)
    with lease(Renewals(), stop, 3600, deadline=time.monotonic() + 0.05):
        until(lambda: stop.requested)
    assert stop.reason == "its timeout is near"
