"""What a mail campaign plans, shows and refuses; nothing is sent."""

from __future__ import annotations

import datetime
import email
import re
from collections.abc import Iterator
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.smtp import SmtpAccount
from campaigns.planning import campaign_key, recipient_key
from email_api.notices import Notice
from support.sample_mail import MailHouse, mail_house, people

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


class Nowhere:
    """A server that is not there: whoever plans needs none."""

    accepted: list[Any] = []  # noqa: RUF012 - never changed

    def account(self, **more: Any) -> dict[str, Any]:
        where = {"name": "test", "host": "localhost", "port": 1, "security": "none"}
        return {**where, "sender": "Cloud <cloud@example.org>", **more}


@pytest.fixture
def house() -> Iterator[MailHouse]:
    with mail_house(Nowhere()) as made:
        yield made


def planned(house: MailHouse, to: list[str], **more: Any) -> dict[str, Any]:
    """Return what a dry run shows."""
    kind, result = house.send(to, dry_run=True, **more)
    assert kind == "done", result["summary"]
    return result


def refused(house: MailHouse, to: list[str], **more: Any) -> str:
    """Return why a dry run is refused, and that it planned nothing."""
    kind, result = house.send(to, dry_run=True, **more)
    assert kind == "refused", result
    assert result["run"] is None
    return str(result["summary"])


def test_a_dry_run_shows_who_gets_what_and_who_does_not(house: MailHouse) -> None:
    servers = {"ann@example.org": ["web-1", "web-2"], "carol@": ["db-1"]}
    to = ["bob@example.org", "Ann@Example.org ", "ann@example.org", "carol@", "", "ann@example.org"]
    shown = planned(house, to, servers=servers, left=["dave"])
    lines = [line.strip() for line in shown["text"].splitlines()]
    assert [row["what"] for row in shown["rows"]] == [
        "record the campaign c-1: 2 recipients",
        "send shutoff_servers to 2 recipients (campaign c-1)",
    ]
    assert "Ann@example.org: 1 server of yours has been shut off for more than 30 days" in lines
    assert "bob@example.org: 1 server of yours has been shut off for more than 30 days" in lines
    assert "The campaign is c-1: run again with it, nobody gets the same twice." in lines
    assert {(entry["what"], entry["why"]) for entry in shown["left"]} == {
        ("Carol (shop: db-1)", "address is not valid: carol@"),
        ("somebody (shop: web-1)", "no address"),
        ("Ann (shop: web-1, web-2)", "another mail goes to this address: ann@example.org"),
        ("dave (lab)", "user is disabled"),
    }


def test_nothing_is_planned_if_one_message_cannot_be_written(house: MailHouse) -> None:
    servers = {"p001@example.org": [{"no": "name"}], "p003@example.org": [7]}
    said = refused(house, people(5), servers=servers)
    assert "p001@example.org: Notice shutoff_servers cannot be filled: servers[0].name" in said
    assert "p003@example.org: " in said
    assert "p000" not in said
    said = refused(house, people(30), servers={name: [7] for name in people(30)})
    assert "and 20 more" in said


def test_too_many_recipients_are_refused(house: MailHouse) -> None:
    house.email["max_recipients"] = 3
    assert "it has 4 recipients and max_recipients is 3" in refused(house, people(4))
    planned(house, people(3))
    planned(house, people(4), delivery={"max_recipients": 4})
    planned(house, people(4), delivery={"limit": 3})
    assert "max_recipients is 2" in refused(house, people(3), delivery={"max_recipients": 2})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"key": "a b"}, "campaign 'a b' is not a key"),
        ({"key": "x" * 181}, "is not a key"),
        ({"delivery": {"cc": ["nobody"]}}, "'nobody' is not a mail address"),
        ({"delivery": {"bcc": ["a@b@c"]}}, "is not a mail address"),
        ({"delivery": {"override_recipient": "x"}}, "'x' is not a mail address"),
        ({"delivery": {"preview_dir": "here"}}, "preview_dir must be an absolute path, not 'here'"),
        ({"delivery": {"preview_dir": "/dev/null/x"}}, "preview_dir /dev/null/x/c-1 cannot be"),
        ({"notice": "shutoff_server"}, "Did you mean shutoff_servers"),
    ],
)
def test_what_is_not_right_is_said_before_anything_is_planned(
    house: MailHouse, given: dict[str, Any], says: str
) -> None:
    assert says in refused(house, people(1), **given)


