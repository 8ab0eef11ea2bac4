"""Mail runbooks: who is told, who is not and why, and at what cost they are found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud_http import Answer, Request
from support.mail_cloud import (
    OPERATORS,
    MailCloud,
    left,
    mail_cloud,
    project,
    server,
    told,
    user,
)
from support.smtp_server import Fault

ALL = {"all_projects": True}


@pytest.fixture
def cloud() -> Iterator[MailCloud]:
    with mail_cloud() as cloud:
        yield cloud


@pytest.mark.long
def test_one_mail_a_person_with_all_their_servers(cloud: MailCloud) -> None:
    same = user("ann-admin", email="Ann@Example.org")
    cloud.rows["user"] += [same]
    cloud.rows["server"] = [server("web-2"), server("web-1"), server("db-1", "ann-admin")]
    cloud.rows["server"] += [server("web-3", "bob")]
    sent = cloud.send("shutoff_servers", **ALL)
    sent = {address.lower(): message for address, message in sent.items()}
    assert sorted(sent) == ["ann@example.org", "bob@example.org"]
    ann = told(sent["ann@example.org"])
    assert [word for word in ann.split() if word in ("db-1", "web-1", "web-2", "web-3")] == [
        "db-1",
        "web-1",
        "web-2",
    ]
    assert "web-3" in told(sent["bob@example.org"])
    assert told(sent["bob@example.org"]).startswith("Hello bob,")
    assert ann.startswith("Hello,"), "which of the two names is it?"


@pytest.mark.long
def test_who_cannot_be_told_is_said_and_told_to_the_operators(cloud: MailCloud) -> None:
    cloud.rows["user"] = [
        user("ann"),
        user("none", email=None),
        user("number", email=5),
        user("bad", email="bad@"),
        user("off", enabled=False),
        user("late"),
    ]
    owners = ["ann", "none", "number", "bad", "off", "deleted"]
    cloud.rows["server"] = [server(f"of-{owner}", owner) for owner in owners]
    cloud.rows["server"] += [
        server("of-late", "late", "no-more"),
        server("of-nobody", None),
    ]
    shown = cloud.plan("shutoff_servers", tell_operators=True, **ALL)
    assert left(shown) == {
        "none (shop: of-none)": "no address",
        "number (shop: of-number)": "no address",
        "bad (shop: of-bad)": "address is not valid: bad@",
        "off (shop: of-off)": "user is disabled: off@example.org",
        "user deleted (shop: of-deleted)": "user was not found",
        "late (no-more: of-late)": "project was not found: late@example.org",
        "nobody (shop: of-nobody)": "no owner",
    }
    sent = cloud.send("shutoff_servers", tell_operators=True, **ALL)
    assert sorted(sent) == ["ann@example.org", OPERATORS]
    said = told(sent[OPERATORS])
    assert all(f"of-{owner}" in said for owner in [*owners[1:], "late", "nobody"])
    assert "of-ann" not in said


@pytest.mark.long
def test_contacts_of_the_project_by_tag_or_property(cloud: MailCloud) -> None:
    cloud.rows["server"] = [
        server("web-1"),
        server("ml-1", project="lab"),
        server("x", project="y"),
    ]
    tags = ["prod", "contact:carl@example.org", "contact:dora@example.org"]
    both = "eva@example.org; Carl@example.org"
    cloud.rows["project"] = [project("shop", tags=tags), project("lab", mail=both), project("y")]
    sent = cloud.send("shutoff_servers", owner="project_contact", **ALL)
    assert sorted(sent) == ["carl@example.org", "dora@example.org"]
    cloud.email["contact_property"] = "mail"
    plan = cloud.plan("shutoff_servers", owner="project_contact", campaign="other", **ALL)
    assert sorted(left(plan)) == ["project shop (shop: web-1)", "project y (y: x)"]
    assert set(left(plan).values()) == {"project has no contact"}
    assert "eva@example.org: " in plan["text"]
    assert "carl@example.org: " in plan["text"].lower()


def test_members_with_a_role_all_in_one_request(cloud: MailCloud) -> None:
    roles = [{"id": "r1", "name": "member"}, {"id": "r2", "name": "reader"}]
    cloud.rows["role"] = roles

    def has(name: str, where: str, role: int = 0) -> dict[str, Any]:
        who = {"id": name, "name": name, "domain": {"id": "domain-1", "name": "Default"}}
        place = {"project": {"id": where, "name": where, "domain": {"id": "domain-1"}}}
        return {"user": who, "role": roles[role], "scope": place, "links": {}}

    projects = [f"p{number}" for number in range(40)]
    cloud.rows["project"] = [project(name) for name in projects]
    cloud.rows["server"] = [server(f"of-{name}", project=name) for name in projects]
    cloud.effective = [has("bob", name) for name in projects[1:]]
    cloud.effective += [has("ann", "p1"), has("ann", "p2", role=1), has("bob", "p3")]
    cloud.asked_for()
    plan = cloud.plan("shutoff_servers", owner="role", **ALL)
    assert cloud.asked_for() <= 9, "never a request a project or a person"
    assert left(plan) == {"project p0 (p0: of-p0)": "nobody has role member in the project"}
    assert "ann@example.org: 1 server of yours" in plan["text"]
    assert "bob@example.org: 39 servers of yours" in plan["text"]
    cloud.email["owner_role"] = "membre"
    assert "no role 'membre' in cloud fake. Did you mean member?" in cloud.refusal(
        "shutoff_servers", owner="role", **ALL
    )


@pytest.mark.long
def test_requests_do_not_depend_on_how_many_there_are(cloud: MailCloud) -> None:
    counts = []
    for many in (1, 300):
        cloud.rows["user"] = [user(f"u{n}") for n in range(many)]
        cloud.rows["server"] = [server(f"s{n}", f"u{n}") for n in range(many)]
        cloud.asked_for()
        cloud.plan("shutoff_servers", max_recipients=300, **ALL)
        counts.append(cloud.asked_for())
    assert counts[0] == counts[1] <= 5


def test_not_on_half_a_picture(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1")]
    cloud.rows["service"] = [
        {"id": "1", "binary": "nova-compute", "host": "cmp-9", "status": "UNKNOWN"}
    ]
    said = cloud.refusal("shutoff_servers", **ALL)
    assert "a part of the service (a cell) does not answer: what is on cmp-9 is missing" in said
    assert "allow_partial=true" in said
    plan = cloud.plan("shutoff_servers", allow_partial=True, **ALL)
    assert any("cmp-9" in why for why in left(plan).values())
    assert "ann@example.org: " in plan["text"]


@pytest.mark.long
def test_who_may_not_have_been_read_stays_pending(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1"), server("web-2", "bob")]
    cloud.smtp.fault(Fault("connect", reply="554 5.7.1 not you", close=True))
    assert cloud.ask("shutoff_servers", dry_run=False, **ALL)[0] == "failed"
    cloud.smtp.fault()
    del cloud.rows["server"][1]
    down = {"id": "1", "binary": "nova-compute", "host": "cmp-9", "status": "UNKNOWN"}
    cloud.rows["service"] = [down]
    plan = cloud.plan("shutoff_servers", allow_partial=True, **ALL)
    (skipped,) = plan["skipped"]
    assert skipped["what"] == "1 recipient (bob@example.org)"
    assert skipped["why"].endswith("may not have been read: it stays pending")
    assert cloud.ask("shutoff_servers", dry_run=False, allow_partial=True, **ALL)[0] == "done"
    (campaign,) = cloud.ask("campaign.list")[1]["rows"]
    assert (campaign["sent"], campaign["pending"]) == (1, 1)


def test_a_user_listing_that_fails_refuses_the_campaign(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1")]
    answer = cloud._answer

    def failing(request: Request) -> Answer:
        if request.path == "/identity/v3/users":
            return Answer({"error": {"code": 403, "message": "no"}}, 403)
        return answer(request)

    cloud._answer = failing  # type: ignore[method-assign]
    kind, result = cloud.ask("shutoff_servers", dry_run=False, **ALL)
    assert kind == "refused"
    assert "user of servers: Cloud fake: asking identity for /users: 403: no." in result["summary"]
    assert cloud.smtp.accepted == []
