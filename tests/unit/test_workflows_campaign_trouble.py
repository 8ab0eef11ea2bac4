"""A mail server in trouble: what is waited for, in which order, and how many go out in a minute."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from campaigns.composition import Writer
from campaigns.sending import Pace
from common.errors import UserError
from engine.stop import Stop
from support.mailing import USERS, account_of
from support.sample_mail import MailHouse, mail_house, people, recipients
from support.smtp_server import Fault, SmtpServer
from support.stops import stops

__all__ = ["stops"]

P = people(8)


@pytest.mark.long
@pytest.mark.parametrize("at", ["connect", "mail"])
def test_a_server_that_is_busy_at_first_is_waited_for(
    house: MailHouse, server: SmtpServer, at: str
) -> None:
    server.fault(Fault(at, reply="421 busy", close=True, times=2))  # type: ignore[arg-type]
    assert house.send(P)[0] == "done"
    assert sorted(recipients(server)) == P


def test_a_login_that_cannot_be_looked_up_at_first_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with SmtpServer(users=USERS) as server, mail_house(server) as house:
        monkeypatch.setattr("accounts.smtp._check", lambda entry: None)  # a login without TLS
        server.fault(Fault("auth", reply="454 4.7.0 temporary failure", times=1))
        assert house.send(P[:2])[0] == "done"
        assert recipients(server) == P[:2]
        server.fault(Fault("auth", reply="535 5.7.8 wrong"))
        kind, result = house.send(P)
        assert kind == "failed"
        assert "535" in result["summary"]
        assert not any("Going on in" in line for line in house.reporter.lines[-5:])


@pytest.mark.long
def test_a_server_that_stays_busy_is_not_waited_for_for_ever(
    house: MailHouse, server: SmtpServer
) -> None:
    house.email["retry_for"] = "1s"
    server.fault(Fault("connect", reply="421 busy", close=True))
    kind, result = house.send(P)
    assert kind == "failed"
    assert "421 busy. 0 of 8 sent, 8 pending." in result["summary"]
    assert server.connections > 2


@pytest.mark.long
def test_what_is_due_again_goes_before_what_is_fresh(house: MailHouse, server: SmtpServer) -> None:
    house.account["messages_per_minute"] = 600
    house.email["retry_for"] = "1s"  # so it is due after 8 ms
    server.fault(Fault("rcpt", reply="451 4.7.1 later", matching=P[0], times=2))
    assert house.send(P)[0] == "done"
    assert recipients(server).index(P[0]) < 4
    assert sorted(recipients(server)) == P


@pytest.mark.long
def test_a_list_is_not_run_through_where_nothing_is_heard(
    house: MailHouse, server: SmtpServer
) -> None:
    house.email.update(retry_for="1s", max_tries=100)
    server.fault(Fault("mail", reply="451 4.3.0 try again later."))
    kind, result = house.send(P)
    assert kind == "failed"
    assert "The server has trouble: 451 4.3.0 try again later. " in result["summary"]
    assert house.states()["pending"] > 5
    tries = [mail.tries for mail in house.mails()]
    # Others get their turn only when the first three are given up, so the last ones never do.
    assert tries[-3:] == [0] * 3
    server.fault()
    house.ask("email.campaign.resume", campaign="c-1")
    house.ask("email.campaign.retry_failed", campaign="c-1")
    assert sorted(recipients(server)) == P


def test_all_who_send_by_an_account_keep_one_pace(server: SmtpServer) -> None:
    account = account_of(server, messages_per_minute=60)
    one, other = Pace(account), Pace(account)
    first = one.take(time.monotonic())
    assert other.free() == pytest.approx(first + 1)
    assert other.take(first) == pytest.approx(first + 1)


@pytest.mark.long
def test_what_is_put_off_has_an_end_in_time(house: MailHouse, server: SmtpServer) -> None:
    house.email.update(retry_for="0.5s", max_tries=500)
    server.fault(Fault("rcpt", reply="451 4.7.1 later", matching=P[0]))
    assert house.send(P[:2])[0] == "failed"
    given_up, sent = house.mails()
    assert (given_up.state, sent.state) == ("failed", "sent")
    assert 1 < given_up.tries < 60


def test_nothing_more_is_sent_if_one_mail_cannot_be_written_any_more(
    house: MailHouse, server: SmtpServer, stops: list[Stop], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.account["messages_per_minute"] = 2

    def stop_after_one() -> None:
        while not server.accepted:
            time.sleep(0.02)
        stops[-1].request("interrupt", "its timeout is near")

    threading.Thread(target=stop_after_one).start()
    kind, result = house.send(P[:4])
    assert (kind, recipients(server)) == ("interrupted", P[:1])
    house.account["messages_per_minute"] = None
    write = Writer._compose

    def compose(self: Writer, recipient: str, content: Any) -> Any:
        if recipient == P[3]:
            raise UserError("It has grown too large.")
        return write(self, recipient, content)

    monkeypatch.setattr(Writer, "_compose", compose)
    _, resumed = house.ask("run.resume", run=result["run"])
    assert f"{P[3]}: It has grown too large." in resumed["text"]
    assert recipients(server) == P[:1]


@pytest.mark.long
def test_a_rate_is_that_of_the_account(house: MailHouse, server: SmtpServer) -> None:
    house.account["messages_per_minute"] = 300
    began = time.monotonic()
    for key in ("one", "two", "three"):
        assert house.send(P[:2], key=key)[0] == "done"
    assert time.monotonic() - began > 5 * 0.2 - 0.05
    assert Counter(recipients(server)) == {P[0]: 3, P[1]: 3}


def test_a_copy_that_was_put_off_is_named_in_the_result(
    house: MailHouse, server: SmtpServer
) -> None:
    delivery = {"cc": ["boss@example.org"]}
    fault = Fault("rcpt", reply="451 4.7.1 greylisted", matching="boss", times=1)
    server.fault(fault)
    kind, result = house.send(P[:2], delivery=delivery)
    assert (kind, recipients(server)) == ("done", [*P[:2], "boss@example.org"])
    why = "not to boss@example.org: 451 4.7.1 greylisted"
    assert result["left"] == [{"what": f"the mail to {P[0]}", "why": why}]
    assert why in result["text"]
    assert result["rows"][-1]["said"] == "2 of 2 sent; 1 mail without all copies"
    assert "left" not in result["rows"][-1]
    refused = Fault("rcpt", reply="550 no", matching=P[1])
    server.fault(Fault("rcpt", reply="450 later", matching="boss"), refused)
    kind, result = house.send(P[:2], key="c-2", delivery=delivery)
    assert kind == "failed"
    assert "not to boss@example.org: 450 later" in result["summary"]
    assert house.send(P[2:3], key="c-3")[1]["left"] == []


def test_a_copy_to_other_letters_keeps_no_owner_from_theirs(
    house: MailHouse, server: SmtpServer
) -> None:
    server.options.smtputf8 = False
    kind, result = house.send(P[:1], delivery={"cc": ["jürgen@example.org"]})
    assert (kind, recipients(server)) == ("done", P[:1])
    assert "SMTPUTF8" in result["left"][0]["why"]
