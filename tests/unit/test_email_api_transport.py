"""Handing in mail: against a real SMTP server on loopback, by what that server has accepted."""

from __future__ import annotations

import select
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import Interrupted
from email_api.messages import Envelope
from email_api.transport import Mailer, Outcome
from support.certificates import Authority
from support.mailing import (
    USERS,
    account_of,
    commands,
    composed,
    deliver,
    message,
    never,
    nothing,
    one,
    recipients,
)
from support.sampling import examples
from support.smtp_server import Fault, SmtpServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> str:
    return str(authority.issue())


# What is sent, and over which session.


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_message_arrives_as_it_is(security: str, authority: Authority, certificate: str) -> None:
    users = {} if security == "none" else USERS
    with SmtpServer(security=security, certificate=certificate, users=users) as server:
        sent = message(text=".\n..\n.two\nFrom me\nGrüße\n")
        with Mailer(account_of(server, cacert=str(authority.file))) as mailer:
            outcome = mailer.deliver(sent, nothing)
        assert outcome == Outcome(kind="sent", code=250, text="2.0.0 accepted")
        (mail,) = server.accepted
        assert (mail.message_id, mail.recipient) == (sent.message_id, "ann@example.org")
        assert (mail.sender, mail.data) == ("cloud@example.org", sent.data)


def test_one_session_for_many_messages(server: SmtpServer) -> None:
    with Mailer(account_of(server)) as mailer:
        kinds = deliver(mailer, "a@example.org", "b@example.org", "c@example.org")
    assert kinds == ["sent"] * 3
    assert (server.connections, mailer.connections) == (1, 1)
    each = ["mail", "rcpt", "data", "accepted"]
    assert commands(server) == [
        *("connected", "ehlo"),
        *(*each, "rset", *each, "rset", *each),
        "quit",
    ]


def test_nothing_is_connected_to_for_nothing(server: SmtpServer) -> None:
    with Mailer(account_of(server)):
        pass
    assert server.connections == 0


def test_connecting_alone_can_be_tried(server: SmtpServer) -> None:
    with Mailer(account_of(server)) as mailer:
        mailer.connect()
        assert deliver(mailer, "a@example.org") == ["sent"]
    assert commands(server)[:3] == ["connected", "ehlo", "mail"]


def test_messages_per_connection_are_kept_to(server: SmtpServer) -> None:
    with Mailer(account_of(server, messages_per_connection=2)) as mailer:
        assert deliver(mailer, *(f"{n}@example.org" for n in range(5))) == ["sent"] * 5
    assert server.connections == 3
    assert commands(server).count("quit") == 3


def test_server_may_take_fewer_messages_per_connection() -> None:
    with SmtpServer(per_connection=2) as server, Mailer(account_of(server)) as mailer:
        assert deliver(mailer, *(f"{n}@example.org" for n in range(5))) == ["sent"] * 5
        assert server.connections == 3
        assert len(server.accepted) == 5


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rset", close=True, times=1),
        Fault("rset", reply="421 4.3.2 shutting down", close=True, times=1),
        Fault("rset", reply="500 what?", times=1),
        Fault("mail", close=True, after=1, times=1),
        Fault("mail", reply="421 4.4.2 idle too long", close=True, after=1, times=1),
    ],
    ids=str,
)
def test_session_that_was_dropped_between_messages_is_renewed(fault: Fault) -> None:
    with SmtpServer(faults=[fault]) as server, Mailer(account_of(server)) as mailer:
        assert deliver(mailer, "a@example.org", "b@example.org") == ["sent", "sent"]
        assert (server.connections, mailer.connections) == (2, 2)
        assert recipients(server) == ["a@example.org", "b@example.org"]


def test_new_session_that_is_dropped_is_not_renewed_for_ever() -> None:
    with SmtpServer(faults=[Fault("mail", close=True)]) as server:
        assert one(server, never).kind == "deferred"
        assert server.connections == 1


# How it ends.


