"""Mail campaigns against a real SMTP server: who got what is counted there."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from state.ledger import Ledger, Mail
from support.sample_mail import MailHouse, mail_house, people, recipients
from support.smtp_server import Fault, SmtpServer
from workflow_api import Requester

P = people(8)


def state_of(house: MailHouse, name: str) -> tuple[str, int, int | None]:
    """Return the state of a mail, its tries and the last code."""
    (mail,) = (mail for mail in house.mails() if mail.recipient == name)
    return mail.state, mail.tries, mail.code


def test_everybody_is_told_once(house: MailHouse, server: SmtpServer) -> None:
    kind, result = house.send([*reversed(P)])
    assert kind == "done", result
    assert recipients(server) == P, "in a stable order"
    assert server.connections == 1
    sent = result["rows"][1]
    assert (sent["said"], sent["sent"], sent["connections"]) == ("8 of 8 sent", 8, 1)
    assert {mail.message_id for mail in house.mails()} == {m.message_id for m in server.accepted}
    assert house.mails()[0].said == "250 2.0.0 accepted"
    kind, result = house.send(P)
    assert (kind, result["rows"]) == ("done", [])
    assert result["skipped"][0]["why"] == "already sent"
    kind, result = house.send([*P, "new@example.org"])
    assert kind == "done"
    assert recipients(server) == [*P, "new@example.org"]


@pytest.mark.long
def test_a_plan_that_was_shown_is_what_is_sent(house: MailHouse, server: SmtpServer) -> None:
    _, shown = house.send(P, dry_run=True)
    assert server.accepted == []
    kind, _ = house.ask("run.apply", Requester(user="otto", origin="test"), run=shown["run"])
    assert kind == "done"
    assert recipients(server) == P
    _, shown = house.send([*P, "new@example.org"], dry_run=True)
    house.send(["new@example.org"])
    kind, result = house.ask("run.apply", run=shown["run"])
    assert (kind, len(server.accepted)) == ("refused", 9)
    assert "no longer planned" in result["summary"]


def test_the_first_few_and_then_the_rest(house: MailHouse, server: SmtpServer) -> None:
    for limit, sent in ((3, 3), (3, 6), (None, 8), (3, 8)):
        kind, _ = house.send(P, delivery={"limit": limit})
        assert (kind, len(server.accepted)) == ("done", sent)
    assert recipients(server) == P


def test_copies_go_with_every_mail(house: MailHouse, server: SmtpServer) -> None:
    server.fault(Fault("rcpt", reply="550 no such user", matching="gone"))
    delivery = {"cc": ["cc@example.org"], "bcc": ["bcc@example.org", "gone@example.org"]}
    kind, _ = house.send(P[:2], delivery=delivery)
    assert kind == "done"
    got = ["cc@example.org", "bcc@example.org"]
    assert recipients(server) == [P[0], *got, P[1], *got]
    assert house.mails()[0].said == (
        "250 2.0.0 accepted (not to gone@example.org: 550 no such user)"
    )


@pytest.mark.long
def test_all_of_it_to_one_address_and_then_for_real(house: MailHouse, server: SmtpServer) -> None:
    kind, _ = house.send(P, delivery={"override_recipient": "me@example.org"})
    assert kind == "done"
    assert recipients(server) == ["me@example.org"] * 8
    assert len({mail.message_id for mail in server.accepted}) == 8
    assert b"X-Original-To: p000@example.org" in server.accepted[0].data
    assert house.send(P)[0] == "done"
    assert recipients(server)[8:] == P


@pytest.mark.long
def test_greylisting_is_waited_for(house: MailHouse, server: SmtpServer) -> None:
    server.fault(Fault("rcpt", reply="451 4.7.1 later", times=1, each=True))
    kind, _ = house.send(P)
    assert kind == "done"
    assert sorted(recipients(server)) == P
    assert {state_of(house, name) for name in P} == {("sent", 2, 250)}
    assert server.connections == 1


@pytest.mark.long
@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "end"])
def test_what_is_put_off_for_ever_is_given_up(
    house: MailHouse, server: SmtpServer, at: Any
) -> None:
    # At MAIL the server knows only the sender, so it is all of them.
    server.fault(Fault(at, reply="452 4.2.2 mailbox full", matching="" if at == "mail" else P[1]))
    to = P[1:2] if at == "mail" else P[:3]
    kind, result = house.send(to)
    assert kind == "failed"
    assert f"{len(to) - 1} of {len(to)} sent, 1 failed" in result["summary"]
    assert "given up after 4 tries: 452 4.2.2 mailbox full" in result["summary"]
    assert "email.campaign.retry_failed campaign=c-1" in result["summary"]
    assert state_of(house, P[1]) == ("failed", 4, 452)
    server.fault()
    kind, result = house.send(to)
    assert kind == "done"
    assert "it failed before: email.campaign.retry_failed" in result["left"][0]["why"]
    kind, shown = house.ask("email.campaign.retry_failed", campaign="c-1", dry_run=True)
    assert f"{P[1]} failed: given up after 4 tries" in shown["text"]
    assert house.ask("email.campaign.retry_failed", campaign="c-1", which="refused")[0] == "done"
    assert state_of(house, P[1]) == ("failed", 4, 452)
    assert house.ask("email.campaign.retry_failed", campaign="c-1")[0] == "done"
    assert state_of(house, P[1]) == ("sent", 1, 250)
    assert sorted(recipients(server)) == to


@pytest.mark.parametrize("at", ["rcpt", "data", "end"])
def test_what_is_refused_stops_nobody_else(house: MailHouse, server: SmtpServer, at: Any) -> None:
    server.fault(Fault(at, reply="550 5.1.1 no such user", matching=P[1]))
    kind, result = house.send(P[:3])
    assert kind == "failed"
    assert "2 of 3 sent, 1 refused. p001@example.org: refused: 550 5.1.1" in result["summary"]
    assert recipients(server) == [P[0], P[2]]
    assert state_of(house, P[1])[0::2] == ("refused", 550)
    assert f"refused: {P[1]}: 550 5.1.1 no such user" in house.reporter.lines
    server.fault()
    assert house.ask("email.campaign.retry_failed", campaign="c-1")[0] == "done"
    assert recipients(server) == [P[0], P[2], P[1]]


@pytest.mark.long
def test_a_connection_that_breaks_within_a_message(
    house: MailHouse, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Ledger.begin

    def slowly(self: Ledger, mail: Mail, message_id: str) -> None:
        begin(self, mail, message_id)
        time.sleep(0.1 * (mail.recipient == P[1]))  # until the server has hung up for sure

    monkeypatch.setattr(Ledger, "begin", slowly)
    server.fault(Fault("body", close=True, matching=P[1], times=1))
    kind, _ = house.send(P[:3])
    assert kind == "done"
    assert sorted(recipients(server)) == P[:3]
    assert state_of(house, P[1]) == ("sent", 2, 250)
    assert server.connections == 2


def test_an_answer_that_was_lost_is_unknown_and_never_sent_again(
    house: MailHouse, server: SmtpServer
) -> None:
    server.fault(Fault("accepted", close=True, matching=P[1], times=1))
    kind, result = house.send(P[:3])
    assert kind == "failed"
    assert "2 of 3 sent, 1 unknown" in result["summary"]
    assert "email.campaign.resume campaign=c-1 resend_unknown=true" in result["summary"]
    assert recipients(server) == P[:3]
    for ask in (
        lambda: house.send(P[:3]),
        lambda: house.ask("email.campaign.resume", campaign="c-1"),
        lambda: house.ask("email.campaign.retry_failed", campaign="c-1"),
    ):
        kind, result = ask()
        assert (kind, result["rows"], len(server.accepted)) == ("done", [], 3)
    _, result = house.ask("email.campaign.resume", campaign="c-1")
    assert result["left"][0]["what"] == P[1]
    kind, _ = house.ask("email.campaign.resume", campaign="c-1", resend_unknown=True)
    assert kind == "done"
    assert recipients(server) == [*P[:3], P[1]], "as it was asked for"
    assert house.states() == {"sent": 3}


def test_a_server_that_loses_every_answer_is_left_alone(
    house: MailHouse, server: SmtpServer
) -> None:
    server.fault(Fault("end", close=True))
    kind, result = house.send(P)
    assert kind == "failed"
    assert "3 mails in a row broke off at their very end" in result["summary"]
    assert "0 of 8 sent, 3 unknown, 5 pending" in result["summary"]
    server.fault()
    kind, result = house.ask("email.campaign.resume", campaign="c-1")
    assert kind == "done", "it sent all that was its own"
    assert result["rows"][-1]["said"].startswith(
        f"5 of 8 sent, 3 unknown; left as they were: {P[0]}"
    )
    assert recipients(server) == P[3:]


@pytest.mark.long
def test_a_server_that_closes_after_each_message(house: MailHouse, server: SmtpServer) -> None:
    server.options.per_connection = 1
    assert house.send(P[:4])[0] == "done"
    assert recipients(server) == P[:4]
    assert server.connections == 4


def test_a_server_that_is_not_there(house: MailHouse, server: SmtpServer) -> None:
    port = house.account["port"]
    house.account["port"] = 1
    kind, result = house.send(P)
    assert kind == "failed"
    assert "no connection: connection refused. 0 of 8 sent, 8 pending." in result["summary"]
    assert "Go on with email.campaign.resume campaign=c-1." in result["summary"]
    house.account["port"] = port
    assert house.ask("email.campaign.resume", campaign="c-1")[0] == "done"
    assert recipients(server) == P


@pytest.mark.long
def test_a_server_that_goes_away_is_waited_for_but_not_for_ever(
    house: MailHouse, server: SmtpServer
) -> None:
    house.email["retry_for"] = "1s"
    server.fault(Fault("connect", reply="421 busy", close=True, after=1))
    server.options.per_connection = 3
    kind, result = house.send(P)
    assert kind == "failed"
    assert "3 of 8 sent, 5 pending" in result["summary"]
    assert server.connections > 3
    server.fault()
    server.options.per_connection = 0
    assert house.ask("email.campaign.resume", campaign="c-1")[0] == "done"
    assert recipients(server) == P


def test_a_login_that_is_refused_half_way_leaves_the_rest(server: SmtpServer) -> None:
    server.fault(Fault("mail", reply="530 5.7.0 authentication required", after=2))
    with mail_house(server) as house:
        kind, result = house.send(P)
    assert kind == "failed"
    assert "2 of 8 sent, 6 pending" in result["summary"]
    assert "user and password" in result["summary"]


@pytest.mark.long
def test_no_more_than_the_rate(server: SmtpServer) -> None:
    with mail_house(server, messages_per_minute=600) as house:
        began = time.monotonic()
        assert house.send(P[:5])[0] == "done"
        assert time.monotonic() - began > 0.4


@pytest.mark.long
def test_a_cancel_leaves_the_rest_for_later(house: MailHouse, server: SmtpServer) -> None:
    house.account["messages_per_minute"] = 2
    house.limits = {"lease": "1s", "grace": "60s"}
    answers: list[tuple[str, dict[str, Any]]] = []
    sending = threading.Thread(target=lambda: answers.append(house.send(P)))
    began = time.monotonic()
    sending.start()
    while not server.accepted:
        time.sleep(0.02)
    with house.journal() as journal:
        (run,) = journal.recent(limit=1)
    kind, _ = house.send(P)
    assert kind == "refused", "one works, the other says so"
    assert house.ask("email.campaign.resume", campaign="c-1")[0] == "refused"
    _, shown = house.ask("email.campaign.show", campaign="c-1")
    assert "it is being sent" in shown["text"]
    kind, _ = house.ask("run.cancel", run=run.id)
    sending.join(30)
    assert time.monotonic() - began < 20, "not the grace, nor the whole campaign"
    assert house.run(run.id).state == "cancelled"
    sent = len(server.accepted)
    assert 0 < sent < 8
    assert house.states() == {"sent": sent, "pending": 8 - sent}
    ((_, answer),) = answers
    parts = f"{sent} of 8 mails sent, {8 - sent} not sent"
    assert parts in answer["summary"]
    assert f"it was done in part: {parts}" in [entry["why"] for entry in answer["left"]]
    assert "it was not started" not in answer["text"]
    assert parts in house.ask("run.show", run=run.id)[1]["text"]
    _, shown = house.ask("email.campaign.show", campaign="c-1", state="pending")
    assert len(shown["rows"]) == 8 - sent
    assert "email.campaign.resume campaign=c-1" in shown["text"]
    house.account["messages_per_minute"] = None
    assert house.ask("email.campaign.resume", campaign="c-1")[0] == "done"
    assert recipients(server) == P


def test_whom_it_no_longer_concerns_is_dropped(house: MailHouse, server: SmtpServer) -> None:
    port, house.account["port"] = house.account["port"], 1
    house.send(P[:3])
    house.account["port"] = port
    kind, result = house.send(P[1:2])
    assert kind == "done"
    assert "no longer concerns them" in result["skipped"][0]["why"]
    assert recipients(server) == P[1:2]
    assert house.states() == {"sent": 1}


@pytest.mark.parametrize("names", [("Ann", "ann"), ("ann", "Ann")])
def test_one_address_written_otherwise_is_the_same(
    house: MailHouse, server: SmtpServer, names: tuple[str, str]
) -> None:
    first, again = (f"{name}@example.org" for name in names)
    assert house.send([first])[0] == "done"
    kind, result = house.send([again])
    assert (kind, result["rows"]) == ("done", [])
    assert recipients(server) == [first]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("steve@example.org", "\u017fteve@example.org"),
        ("weiss@example.org", "wei\u00df@example.org"),
    ],
)
def test_who_only_looks_the_same_is_somebody_else(
    house: MailHouse, server: SmtpServer, one: str, other: str
) -> None:
    servers = {one: ["secret-1"], other: ["web-2"]}
    assert house.send([other], servers=servers)[0] == "done"
    assert house.send([one, other], servers=servers)[0] == "done"
    assert recipients(server) == [other, one]
    assert {mail.recipient: b"secret-1" in mail.data for mail in server.accepted} == {
        one: True,
        other: False,
    }


def test_a_campaign_is_of_one_notice(house: MailHouse, server: SmtpServer) -> None:
    house.send(P[:1])
    kind, result = house.send(P[:1], notice="errored_servers")
    assert kind == "refused"
    assert "is of the notice shutoff_servers, not of errored_servers" in result["summary"]


def test_a_campaign_says_one_thing(house: MailHouse, server: SmtpServer) -> None:
    """Whoever had failed in the old one would get its rows in words of the new one."""
    server.fault(Fault("rcpt", reply="550 no", matching=P[1]))
    house.send(P[:2], servers={P[1]: ["old-1"]})
    server.fault()
    other = {"older_than": "90 days"}
    kind, result = house.send(P[:3], servers={P[1]: ["new-1"]}, common=other)
    assert kind == "refused"
    assert "older_than was '30 days' and is now '90 days'" in result["summary"]
    assert "Give another campaign." in result["summary"]
    assert recipients(server) == P[:1]
    assert house.ask("email.campaign.retry_failed", campaign="c-1")[0] == "done"
    assert b"30 days" in server.accepted[-1].data
    assert b"old-1" in server.accepted[-1].data
    assert house.send(P[:2], key="c-2", common=other)[0] == "done"


def test_a_note_is_of_a_run_and_stays_with_its_mails(house: MailHouse, server: SmtpServer) -> None:
    server.fault(Fault("rcpt", reply="550 no", matching=P[1]))
    house.send(P[:2], common={"note": "Nobody answered yet."})
    server.fault()
    assert house.send(P[:3], common={"note": "Seven answered."})[0] == "done"
    assert b"Seven answered." in server.accepted[-1].data
    assert house.ask("email.campaign.retry_failed", campaign="c-1")[0] == "done"
    assert recipients(server) == [P[0], P[2], P[1]]
    assert b"Nobody answered yet." in server.accepted[-1].data


def test_who_is_beyond_the_limit_stays_pending(house: MailHouse, server: SmtpServer) -> None:
    port, house.account["port"] = house.account["port"], 1
    house.send(P[:3])
    house.account["port"] = port
    kind, result = house.send(P[:4], delivery={"limit": 1})
    assert kind == "done"
    assert result["skipped"][0] == {
        "what": "3 recipients",
        "why": f"only the first 1 are sent it now; 2 of them ({P[1]}, {P[2]}) stay pending",
    }
    assert result["rows"][-1]["said"] == "1 of 3 sent, 2 pending"
    assert recipients(server) == P[:1]
    assert house.states() == {"sent": 1, "pending": 2}
    assert house.ask("email.campaign.resume", campaign="c-1")[0] == "done"
    assert recipients(server) == P[:3]


@pytest.mark.long
def test_a_run_that_sent_all_of_its_own_has_not_failed(
    house: MailHouse, server: SmtpServer
) -> None:
    server.fault(Fault("rcpt", reply="550 no", matching=P[1]))
    assert house.send(P[:2])[0] == "failed"
    kind, result = house.send(P[:3])
    assert kind == "done"
    assert [entry["what"] for entry in result["left"]] == [P[1]]
    assert (
        result["rows"][-1]["said"] == f"2 of 3 sent, 1 refused; left as they were: {P[1]} (refused)"
    )
    assert (
        house.ask("email.campaign.retry_failed", campaign="c-1")[0] == "failed"
    ), "now it is its own"


@pytest.mark.long
def test_a_rehearsal_can_be_repeated(house: MailHouse, server: SmtpServer) -> None:
    delivery = {"override_recipient": "me@example.org"}
    for number in range(1, 4):
        words = {"older_than": f"{number} days"}
        _, shown = house.send(P[:2], dry_run=True, delivery=delivery, common=words)
        assert "This is a rehearsal" in shown["text"]
        assert house.ask("run.apply", run=shown["run"])[0] == "done"
        assert recipients(server) == ["me@example.org"] * 2 * number
    assert len({mail.message_id for mail in server.accepted}) == 6
    port, house.account["port"] = house.account["port"], 1
    house.send(P[:2], delivery=delivery)
    house.account["port"] = port
    assert house.send(P[:2], delivery=delivery)[0] == "done", "the one that was cut off goes on"
    assert len(house.ask("email.campaign.list")[1]["rows"]) == 4
    assert house.send(P[:2])[0] == "done"
    assert recipients(server)[8:] == P[:2], "it counts for nobody"


def test_a_notice_that_was_broken_meanwhile_sends_nothing(
    house: MailHouse, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, house.account["port"] = house.account["port"], 1
    house.send(P)
    house.account.update(port=port)
    house.email["max_message_mib"] = 10
    monkeypatch.setattr("email_api.messages._MIB", 100)
    kind, result = house.ask("email.campaign.resume", campaign="c-1")
    assert kind == "refused"
    assert "p000@example.org: The message to p000@example.org has" in result["summary"]
    assert server.accepted == []
    assert house.states() == {"pending": 8}


def test_a_campaign_that_was_given_no_key(house: MailHouse, server: SmtpServer) -> None:
    for _ in range(2):
        assert house.ask("toy.mail", to=P[:1])[0] == "done"
    assert recipients(server) == P[:1]


def test_the_operators_get_one_mail(house: MailHouse, server: SmtpServer) -> None:
    delivery = {"tell_operators": True, "cc": ["cc@example.org"], "bcc": ["bcc@example.org"]}
    for _ in range(2):
        kind, _ = house.send([*P[:1], "bad@"], left=["dave"], delivery=delivery)
        assert kind == "done"
    copies = ["cc@example.org", "bcc@example.org"]
    assert recipients(server) == [P[0], *copies, "ops@example.org"], "they alone get the report"
    assert b"2 owners were not told" in server.accepted[-1].data


@pytest.mark.parametrize(
    ("refused", "told"), [("ops@example.org", P[0]), (P[0], "ops@example.org")]
)
def test_owners_and_operators_do_not_wait_for_each_other(
    house: MailHouse, server: SmtpServer, refused: str, told: str
) -> None:
    server.fault(Fault("rcpt", reply="550 5.1.1 no such user", matching=refused))
    kind, result = house.send([*P[:1], "bad@"], delivery={"tell_operators": True})
    assert kind == "failed"
    assert f"{refused}: refused: 550 5.1.1" in result["summary"]
    assert recipients(server) == [told]


def test_the_operators_are_told_of_somebody_with_very_many_things(
    house: MailHouse, server: SmtpServer
) -> None:
    names = [f"web-{number}" for number in range(501)]
    for _ in range(2):
        delivery = {"tell_operators": True}
        kind, result = house.send(["", *P[:1]], servers={"": names}, delivery=delivery)
        assert kind == "done", result["summary"]
        names[-1] = "another"  # which is news, although it is not among those that are shown
    first, again = (mail for mail in server.accepted if mail.recipient == "ops@example.org")
    assert b"web-49, and 451 more" in first.data.replace(b"=\r\n", b"").replace(b"\r\n", b" ")
    assert first.message_id != again.message_id


def test_campaigns_are_listed(house: MailHouse, server: SmtpServer) -> None:
    server.fault(Fault("rcpt", reply="550 no", matching=P[1]))
    house.send(P[:2], key="one")
    house.send(P[2:5], key="two")
    kind, result = house.ask("email.campaign.list")
    assert kind == "done"
    two, one = result["rows"]
    assert (one["campaign"], one["by"], one["notice"]) == ("one", "ann", "shutoff_servers")
    numbers = ("recipients", "sent", "failed", "refused", "unknown", "pending")
    assert [one[name] for name in numbers] == [2, 1, 0, 1, 0, 0]
    assert [two[name] for name in numbers] == [3, 3, 0, 0, 0, 0]
    cut = house.ask("email.campaign.list", limit=1)[1]
    assert (len(cut["rows"]), cut["summary"]) == (1, "1 campaign; there are more")
    assert house.ask("email.campaign.list", limit=0)[0] == "refused"
    kind, shown = house.ask("email.campaign.show", campaign=one["id"])
    assert kind == "done"
    assert [(row["state"], row["recipient"], row["said"]) for row in shown["rows"]] == [
        ("sent", P[0], "250 2.0.0 accepted"),
        ("refused", P[1], "550 no"),
    ]
    assert shown["summary"] == "one: 1 of 2 sent, 1 refused"
    assert "email.campaign.retry_failed campaign=one" in shown["text"]
    kind, result = house.ask("email.campaign.show", campaign="on")
    assert kind == "refused"
    assert "There is no campaign 'on' in the ledger. Did you mean two or one?" in result["summary"]


def test_another_account_can_go_on(house: MailHouse, server: SmtpServer) -> None:
    port, house.account["port"] = house.account["port"], 1
    house.send(P[:2])
    broken, house.account = house.account, {**house.account, "name": "other", "port": port}
    house.others = [broken]
    assert house.ask("email.campaign.resume", campaign="c-1")[0] == "failed"
    house.account["sender"] = "other@example.com"
    assert house.ask("email.campaign.resume", campaign="c-1", smtp="other")[0] == "done"
    assert recipients(server) == P[:2]
    assert [mail.message_id for mail in house.mails()] == [m.message_id for m in server.accepted]


@pytest.mark.long
def test_old_campaigns_are_forgotten_with_the_next_run(
    house: MailHouse, server: SmtpServer
) -> None:
    server.fault(Fault("accepted", close=True, matching=P[1], times=1))
    house.send(P[:1], key="settled")
    house.send(P[1:2], key="in-doubt")
    house.limits["keep_campaigns"] = "0.1s"
    time.sleep(0.2)
    house.send(P[2:3], key="new", dry_run=True)
    _, result = house.ask("email.campaign.list")
    assert [row["campaign"] for row in result["rows"]] == ["in-doubt"]
