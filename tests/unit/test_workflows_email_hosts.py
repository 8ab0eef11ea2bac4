"""Mail about hypervisors, to lists, of any query, and tests: what is asked, told and refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud_estate import Hypervisor
from support.mail_cloud import OPERATORS, MailCloud, left, mail_cloud, server, told, user
from workflow_api import UserError
from workflows.email.hosts import parse_window

LATER = "2999-12-01 22:00 for 4h"


@pytest.fixture
def cloud() -> Iterator[MailCloud]:
    with mail_cloud() as cloud:
        cloud.hypervisors = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
        elsewhere = {"OS-EXT-SRV-ATTR:hypervisor_hostname": "cmp-2"}
        cloud.rows["server"] = [
            server("web-1"),
            server("web-2", "bob"),
            server("elsewhere", **elsewhere),
            server("kept", metadata={"openstack_ops:protected": "true"}),
        ]
        yield cloud


# -- hypervisors -------------------------------------------------------------------------------


@pytest.mark.long
def test_work_on_a_hypervisor_is_told_to_all_owners_there(cloud: MailCloud) -> None:
    asked = {"hypervisor": "cmp-1", "notice": "maintenance", "window": LATER}
    plan = cloud.plan("hypervisor_notice", **asked)
    assert "of work on it from 2999-12-01 22:00 to 2999-12-02 02:00 UTC" in plan["text"]
    sent = cloud.send("hypervisor_notice", **asked)
    ann = told(sent["ann@example.org"])
    assert "elsewhere" not in ann
    assert "kept" in ann, "a protected server is worked on too"
    assert "are down during this time" in ann
    assert "web-2" in told(sent["bob@example.org"])
    moved = cloud.send("hypervisor_notice", effect="moved", campaign="m", **asked)
    assert "stay up" in told(moved["ann@example.org"])


@pytest.mark.long
def test_a_fault_of_a_hypervisor(cloud: MailCloud) -> None:
    sent = cloud.send("hypervisor_notice", hypervisor="cmp-2", notice="fault")
    assert list(sent) == ["ann@example.org"]
    said = {"hypervisor": "cmp-2", "notice": "fault", "campaign": "since"}
    (message,) = cloud.send("hypervisor_notice", window="2026-01-02 03:04", **said).values()
    assert "since 2 January 2026, 03:04 UTC" in told(message)


def test_windows_that_do_not_fit(cloud: MailCloud) -> None:
    def why(**asked: Any) -> str:
        return cloud.refusal("hypervisor_notice", **{"hypervisor": "cmp-1", **asked})

    assert "Work has a window" in why(notice="maintenance")
    assert "only since when" in why(notice="fault", window=LATER)
    over = "2020-01-01 22:00 for 4h"
    assert "is over" in why(notice="maintenance", window=over)
    assert "no hypervisor 'cmp-9'" in why(notice="fault", hypervisor="cmp-9")
    past = cloud.plan(
        "hypervisor_notice",
        hypervisor="cmp-1",
        notice="maintenance",
        window=over,
        allow_past=True,
    )
    assert "bob@example.org: " in past["text"]


@pytest.mark.long
def test_the_report_names_the_down_and_the_disabled(cloud: MailCloud) -> None:
    plan = cloud.plan("hypervisor_report")
    assert "nothing to tell" in plan["text"]
    cloud.hypervisors[0].status, cloud.hypervisors[0].reason = "disabled", "new =RAM"
    cloud.hypervisors[1].state = "down"
    sent = cloud.send("hypervisor_report")
    (to, message), *_ = sent.items()
    assert (to, len(sent)) == (OPERATORS, 1)
    lines = [line for line in told(message).splitlines() if line.startswith("cmp-")]
    assert "new =RAM" in lines[0] + lines[1]
    assert ("disabled" in lines[0], "down" in lines[1]) == (True, True)
    assert list(cloud.send("hypervisor_report", to="me@example.org")) == ["me@example.org"]
    assert cloud.send("hypervisor_report") == {}, "they know it"
    cloud.hypervisors[0].reason = "new disks"
    assert list(cloud.send("hypervisor_report")) == [OPERATORS]
    del cloud.email["operators"]
    assert "Nobody to tell" in cloud.refusal("hypervisor_report")


# -- lists, queries, tests ---------------------------------------------------------------------


@pytest.mark.long
def test_an_announcement_with_a_table(cloud: MailCloud) -> None:
    words = {"to": "users@lists.example.org", "subject": "News: <all>", "text": "One.\nTwo."}
    (message,) = cloud.send(
        "list_notice",
        resource="server",
        select=["name", "status"],
        where="name != kept",
        unsubscribe="https://lists.example.org/leave",
        **words,
    ).values()
    assert message["Subject"] == "News: <all>"
    assert message["List-Unsubscribe"] == "<https://lists.example.org/leave>"
    said = told(message)
    assert "One." in said
    assert "web-1" in said
    assert "kept" not in said
    assert len(cloud.send("list_notice", campaign="plain", **words)) == 1
    assert "asked for without resource" in cloud.refusal("list_notice", where="name = x", **words)
    assert "not a mail address" in cloud.refusal("list_notice", **{**words, "to": "users@"})


def test_any_query_with_the_operator_s_words(cloud: MailCloud) -> None:
    asked = {"resource": "server", "subject": "Yours", "text": "Look."}
    shown = ["name", "since=updated_at", "project=project.name"]
    sent = cloud.send("query", select=shown, where="name != kept", **asked)
    head = next(line for line in told(sent["bob@example.org"]).splitlines() if "NAME" in line)
    assert head.split() == ["NAME", "SINCE", "PROJECT"]
    assert "shop" in told(sent["bob@example.org"])
    assert "@" not in told(sent["bob@example.org"]), "owners are found, not shown"


@pytest.mark.long
def test_any_query_with_any_notice(cloud: MailCloud) -> None:
    asked = {
        "resource": "server",
        "notice": "retiring_flavor",
        "select": ["name", "id", "project=project.name", "created_at"],
        "variables": "{flavor: m1.old, end_date: 2999-01-31}",
    }
    sent = cloud.send("query", **asked)
    assert "m1.old" in sent["ann@example.org"]["Subject"]
    assert "end_date is missing" in cloud.refusal("query", **{**asked, "variables": "flavor: x"})
    assert "variables is YAML" in cloud.refusal("query", **{**asked, "variables": "[1"})
    assert "has none" in cloud.refusal("query", **{**asked, "notice": "test"})
    assert "Did you mean" in cloud.refusal("query", **{**asked, "notice": "retiring_flavour"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{older_than: 2026-02-30}", "a value is not right, as a date that there is not"),
        ("{older_than: !!bool maybe}", "a value is not right"),
        ("{older_than: !!binary aGk=}", "cannot be written in a mail"),
        ("{older_than: !!set {a}}", "cannot be written in a mail"),
        ("{older_than: {1: a, b: c}}", "a name has to be a text, and 1 is none"),
        ("{1: a}", "a name has to be a text"),
        ("{older_than: .nan}", "nan is no number"),
        ("{older_than: &x [*x]}", "refers to itself"),
        ("[" * 500, "nested too deeply"),
        ("{a: " + "[" * 50 + "]" * 50 + "}", "nested too deeply"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n"
                for a, b in zip("abcdef", "bcdefg", strict=True)
            ),
            "its aliases make too much of it",
        ),
        ("{older_than: [}", "line 1: "),
        ("30 days", "as '{older_than: 30 days}'."),
    ],
)
def test_variables_that_are_none_are_refused_with_a_sentence(
    cloud: MailCloud, text: str, said: str
) -> None:
    asked = {"resource": "server", "notice": "shutoff_servers", "select": ["name", "id"]}
    refused = cloud.refusal("query", variables=text, **asked)
    assert refused.startswith("variables is YAML or JSON with names and values")
    assert said in refused
    assert ".." not in refused


def test_a_day_among_the_variables_is_a_text(cloud: MailCloud) -> None:
    asked = {"resource": "server", "notice": "shutoff_servers", "select": ["name", "id"]}
    plan = cloud.plan("query", variables="{older_than: 2026-02-03}", **asked)
    assert "more than 2026-02-03" in plan["text"]


def test_the_owner_stands_in_a_column(cloud: MailCloud) -> None:
    cloud.rows["user"] += [user("off", enabled=False)]
    words = {"subject": "Hello", "text": "You."}
    plan = cloud.plan("query", resource="user", select=["name"], owner_column="email", **words)
    assert left(plan) == {"off (off)": "user is disabled: off@example.org"}
    cloud.rows["server"] = [server("a", metadata={"mail": "eva@example.org, carl@example.org"})]
    by_key = {"resource": "server", "owner_column": "metadata.mail", **words}
    assert sorted(cloud.send("query", **by_key)) == ["carl@example.org", "eva@example.org"]
    assert "do not lead to a user" in cloud.refusal("query", resource="hypervisor", **words)


def test_groups_have_an_owner_if_its_columns_are_among_them(cloud: MailCloud) -> None:
    asked = {"resource": "server", "aggregate": "count", "subject": "How many", "text": "So many."}
    owner = "user.email, user.name, user.enabled"
    assert "group_by has" in cloud.refusal(
        "query", group_by="user.email", owner_column="user.email", **asked
    )
    sent = cloud.send("query", group_by=owner, owner_column="user.email", **asked)
    assert sorted(sent) == ["ann@example.org", "bob@example.org"]


@pytest.mark.long
def test_a_test_can_be_repeated(cloud: MailCloud) -> None:
    ids = {str(cloud.send("test", to="me@example.org")["me@example.org"]["Message-ID"])}
    ids.add(str(cloud.send("test", to="me@example.org")["me@example.org"]["Message-ID"]))
    assert len(ids) == 2
    again = {"to": "me@example.org", "campaign": "one"}
    assert (len(cloud.send("test", **again)), len(cloud.send("test", **again))) == (1, 0)
    shown = cloud.plan("test", to="me@example.org")
    kind, result = cloud.apply(shown["run"])
    assert kind == "done", result["summary"]
    assert len(cloud.smtp.accepted) == 4


# -- windows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ("2026-12-01 22:00 for 4h", "2026-12-01T22:00:00Z", "2026-12-02T02:00:00Z"),
        ("2026-12-01T22:00+01:00 90m", "2026-12-01T21:00:00Z", "2026-12-01T22:30:00Z"),
        ("  2026-12-01 22:00Z  for 1h 30m ", "2026-12-01T22:00:00Z", "2026-12-01T23:30:00Z"),
        ("2026-12-01T22:00:30", "2026-12-01T22:00:30Z", None),
        ("2026-12-01", "2026-12-01T00:00:00Z", None),
    ],
)
def test_windows(given: str, start: str, end: str | None) -> None:
    assert parse_window(given) == (start, end)


@pytest.mark.parametrize(
    "wrong", ["tomorrow", "2026-12-01 for", "2026-12-01 22:00 for 4", "2026-13-01 for 4h", "x" * 99]
)
def test_windows_that_are_none(wrong: str) -> None:
    with pytest.raises(UserError, match="window is a start and a length"):
        parse_window(wrong)
