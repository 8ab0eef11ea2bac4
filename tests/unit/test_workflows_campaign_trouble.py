"""A mail server in trouble: what is waited for, in which order, and how many go out in a minute."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from support.mailing import USERS
from support.smtp_server import Fault, SmtpServer
from support.toy_mail import MailHouse, mail_house, people, recipients

P = people(8)


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


def test_a_server_that_stays_busy_is_not_waited_for_for_ever(
    house: MailHouse, server: SmtpServer
) -> None:
    house.email["retry_for"] = "1s"
    server.fault(Fault("connect", reply="421 busy", close=True))
    kind, result = house.send(P)
    assert kind == "failed"
    assert "421 busy. 0 of 8 sent, 8 pending." in result["summary"]
    assert server.connections > 2


def test_what_is_due_again_goes_before_what_is_fresh(house: MailHouse, server: SmtpServer) -> None:
    house.account["messages_per_minute"] = 600
    house.email["retry_for"] = "1s"  # so it is due after 8 ms
    server.fault(Fault("rcpt", reply="451 4.7.1 later", matching=P[0], times=2))
    assert house.send(P)[0] == "done"
    assert recipients(server).index(P[0]) < 4
    assert sorted(recipients(server)) == P


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
