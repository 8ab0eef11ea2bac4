"""Several addresses wherever one is read: of users, contacts, operators, and in parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.mail_cloud import MailCloud, left, mail_cloud, project, server, told, user

ALL = {"all_projects": True}
SEVERAL = [
    "ann@example.org, Lee@example.org",
    "ann@example.org;lee@example.org",
    "Ann <ann@example.org>; <lee@example.org>",
    ["ann@example.org", "lee@example.org"],
]


@pytest.fixture
def cloud() -> Iterator[MailCloud]:
    with mail_cloud() as cloud:
        cloud.rows["server"] = [server("web-1")]
        yield cloud


def lower(sent: dict[str, Any]) -> list[str]:
    return sorted(address.lower() for address in sent)


@pytest.mark.parametrize("email", SEVERAL, ids=str)
def test_a_user_with_several(cloud: MailCloud, email: Any) -> None:
    cloud.rows["user"] = [user("ann", email=email)]
    sent = cloud.send("shutoff_servers", **ALL)
    assert lower(sent) == ["ann@example.org", "lee@example.org"]
    assert all("web-1" in told(message) for message in sent.values())


def test_one_of_several_is_not_valid(cloud: MailCloud) -> None:
    cloud.rows["user"] = [user("ann", email="ann@example.org; lee@")]
    shown = cloud.plan("shutoff_servers", **ALL)
    assert left(shown) == {"ann (shop: web-1)": "address is not valid: lee@"}
    assert "ann@example.org: " in shown["text"]


@pytest.mark.parametrize("held", [*SEVERAL, '["ann@example.org", "lee@example.org"]'], ids=str)
def test_contacts_of_a_project(cloud: MailCloud, held: Any) -> None:
    cloud.rows["project"] = [project("shop", mail=held)]
    cloud.email["contact_property"] = "mail"
    sent = cloud.send("shutoff_servers", owner="project_contact", **ALL)
    assert lower(sent) == ["ann@example.org", "lee@example.org"]


def test_contacts_with_names_in_a_tag(cloud: MailCloud) -> None:
    tag = 'contact:"Smith, Ann" <ann@example.org>; lee@example.org'
    cloud.rows["project"] = [project("shop", tags=[tag])]
    sent = cloud.send("shutoff_servers", owner="project_contact", **ALL)
    assert lower(sent) == ["ann@example.org", "lee@example.org"]


def test_a_column_with_several(cloud: MailCloud) -> None:
    cloud.rows["project"] = [project("shop", mail=["ann@example.org", "lee@example.org"])]
    given: dict[str, Any] = {"resource": "project", "owner_column": "properties.mail"}
    sent = cloud.send("query", subject="s", text="t", select=["name"], **given)
    assert lower(sent) == ["ann@example.org", "lee@example.org"]


def test_copies_as_a_form_splits_them(cloud: MailCloud) -> None:
    copies = ['"Smith', ' Cid" <cid@example.org>', "dan@example.org; eva@example.org"]
    cloud.ask("shutoff_servers", dry_run=False, cc=copies, bcc=["fay@example.org"], **ALL)
    assert [mail.recipient for mail in cloud.smtp.accepted] == [
        *("ann@example.org", "cid@example.org", "dan@example.org", "eva@example.org"),
        "fay@example.org",
    ]


@pytest.mark.long
def test_a_rehearsal_to_several(cloud: MailCloud) -> None:
    to = "Ops <ops@example.org>; night@example.org"
    kind, _ = cloud.ask("shutoff_servers", dry_run=False, override_recipient=to, **ALL)
    assert kind == "done"
    first, second = cloud.smtp.accepted
    assert [first.recipient, second.recipient] == ["ops@example.org", "night@example.org"]
    assert first.message_id == second.message_id, "one message to both"


def test_operators_of_whom_there_are_several(cloud: MailCloud) -> None:
    cloud.email["operators"] = "Ops <ops@example.org>, night@example.org"
    cloud.rows["server"] += [server("web-2", "gone")]
    sent = cloud.send("shutoff_servers", tell_operators=True, **ALL)
    assert lower(sent) == ["ann@example.org", "night@example.org", "ops@example.org"]
    assert "web-2" in told(sent["night@example.org"])


@pytest.mark.parametrize("order", ["a@x.org; B@x.org", "Bob <b@x.org>, a@x.org"])
def test_a_letter_to_several_is_one_campaign_in_any_order(cloud: MailCloud, order: str) -> None:
    sent = cloud.send("list_notice", to="a@x.org,b@x.org", subject="s", text="t")
    assert lower(sent) == ["a@x.org", "b@x.org"]
    assert cloud.send("list_notice", to=order, subject="s", text="t") == {}


def test_one_that_is_not_valid_among_several_is_said(cloud: MailCloud) -> None:
    why = cloud.refusal("list_notice", to="a@x.org; b@", subject="s", text="t")
    assert "'b@' is not a mail address" in why
