"""Going on with a campaign: what a dry run shows of it, and what it refuses."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from support.sample_mail import MailHouse, people, recipients
from support.smtp_server import Fault, SmtpServer

P = people(4)
SUBJECT = "1 server of yours has been shut off for more than 30 days"
RESUME, RETRY = "email.campaign.resume", "email.campaign.retry_failed"


@pytest.fixture
def house(house: MailHouse, server: SmtpServer) -> MailHouse:
    """A campaign of which one mail was sent, one was refused, and two are still pending."""
    house.send(P[:1], delivery={"cc": ["boss@example.org"]})
    server.fault(Fault("rcpt", reply="550 5.1.1 no such user", matching=P[1]))
    house.send(P[:2], delivery={"cc": ["boss@example.org"]})
    server.fault()
    port, house.account["port"] = house.account["port"], 1
    house.send(P, delivery={"cc": ["boss@example.org"]})
    house.account["port"] = port
    assert house.states() == {"sent": 1, "refused": 1, "pending": 2}
    return house


def planned(house: MailHouse, name: str, **more: Any) -> dict[str, Any]:
    """Return what a dry run shows."""
    kind, result = house.ask(name, campaign="c-1", dry_run=True, **more)
    assert kind == "done", result["summary"]
    return result


def test_a_dry_run_shows_who_gets_what_and_who_does_not(house: MailHouse) -> None:
    shown = planned(house, RESUME)
    lines = [line.strip() for line in shown["text"].splitlines()]
    assert [line for line in lines if line.endswith(SUBJECT)] == [f"{p}: {SUBJECT}" for p in P[2:]]
    assert "A copy of every mail goes to boss@example.org." in lines
    assert [row["what"] for row in shown["rows"]] == [
        "send shutoff_servers to 2 recipients (campaign c-1)"
    ]
    (left,), (had,) = shown["left"], shown["skipped"]
    assert left["what"] == P[1]
    assert "email.campaign.retry_failed campaign=c-1 tries again" in left["why"]
    assert had == {"what": f"1 recipient ({P[0]})", "why": "already sent"}


def test_trying_again_shows_the_failed_with_their_mails(house: MailHouse) -> None:
    text = planned(house, RETRY)["text"]
    assert f"{P[1]} refused: 550 5.1.1 no such user" in text
    assert [f"{p}: {SUBJECT}" in text for p in P] == [False, True, True, True]


@pytest.mark.long
@pytest.mark.parametrize(("name", "mails"), [(RESUME, 2), (RETRY, 3)])
def test_previews_are_files_that_nobody_else_reads(
    house: MailHouse, tmp_path: Path, name: str, mails: int
) -> None:
    (tmp_path / "c-1").mkdir(mode=0o755)
    shown = planned(house, name, preview_dir=str(tmp_path))
    assert f"{mails} mails to look at: {tmp_path}/c-1" in shown["text"]
    written = list((tmp_path / "c-1").iterdir())
    assert len(written) == 2 * mails
    assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {0o600}
    assert stat.S_IMODE((tmp_path / "c-1").stat().st_mode) == 0o700


def test_a_preview_goes_through_no_link_and_into_no_folder_of_others(
    house: MailHouse, tmp_path: Path
) -> None:
    theirs, place = tmp_path / "theirs", tmp_path / "place"
    for folder in (theirs, place, place / "c-1"):
        folder.mkdir(mode=0o755)
    (place / "c-1" / "thesis.txt").write_text("mine")
    kind, result = house.ask(RESUME, campaign="c-1", dry_run=True, preview_dir=str(place))
    assert (kind, "no preview: thesis.txt" in result["summary"]) == ("refused", True)
    (place / "c-1" / "thesis.txt").unlink()
    (place / "c-1").rmdir()
    (place / "c-1").symlink_to(theirs)
    house.allowed = [str(place)]
    kind, result = house.ask(RESUME, campaign="c-1", dry_run=True, preview_dir=str(place))
    assert (kind, "lies outside the folders" in result["summary"]) == ("refused", True)
    assert (list(theirs.iterdir()), stat.S_IMODE(theirs.stat().st_mode)) == ([], 0o755)


@pytest.mark.long
@pytest.mark.parametrize(("name", "mails"), [(RESUME, 2), (RETRY, 3)])
@pytest.mark.parametrize("dry_run", [True, False])
def test_too_many_are_refused_here_too(
    house: MailHouse, server: SmtpServer, name: str, mails: int, dry_run: bool
) -> None:
    asked = {"campaign": "c-1", "dry_run": dry_run}
    sent = len(server.accepted)
    house.email["max_recipients"] = 1
    for most in ({}, {"max_recipients": 1}, {"max_recipients": 0}):
        kind, result = house.ask(name, **asked, **most)
        assert kind == "refused", result
    assert "max_recipients is at least 1" in result["summary"]
    assert len(server.accepted) == sent
    assert house.ask(name, **asked, max_recipients=mails)[0] != "refused"
    assert house.states().get("pending", 0) == (2 if dry_run else 0)


def test_nothing_is_sent_if_one_mail_cannot_be_written(
    house: MailHouse, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("email_api.messages._MIB", 100)
    sent = recipients(server)
    for dry_run in (True, False):
        kind, result = house.ask(RESUME, campaign="c-1", dry_run=dry_run)
        assert kind == "refused"
        assert f"{P[2]}: The message to {P[2]} has" in result["summary"]
        assert f"{P[3]}: The message to {P[3]} has" in result["summary"]
        assert ".." not in result["summary"]
    assert recipients(server) == sent


@pytest.mark.long
def test_what_was_shown_is_what_is_sent(house: MailHouse, server: SmtpServer) -> None:
    run = planned(house, RESUME)["run"]
    before = len(server.accepted)
    _, result = house.ask("run.apply", run=run)
    assert result["rows"][-1]["said"].startswith("3 of 4 sent, 1 refused")
    sent = recipients(server)[before:]
    assert [one for one in sent if one != "boss@example.org"] == P[2:]


def test_what_was_shown_is_not_sent_in_other_looks(house: MailHouse, server: SmtpServer) -> None:
    run = planned(house, RESUME)["run"]
    house.organisation = {"name": "Somebody else"}
    before = len(server.accepted)
    kind, result = house.ask("run.apply", run=run)
    assert (kind, len(server.accepted)) == ("refused", before)
    assert "planned otherwise: send shutoff_servers to 2 recipients" in result["summary"]