def test_a_wrong_sender_is_said_once(house: MailHouse) -> None:
    house.account["sender"] = "Cloud <cloud>"
    said = refused(house, people(5))
    assert said.count("is not a mail address") == 1


def test_nobody_to_tell_is_nothing_to_do(house: MailHouse) -> None:
    shown = planned(house, [])
    assert shown["rows"] == []
    assert "nothing to do" in shown["text"]


def test_the_operators_are_told_whom_nobody_could_tell(house: MailHouse) -> None:
    delivery = {"tell_operators": True, "cc": ["boss@example.org"], "limit": 1}
    shown = planned(house, [*people(2), ""], left=["dave"], delivery=delivery)
    whats = [re.sub("-[0-9a-f]{8}", "", row["what"]) for row in shown["rows"]]
    assert whats == [
        "record the campaign c-1: 1 recipient",
        "record the campaign c-1-left-out: 1 recipient",
        "send shutoff_servers to 1 recipient (campaign c-1)",
        "send left_out to 1 recipient (campaign c-1-left-out)",
    ]
    assert "ops@example.org: 2 owners were not told: Tell the owners" in shown["text"]
    again = planned(house, [*people(2), ""], left=["dave"], delivery=delivery)
    assert again["rows"] == shown["rows"], "the same ones are no news"
    other = planned(house, people(2), left=["dave"], delivery=delivery)
    assert other["rows"][1] != shown["rows"][1]
    assert len(planned(house, people(2), delivery=delivery)["rows"]) == 2, "nobody is left out"
    house.email.pop("operators")
    assert "email.operators is not configured" in refused(
        house, people(2), left=["dave"], delivery=delivery
    )


def test_all_goes_to_one_address_as_a_campaign_of_its_own(house: MailHouse, tmp_path: Path) -> None:
    delivery = {
        "override_recipient": "me@example.org",
        "cc": ["boss@example.org"],
        "preview_dir": str(tmp_path),
    }
    shown = planned(house, people(2), delivery=delivery)
    assert "All of it goes to me@example.org alone" in shown["text"]
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("c-1-to-")
    written = email.message_from_bytes((folder / "0001-p000@example.org.eml").read_bytes())
    assert (written["To"], written["Cc"]) == ("me@example.org", None)
    assert written["X-Original-To"] == "p000@example.org"
    page = (folder / "0001-p000@example.org.html").read_text()
    assert "without override_recipient this goes to p000@example.org" in page


def test_previews_are_what_would_be_sent(house: MailHouse, tmp_path: Path) -> None:
    logo = tmp_path / "logo"
    logo.write_bytes(PIXEL)
    house.organisation = {"name": "Toy Org", "logo": str(logo)}
    place = tmp_path / "new" / "folder"
    delivery = {"preview_dir": str(place)}
    planned(house, people(3), delivery=delivery)
    shown = planned(house, ["ann/x@example.org", *people(1)], delivery=delivery)
    assert f"2 mails to look at: {place}/c-1" in shown["text"]
    assert sorted(path.name for path in (place / "c-1").iterdir()) == [
        "0001-ann_x@example.org.eml",
        "0001-ann_x@example.org.html",
        "0002-p000@example.org.eml",
        "0002-p000@example.org.html",
    ], "what an earlier preview left is gone"
    data = (place / "c-1" / "0002-p000@example.org.eml").read_bytes()
    written = email.message_from_bytes(data, policy=default)
    assert written["Auto-Submitted"] == "auto-generated"
    (image,) = (part for part in written.walk() if part.get_content_maintype() == "image")
    assert image.get_content() == PIXEL
    page = (place / "c-1" / "0002-p000@example.org.html").read_text()
    assert 'src="data:image/png;base64,' in page
    assert "cid:" not in page
    assert "P000" in page


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"<svg/>", "is not a PNG, JPEG or GIF")]
)
def test_a_logo_that_is_none_is_refused(
    house: MailHouse, tmp_path: Path, content: bytes | None, says: str
) -> None:
    logo = tmp_path / "logo"
    if content:
        logo.write_bytes(content)
    house.organisation = {"logo": str(logo)}
    assert says in refused(house, people(1))