@pytest.mark.parametrize("at", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    ("reply", "close"), [("", True), ("421 4.3.2 shutting down", True), ("451 4.3.0 later", False)]
)
def test_nothing_is_accepted_before_the_body(at: Any, reply: str, close: bool) -> None:
    fault = Fault(at, reply=reply, close=close, times=1)
    with SmtpServer(faults=[fault]) as server, Mailer(account_of(server)) as mailer:
        outcome = mailer.deliver(message(), never)
        assert outcome.kind == "deferred"
        assert outcome.code == (int(reply[:3]) if reply else None)
        assert server.accepted == []
        assert deliver(mailer, "ann@example.org") == ["sent"]
        assert mailer.connections == (2 if close else 1)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault("rcpt", reply="550 5.1.1 no such user"), ("refused", 550, "5.1.1 no such user")),
        (Fault("data", reply="554 5.7.1 not you"), ("refused", 554, "5.7.1 not you")),
        (Fault("end", reply="554 5.6.0 spam"), ("refused", 554, "5.6.0 spam")),
        (Fault("end", reply="451 4.7.1 later"), ("deferred", 451, "4.7.1 later")),
        (Fault("end", reply="421 4.3.2 bye", close=True), ("deferred", 421, "4.3.2 bye")),
        (Fault("end", reply="999 what"), ("unknown", 999, "what")),
        (Fault("end", reply="hello"), ("unknown", None, "the answer was not one of SMTP")),
        (Fault("end", reply="354 go on"), ("unknown", 354, "go on")),
        (Fault("end", close=True), ("unknown", None, "the connection broke")),
        (Fault("end", reply="5" * 9000), ("unknown", None, "the connection broke")),
    ],
    ids=str,
)
def test_refusals(fault: Fault, outcome: tuple[Any, ...]) -> None:
    fault.matching = "bad@"
    with SmtpServer(faults=[fault]) as server, Mailer(account_of(server)) as mailer:
        assert deliver(mailer, "a@example.org") == ["sent"]
        got = mailer.deliver(message("bad@example.org"), nothing)
        assert (got.kind, got.code, got.text) == outcome
        # the others go on
        assert deliver(mailer, "b@example.org") == ["sent"]
        assert recipients(server) == ["a@example.org", "b@example.org"]


def test_greylisting_passes() -> None:
    fault = Fault("rcpt", reply="451 4.7.1 greylisted", times=1, each=True)
    with SmtpServer(faults=[fault]) as server, Mailer(account_of(server)) as mailer:
        both = ("a@example.org", "b@example.org")
        assert deliver(mailer, *both, before_end=never) == ["deferred"] * 2
        assert deliver(mailer, *both) == ["sent"] * 2
        assert (server.connections, recipients(server)) == (1, list(both))


@pytest.mark.long
@pytest.mark.parametrize(
    ("reply", "kind", "code"), [("", "deferred", None), ("552 5.3.4 too large", "refused", 552)]
)
def test_server_that_gives_up_within_the_body(reply: str, kind: str, code: int | None) -> None:
    fault = Fault("body", reply=reply, close=True)
    # More than what fits into the buffers between the two.
    data = b"Message-ID: <x@y>\r\n\r\n" + (b"x" * 900 + b"\r\n") * 20_000
    large = Envelope(sender="a@b.org", to=("c@d.org",), data=data, message_id="<x@y>")
    with SmtpServer(faults=[fault]) as server, Mailer(account_of(server)) as mailer:
        outcome = mailer.deliver(large, never)
        assert outcome.kind == "deferred" if outcome.code is None else outcome.kind == kind
        assert outcome.code in (None, code)
        assert server.accepted == []
        server.fault()
        assert deliver(mailer, "ann@example.org") == ["sent"]


def test_answer_before_the_end_is_heeded(server: SmtpServer) -> None:
    server.fault(Fault("body", reply="554 5.6.0 enough", close=False))
    outcomes = [one(server).kind for _ in range(5)]
    # It comes before or after the dot went out; in neither case is it taken for a success.
    assert set(outcomes) == {"refused"}
    assert server.accepted == []


@pytest.mark.long
@pytest.mark.parametrize(
    "fault", [Fault("accepted", close=True), Fault("accepted", wait=1.0)], ids=["cut", "slow"]
)
def test_what_was_accepted_without_a_word_is_unknown(fault: Fault) -> None:
    calls: list[str] = []
    with SmtpServer(faults=[fault]) as server:
        outcome = one(
            server, lambda: calls.append("end"), accept_timeout="5s" if fault.close else "0.5s"
        )
        assert (outcome.kind, outcome.code, calls) == ("unknown", None, ["end"])
        expected = "the connection broke" if fault.close else "no answer within 0.5s"
        assert outcome.text == expected
        assert len(server.accepted) == 1


