"""event.report, report.events, report.plan: operators are told once, and nothing else is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud_http import Answer, Request
from support.mail_cloud import MailCloud, mail_cloud, read, server, user
from support.mail_cloud import told as words
from support.runs import Silent
from support.told_events import an_event

pytestmark = pytest.mark.usefixtures("versions_asked_once")
HOSTILE = "{{ config_context }} <!here>\r\nBcc: eve@example.org"


@pytest.fixture(scope="module")
def post() -> Iterator[MailCloud]:
    with mail_cloud(server=[server("web-1")], user=[user("ann")]) as cloud:
        yield cloud


def ask(config: dict[str, Any], name: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
    return dispatch(name, {"dry_run": False, **parameters}, config, reporter=Silent())


def test_operators_get_one_mail_whoever_reports_the_event_again(post: MailCloud) -> None:
    config = post.config()
    told = an_event(config["state_url"], id="a" * 32, name=HOSTILE, state="DOWN")
    before = len(post.smtp.accepted)
    for trigger in ("t-1", "t-2"):
        kind, result = ask(config, "event.report", event=told["id"], trigger_id=trigger)
        assert kind == "done", result["summary"]
    (mail,) = post.smtp.accepted[before:]
    message = read(mail.data)
    assert mail.recipient == "ops@example.org"
    assert message["Bcc"] is None
    assert "is DOWN, was DRAINING" in str(message["Subject"])
    assert f"event {told['id']}" in words(message)


def test_a_webhook_gets_the_payload(post: MailCloud) -> None:
    heard: list[Request] = []

    def hear(request: Request) -> Answer:
        heard.append(request)
        return Answer({}, 202)

    post.route("POST /hook", hear)
    config = post.config(webhooks=[{"name": "chat", "url": f"{post.origin}/hook"}])
    told = an_event(config["state_url"], id="b" * 32)
    kind, result = ask(config, "event.report", event=told["id"], webhook="chat", no_mail=True)
    assert kind == "done", result["summary"]
    (request,) = heard
    assert request.body["event"] == told
    assert (request.body["id"], request.body["trigger"]) == (told["id"], "hypervisor_state")


def test_nobody_to_tell_and_no_such_event_are_refused(post: MailCloud) -> None:
    told = an_event(post.config()["state_url"], id="c" * 32)
    config = post.config(email={})
    kind, result = ask(config, "event.report", event=told["id"])
    assert (kind, "Nobody would be told" in result["summary"]) == ("refused", True)
    kind, result = ask(post.config(), "event.report", event="d" * 32)
    assert (kind, "no event" in result["summary"]) == ("refused", True)


def test_what_a_runbook_would_do_is_mailed_and_not_done(post: MailCloud) -> None:
    before = len(post.smtp.accepted)
    kind, result = ask(
        post.config(),
        "report.plan",
        action="email.shutoff_servers",
        parameters='{"older_than": "60d", "all_projects": true}',
    )
    assert kind == "done", result["summary"]
    (mail,) = post.smtp.accepted[before:]
    assert mail.recipient == "ops@example.org"
    message = read(mail.data)
    assert "email.shutoff_servers of cloud fake, region one: would make " in str(message["Subject"])
    assert "Nothing of it was done." in words(message)


def test_what_sensors_found_lately_is_one_mail(post: MailCloud) -> None:
    config = post.config()
    for number in range(3):
        an_event(config["state_url"], "drift", id=f"{number}" * 32, name=f"flavor/f-{number}/ram")
    before = len(post.smtp.accepted)
    kind, result = ask(config, "report.events", sensors=["drift", "quota_state"], within="1h")
    assert kind == "done", result["summary"]
    (mail,) = post.smtp.accepted[before:]
    message = read(mail.data)
    assert message["Subject"] == "3 events within 1h"
    assert words(message).count("difference flavor/f-") == 3
    kind, result = ask(config, "report.events", sensors=["quota_state"])
    assert kind == "done"
    assert "nothing was found within 1d" in result["text"]
    assert len(post.smtp.accepted) == before + 1
    kind, result = ask(config, "report.events", sensors=["drif"])
    assert (kind, "no sensor 'drif'" in result["summary"]) == ("refused", True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"action": "email.shutoff_servers", "parameters": "[1]"}, "is a JSON object"),
        ({"action": "email.shutoff_servers", "parameters": '{"odd": 1}'}, "no parameter 'odd'"),
        ({"action": "server.list"}, "changes nothing"),
        ({"action": "no.such"}, "no.such"),
    ],
)
def test_what_is_no_runbook_or_no_parameter_is_refused(
    post: MailCloud, given: dict[str, Any], says: str
) -> None:
    kind, result = ask(post.config(), "report.plan", **given)
    assert kind == "refused", result["summary"]
    assert says in result["summary"]