def test_a_notice_of_the_operators_own(house: MailHouse, tmp_path: Path) -> None:
    columns = "{name: {about: x}, id: {about: x}, project: {about: x}, since: {about: x}}"
    servers = f"{{about: x, type: rows, columns: {columns}}}"
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "schema.yaml").write_text(
        f"about: x\nvariables: {{servers: {servers}, older_than: {{about: x}}}}\n"
    )
    (folder / "subject.j2").write_text("Ours for {{ recipient }} in {{ campaign }}")
    (folder / "text.j2").write_text("Hello")
    (folder / "html.j2").write_text("<p>Hello</p>")
    house.email["templates"] = str(tmp_path)
    shown = planned(house, people(1), notice="own")
    assert "p000@example.org: Ours for P000 in c-1" in shown["text"]


@pytest.mark.parametrize(
    "changed",
    [
        "template",
        "layout",
        "organisation",
        "logo",
        "sender",
        "reply_to",
        "nothing",
        "another notice",
    ],
)
def test_what_was_approved_in_other_looks_or_another_name_is_not_sent(
    house: MailHouse, tmp_path: Path, changed: str
) -> None:
    (tmp_path / "logo").write_bytes(PIXEL)
    house.organisation = {"name": "Toy Org", "logo": str(tmp_path / "logo")}
    own = tmp_path / "own"
    (own / "shutoff_servers").mkdir(parents=True)
    (own / "shutoff_servers" / "text.j2").write_text('{% include "ending.text.j2" %}')
    (own / "ending.text.j2").write_text("Yours")
    house.email["templates"] = str(own)
    run = planned(house, people(2))["run"]
    if changed == "template":
        (own / "shutoff_servers" / "text.j2").write_text("SEND MONEY")
    elif changed == "layout":
        (own / "ending.text.j2").write_text("SEND MONEY")
    elif changed == "organisation":
        house.organisation["name"] = "Others"
    elif changed == "logo":
        (tmp_path / "logo").write_bytes(PIXEL + b"x")
    elif changed == "another notice":
        (own / "errored_servers").mkdir()
        (own / "errored_servers" / "text.j2").write_text("Hello")
    elif changed != "nothing":
        house.account[changed] = "Others <cloud@example.org>"
    kind, result = house.ask("run.apply", run=run)
    if changed in ("nothing", "another notice"):
        assert (kind, "connection refused" in result["summary"]) == ("failed", True)
    else:
        assert kind == "refused"
        assert "planned otherwise: send shutoff_servers to 2 recipients" in result["summary"]


def test_each_message_is_written_once_in_a_process(
    house: MailHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered, render = [], Notice.render

    def counted(self: Notice, variables: Any, organisation: Any) -> Any:
        rendered.append(variables["recipient"])
        return render(self, variables, organisation)

    monkeypatch.setattr(Notice, "render", counted)
    kind, _ = house.send(people(5))
    assert kind == "failed", "there is no server"
    assert sorted(rendered) == [name[:4].title() for name in people(5)]
    assert house.states() == {"pending": 5}


def test_a_key_of_its_own_is_the_same_all_day() -> None:
    day = datetime.date(2026, 11, 21)
    key = partial(campaign_key, "email.shutoff_servers", day)
    one = key({"projects": ["a"], "older_than": "30d"})
    assert one == key({"older_than": "30d", "projects": ["a"]})
    other = key({"projects": ["b"], "older_than": "30d"})
    assert one != other
    assert one[:-8] == other[:-8]
    assert one.startswith("email.shutoff_servers-2026-11-21-")


def test_people_are_told_apart_by_their_address() -> None:
    entry = Nowhere().account()
    smtp = SmtpAccount.from_config(load({"smtp_accounts": [entry]}), None)
    same = ["ann@example.org", " Ann@Example.ORG", "Ann <ann@example.org>"]
    assert {recipient_key(smtp, one) for one in same} == {"ann@example.org"}
    assert recipient_key(smtp, "Not One") == "not one"
    assert recipient_key(smtp, None) == ""