@pytest.mark.long
def test_slow_server_is_waited_for() -> None:
    faults = [Fault("rcpt", wait=0.1), Fault("accepted", wait=1.2)]
    with SmtpServer(faults=faults) as server:
        assert one(server, timeout="1s", accept_timeout="10s").kind == "sent"


@pytest.mark.long
def test_server_that_is_too_slow_before_the_body() -> None:
    with SmtpServer(faults=[Fault("rcpt", wait=5.0)]) as server:
        outcome = one(server, never, timeout="1s")
        assert (outcome.kind, outcome.text) == ("deferred", "no answer within 1s")


# The boundary.


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("error", [RuntimeError("the lease is lost"), KeyboardInterrupt()])
def test_what_is_raised_before_the_end_leaves_nothing_accepted(
    security: str, error: BaseException, authority: Authority, certificate: str
) -> None:
    def stop() -> None:
        raise error

    with SmtpServer(security=security, certificate=certificate) as server:
        account = account_of(server, cacert=str(authority.file), timeout="12s")
        with Mailer(account) as mailer:
            with pytest.raises(type(error)):
                mailer.deliver(message("never@example.org"), stop)
            began = time.monotonic()
            assert deliver(mailer, "ann@example.org") == ["sent"]
            assert time.monotonic() - began < 6, "nobody waits for an answer within a message"
        assert (server.connections, recipients(server)) == (2, ["ann@example.org"])
        # Not even a word to say goodbye, which would have been part of the message.
        assert commands(server).count("quit") == 1


def test_who_is_left_after_the_end_may_have_got_it(server: SmtpServer) -> None:
    """A stop ends the wait for the server's answer, and says nothing of the message."""
    left: list[bool] = []

    def wait(seconds: float) -> None:
        if left:
            raise Interrupted("It was left where it is.")

    account = account_of(server)
    account.wait = wait
    with Mailer(account) as mailer:
        outcome = mailer.deliver(message(), lambda: left.append(True))
    assert (outcome.kind, outcome.code) == ("unknown", None)


def test_caller_is_asked_after_the_body_and_before_the_end(server: SmtpServer) -> None:
    seen: list[tuple[list[str], int]] = []
    with Mailer(account_of(server)) as mailer:
        for name in ("a@example.org", "b@example.org"):
            mailer.deliver(
                message(name), lambda: seen.append((commands(server)[-1:], len(server.accepted)))
            )
    assert seen == [(["data"], 0), (["data"], 1)]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("", "deferred"),
        ("421 4.4.2 you took too long", "deferred"),
        ("554 5.6.0 spam", "refused"),
        ("250 2.0.0 fine", "deferred"),
    ],
)
def test_server_that_gives_up_while_the_caller_is_asked(
    server: SmtpServer, reply: str, kind: str
) -> None:
    def wait() -> None:
        server.hang_up(reply)
        assert mailer._smtp is not None
        assert select.select([mailer._smtp.sock], [], [], 10)[0]

    with Mailer(account_of(server)) as mailer:
        assert mailer.deliver(message(), wait).kind == kind
        assert server.accepted == []
        assert deliver(mailer, "ann@example.org") == ["sent"]


# Whom a message is for.


def test_copies_go_out_and_hidden_ones_stay_hidden(server: SmtpServer) -> None:
    with Mailer(account_of(server)) as mailer:
        envelope = composed(
            mailer.account,
            to="ann@example.org",
            cc=["bob@example.org"],
            bcc=["eve@example.org", "BOB@example.org"],
            subject="x",
            text="x",
            html="x",
            campaign="c",
        )
        assert mailer.deliver(envelope, nothing).kind == "sent"
    assert recipients(server) == ["ann@example.org", "bob@example.org", "eve@example.org"]
    assert b"eve@" not in server.accepted[0].data


