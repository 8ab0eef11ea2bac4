"""One request is one campaign, however it is written, and another one is another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud_estate import Hypervisor
from support.mail_cloud import MailCloud, mail_cloud, project, server

pytestmark = pytest.mark.usefixtures("versions_asked_once")

SOON = f"{datetime.now(timezone.utc) + timedelta(days=30):%Y-%m-%d}"
SHOP, ALL = {"projects": ["shop"]}, {"all_projects": True}
IMAGE = {"image": "debian-12", "end_date": SOON}
FLAVOR = {"flavor": "m1.small", "end_date": SOON}
WORK = {"hypervisor": "cmp-1", "notice": "maintenance", "window": "2999-12-01 22:00 for 4h"}
LIST = {"to": "all@example.org", "subject": "News", "text": "All is well."}
LISTED = {**LIST, "resource": "server"}
ASK = {"resource": "server", "subject": "s", "text": "t"}
FILLED = {"resource": "server", "notice": "shutoff_servers", "select": ["name", "id"]}


@pytest.fixture
def cloud() -> Iterator[MailCloud]:
    with mail_cloud() as cloud:
        cloud.hypervisors = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
        cloud.rows["project"] = [project("shop"), project("lab", name="labor")]
        there = {"OS-EXT-SRV-ATTR:hypervisor_hostname": "cmp-2"}
        cloud.rows["server"] = [
            server("web-0", **there),
            server("web-1", "bob", "lab"),
            server("web-2", status="ERROR"),
            server("web-3", flavor={"original_name": "m1.small", "vcpus": 1, "ram": 1, "disk": 1}),
        ]
        cloud.rows["image"] = [{"id": "image-1", "name": "debian-12"}]
        cloud.rows["image"] += [{"id": "image-2", "name": "debian-13"}]
        cloud.rows["flavor"] = [{"id": "f-1", "name": "m1.small"}]
        cloud.rows["flavor"] += [{"id": "f-2", "name": "m2.small"}]
        yield cloud


def campaign(cloud: MailCloud, name: str, **parameters: Any) -> str:
    """Return the key of the campaign that a runbook plans."""
    said = str(cloud.plan(name, **parameters)["text"])
    return said.partition("The campaign is ")[2].partition(":")[0]


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("shutoff_servers", {"projects": ["shop", "lab"]}, {"projects": ["lab", "shop", "lab"]}),
        ("shutoff_servers", {"projects": ["lab"]}, {"projects": ["Default/labor"]}),
        ("shutoff_servers", ALL, {**ALL, "owner": "user"}),
        ("shutoff_servers", ALL, {**ALL, "older_than": "720h"}),
        ("shutoff_servers", ALL, {**ALL, "allow_partial": True, "tell_operators": True}),
        ("shutoff_servers", ALL, {**ALL, "note": "n", "cc": ["c@example.org"], "limit": 1}),
        ("errored_servers", ALL, {**ALL, "smtp": "other"}),
        ("retiring_image", IMAGE, {**IMAGE, "image": "image-1"}),
        ("retiring_image", IMAGE, {**IMAGE, "image": "an-12", "match": "contains"}),
        ("retiring_image", IMAGE, {**IMAGE, "allow_past": True, "end_date": f" {SOON} "}),
        (
            "retiring_image",
            {**IMAGE, "replacement": "debian-13"},
            {**IMAGE, "replacement": "image-2"},
        ),
        ("retiring_flavor", FLAVOR, {**FLAVOR, "flavor": "f-1"}),
        ("hypervisor_notice", WORK, {**WORK, "window": "2999-12-01T23:00+01:00 4h"}),
        ("hypervisor_notice", WORK, {**WORK, "allow_past": True}),
        ("hypervisor_notice", WORK, {**WORK, "hypervisor": "$id"}),
        ("list_notice", LIST, {**LIST, "to": "All <All@example.org> "}),
        ("list_notice", LIST, {**LIST, "allow_partial": True}),
        ("list_notice", {**LISTED, "where": "id = web-1"}, {**LISTED, "where": '(id = "web-1")'}),
        ("list_notice", LIST, {**LIST, "unsubscribe": "https://example.org/u", "smtp": "other"}),
        ("query", {**ASK, "select": ["id", "name"]}, {**ASK, "select": ["name", "id"]}),
        ("query", {**ASK, "where": "name = web-1"}, {**ASK, "where": " name = web-1 "}),
        ("query", {**ASK, "where": "name = web-1"}, {**ASK, "where": "(name equal_to 'web-1')"}),
        (
            "query",
            {**FILLED, "variables": "{older_than: 30 days}"},
            {**FILLED, "variables": '{"older_than": "30 days"}'},
        ),
        (
            "query",
            {**ASK, "owner_column": "user.email"},
            {**ASK, "owner_column": "user.email", "owner": "role"},
        ),
    ],
)
def test_the_same_written_otherwise_is_the_same_campaign(
    cloud: MailCloud, name: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    asked = cloud.config
    entry = cloud.smtp.account()

    def config(**more: Any) -> Any:
        accounts = [entry, {**entry, "name": "other"}]
        return {**asked(**more), "smtp_accounts": accounts, "default_smtp_account": "test"}

    cloud.config = config  # type: ignore[method-assign]
    if other.get("hypervisor") == "$id":
        other = {**other, "hypervisor": cloud.hypervisors[0].id}
    assert campaign(cloud, name, **one) == campaign(cloud, name, **other) != ""


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("shutoff_servers", SHOP, ALL),
        ("shutoff_servers", SHOP, {"projects": ["lab"]}),
        ("shutoff_servers", ALL, {**ALL, "older_than": "60d"}),
        ("shutoff_servers", ALL, {**ALL, "include_protected": True}),
        ("shutoff_servers", ALL, {**ALL, "owner": "project_contact"}),
        ("retiring_image", IMAGE, {**IMAGE, "image": "debian-13"}),
        ("retiring_image", IMAGE, {**IMAGE, "replacement": "debian-13"}),
        ("retiring_flavor", FLAVOR, {**FLAVOR, "end_date": "2999-01-01"}),
        ("hypervisor_notice", WORK, {**WORK, "hypervisor": "cmp-2"}),
        ("hypervisor_notice", WORK, {**WORK, "effect": "moved"}),
        ("hypervisor_notice", WORK, {"hypervisor": "cmp-1", "notice": "fault"}),
        ("list_notice", LIST, {**LIST, "to": "some@example.org"}),
        ("list_notice", LIST, {**LIST, "text": "All is lost."}),
        ("list_notice", LIST, {**LIST, "resource": "server"}),
        ("query", ASK, {**ASK, "where": "name = web-1"}),
        ("query", ASK, {**ASK, "owner": "project_contact"}),
    ],
)
def test_something_else_is_another_campaign(
    cloud: MailCloud, name: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert campaign(cloud, name, **one) != campaign(cloud, name, **other)


def test_what_one_account_did_not_manage_another_one_finishes(cloud: MailCloud) -> None:
    entry, config = cloud.smtp.account(), cloud.config()
    config["smtp_accounts"] = [{**entry, "name": "dead", "port": 1}, entry]
    for account, end in (("dead", "failed"), ("test", "done"), ("test", "done")):
        asked = {"dry_run": False, "smtp": account, **ALL}
        assert dispatch("email.shutoff_servers", asked, config)[0] == end
    assert sorted(mail.recipient for mail in cloud.smtp.accepted) == [
        "ann@example.org",
        "bob@example.org",
    ]


@pytest.mark.parametrize(("name", "asked"), [("test", {"to": LIST["to"]}), ("list_notice", LIST)])
def test_what_goes_elsewhere_to_be_looked_at_can_be_repeated(
    cloud: MailCloud, name: str, asked: dict[str, Any]
) -> None:
    for _ in range(2):
        sent = cloud.send(name, override_recipient="me@example.org", **asked)
        assert list(sent) == ["me@example.org"]
