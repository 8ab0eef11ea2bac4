"""server.history and server.console_log: what is shown, and what is not where it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import read
from support.fake_cloud_tables import Tables
from workflow_api import CloudError, Table


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("web-1")]) as fake:
        person = {"id": "user-1", "name": "ann\x1b[31m", "domain_id": "default"}
        fake.part(Tables).users.append(person)
        yield fake


def begun(day: int) -> str:
    return f"2026-01-{day:02}T09:58:00.000000"


def history(fake: FakeCloud, **options: int) -> Table:
    return read(fake.account(), "server.history", server="web-1", **options)


# -- history -----------------------------------------------------------------------------------


def test_each_action_with_who_when_how_long_and_how_it_ended(fake: FakeCloud) -> None:
    server, power = fake.server("web-1"), fake.nova.power
    power.record(server, "create", begun=begun(1))
    power.finish(power.record(server, "reboot", begun=begun(1), over=False), "libvirt\nwent away")
    power.record(server, "stop", begun=begun(2), over=False)
    table = history(fake)
    shown = [
        {key: row[key] for key in ("when", "action", "result", "took", "user", "why")}
        for row in table.rows
    ]
    whole = {"user": "ann", "took": None, "why": None}
    assert shown == [
        {**whole, "when": "2026-01-02T09:58:00Z", "action": "stop", "result": "under way"},
        {
            **whole,
            "when": "2026-01-01T09:58:00Z",
            "action": "reboot",
            "result": "error",
            "took": "2m5s",
            "why": "libvirt went away",
        },
        {
            **whole,
            "when": "2026-01-01T09:58:00Z",
            "action": "create",
            "result": "success",
            "took": "2m5s",
        },
    ]
    assert table.summary == "3 actions of web-1"
    assert {row["hosts"] for row in table.rows} == {"cmp-1"}


def test_only_what_is_shown_is_asked_for(fake: FakeCloud) -> None:
    for day in range(1, 31):
        fake.nova.power.record(fake.server("web-1"), "reboot", begun=begun(day))
    table = history(fake, limit=5)
    assert [row["when"][:10] for row in table.rows] == [
        f"2026-01-{day}" for day in range(30, 25, -1)
    ]
    assert table.summary == "the newest 5 of 30 actions of web-1"
    assert fake.count("/os-instance-actions/") == 5
    assert fake.count("/identity/v3/users") == 1, "one person asked for all of them"


def test_who_is_no_more_goes_by_the_id(fake: FakeCloud) -> None:
    fake.part(Tables).users.clear()
    fake.nova.power.record(fake.server("web-1"), "reboot")
    assert [row["user"] for row in history(fake).rows] == ["user-1"]


def test_what_could_not_be_read_is_said_to_be_missing(fake: FakeCloud) -> None:
    fake.nova.power.record(fake.server("web-1"), "stop")
    fake.nova.power.record(fake.server("web-1"), "start")
    fake.fail("/os-instance-actions/", 403)
    fake.fail("/identity/v3/users", 403)
    table = history(fake)
    assert sorted(row["result"] for row in table.rows) == ["not known", "success"]
    assert [row["user"] for row in table.rows] == ["user-1", "user-1"]
    assert not table.complete


# -- the console -------------------------------------------------------------------------------


def test_the_last_lines_without_what_drives_a_terminal(fake: FakeCloud) -> None:
    fake.server("web-1").console = (
        "boot\r\n  [\x1b[32m OK \x1b[0m] up\x1b]0;gotcha\x07\r\n\x9b2Jlogin:\u202e \x00\n"
    )
    table = read(fake.account(), "server.console_log", server="web-1", lines=2)
    assert [row["line"] for row in table.rows] == ["  [ OK ] up", "2Jlogin:"]
    assert table.summary == "2 lines of the console of web-1"
    assert fake.asked("/action")[0].body == {"os-getConsoleOutput": {"length": 2}}


@pytest.mark.long
def test_a_console_is_read_again_where_the_answer_was_lost(fake: FakeCloud) -> None:
    fake.server("web-1").console = "login:"
    fake.fail("/action", cut=True)
    table = read(fake.account(), "server.console_log", server="web-1")
    assert [row["line"] for row in table.rows] == ["login:"]


def test_no_console(fake: FakeCloud) -> None:
    empty = read(fake.account(), "server.console_log", server="web-1")
    assert empty.summary == "the console of web-1 is empty"
    said = {"conflictingRequest": {"message": "Instance is not ready", "code": 409}}
    fake.fail("/action", 409, body=said)
    with pytest.raises(CloudError, match="not ready"):
        read(fake.account(), "server.console_log", server="web-1")