@pytest.mark.parametrize(
    ("bad", "kind", "refused", "got"),
    [
        ("bob@", "sent", {"bob@example.org": "550 5.1.1 nobody"}, ["ann@example.org"]),
        ("ann@", "refused", {}, []),
        ("@", "refused", {}, []),
    ],
)
def test_some_recipients_are_refused(
    server: SmtpServer, bad: str, kind: str, refused: dict[str, str], got: list[str]
) -> None:
    server.fault(Fault("rcpt", reply="550 5.1.1 nobody", matching=bad))
    with Mailer(account_of(server)) as mailer:
        envelope = Envelope(
            sender="cloud@example.org",
            to=("ann@example.org",),
            cc=("bob@example.org",),
            data=message().data,
            message_id="<x@y>",
        )
        outcome = mailer.deliver(envelope, nothing)
    assert (outcome.kind, outcome.refused) == (kind, refused)
    assert recipients(server) == got


def test_address_in_other_letters_goes_where_it_can() -> None:
    for offered, kind in ((True, "sent"), (False, "refused")):
        with SmtpServer(smtputf8=offered) as server, Mailer(account_of(server)) as mailer:
            before = nothing if offered else never
            outcome = mailer.deliver(message("jürgen@exämple.org"), before)
            assert outcome.kind == kind
            assert recipients(server) == ["jürgen@xn--exmple-cua.org"] * offered
            assert ("SMTPUTF8" in outcome.text) is not offered
            assert deliver(mailer, "ann@exämple.org") == ["sent"]
            assert recipients(server)[-1] == "ann@xn--exmple-cua.org"


@pytest.mark.parametrize("hidden", [True, False])
def test_a_copy_that_the_server_cannot_take_keeps_nobody_else_from_it(hidden: bool) -> None:
    copies = ["jürgen@example.org", "bob@example.org"]
    with SmtpServer(smtputf8=False) as server, Mailer(account_of(server)) as mailer:
        whole = composed(
            account_of(server),
            to="ann@example.org",
            subject="Broken",
            text="a",
            html="b",
            campaign="c",
            **{"bcc" if hidden else "cc": copies},
        )
        outcome = mailer.deliver(whole, nothing)
        assert outcome.kind == "sent"
        assert list(outcome.refused) == copies[:1]
        assert "SMTPUTF8" in outcome.refused[copies[0]]
        assert recipients(server) == ["ann@example.org", "bob@example.org"]
        assert server.accepted[0].data.isascii()
        server.options.smtputf8 = True
        mailer.close()
        outcome = mailer.deliver(whole, nothing)
        assert (outcome.kind, outcome.refused) == ("sent", {})
        assert recipients(server)[2:] == ["ann@example.org", *copies]


def test_message_that_is_too_large_is_its_own_fault() -> None:
    with SmtpServer(size=3000) as server, Mailer(account_of(server)) as mailer:
        outcome = mailer.deliver(message(text="x" * 5000), never)
        assert (outcome.kind, outcome.code) == ("refused", 552)
        assert deliver(mailer, "ann@example.org") == ["sent"]


def test_answers_are_safe_to_show(server: SmtpServer) -> None:
    server.fault(Fault("rcpt", reply="550 \x1b[31mred\x07 " + "x" * 1000))
    outcome = one(server)
    assert outcome.text.isprintable()
    assert len(outcome.text) <= 300


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stackstorm-1.example.org", "stackstorm-1.example.org"),
        ("stackstorm", "[127.0.0.1]"),
        ("stack_storm.example.org", "[127.0.0.1]"),
        ("-.example.org", "[127.0.0.1]"),
    ],
)
def test_it_introduces_itself_by_a_name_or_an_address(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: name)
    one(server)
    events = [entry for entry in server.book.events if entry["event"] == "ehlo"]
    assert [entry["argument"] for entry in events] == [said]


# Bytes.


@settings(
    deadline=None,
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lines=st.lists(
        st.sampled_from([b".", b"..", b".\r", b"\r", b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"x", b""])
        | st.binary(max_size=20),
        max_size=12,
    ),
    end=st.sampled_from([b"\r\n", b"\n", b"\r"]),
)
def test_no_text_ends_a_message_early(server: SmtpServer, lines: list[bytes], end: bytes) -> None:
    before = len(server.accepted)
    data = b"Message-ID: <x@y>\r\n\r\n" + end.join(lines)
    envelope = Envelope(sender="a@b.org", to=("c@d.org",), data=data, message_id="<x@y>")
    with Mailer(account_of(server)) as mailer:
        assert mailer.deliver(envelope, nothing).kind == "sent"
    (mail,) = server.accepted[before:]
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert mail.data == expected + (b"" if expected.endswith(b"\r\n") else b"\r\n")
