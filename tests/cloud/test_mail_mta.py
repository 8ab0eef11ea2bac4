"""Mail through a real mail server, read back from where it was delivered."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.smtp import SmtpAccount
from email_api.messages import Envelope, Part
from email_api.transport import Mailer, SmtpError
from support.certificates import Authority
from support.mailing import composed
from support.mta import Postfix

CSV = Part(name="servers.csv", kind="text/csv", content="name\r\nwéb-1\r\n".encode())


@pytest.fixture
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture
def postfix(folder: Path, authority: Authority) -> Iterator[Postfix]:
    """A postfix that knows ann, bob and jürgen, with a certificate for localhost."""
    with Postfix(folder, authority.issue(["localhost"]), ("ann", "bob", "jürgen")) as postfix:
        yield postfix


def account_of(postfix: Postfix, security: str, **more: Any) -> SmtpAccount:
    entry = {
        "name": "postfix",
        "host": "localhost",
        "port": getattr(postfix, security),
        "security": security,
        "cacert": str(postfix.folder / "authority.pem"),
        "sender": "Test Cloud <cloud@example.org>",
        "timeout": "20s",
        **more,
    }
    return SmtpAccount.from_config(load({"smtp_accounts": [entry]}), None)


def message(account: SmtpAccount, to: str, **more: Any) -> Envelope:
    given = {
        "subject": "Brökén: 🎉 =?utf-8?q?=0aBcc:_eve?= " + "web-1 " * 30,
        "text": "Grüße\n.\n..\nFrom now on it is broken.\n" + "x" * 3000 + "\n",
        "html": "<html><body><p>Grüße &amp; mehr</p></body></html>\n",
        "campaign": "c",
        "attachments": [CSV],
    }
    return composed(account, to=to, **{**given, **more})


def nothing() -> None:
    """What a caller does who keeps no ledger."""


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_is_delivered_once_and_as_it_was_written(postfix: Postfix, security: str) -> None:
    account = account_of(postfix, security)
    wanted = {
        "ann@example.org": "sent",
        "nobody@example.org": "refused",
        "jürgen@example.org": "sent",
        "ann@elsewhere.example": "refused",
        "bob@example.org": "sent",
    }
    with Mailer(account) as mailer:
        got = {to: mailer.deliver(message(account, to), nothing) for to in wanted}
        assert {to: outcome.kind for to, outcome in got.items()} == wanted
        assert (got["nobody@example.org"].code, mailer.connections) == (550, 1)
        large = message(account, "ann@example.org", text="x\n" * 200_000)
        assert mailer.deliver(large, nothing).code == 552
    for box in postfix.boxes:
        (delivered,) = postfix.delivered(box)
        sent = message(account, f"{box}@example.org")
        read = email.message_from_bytes(delivered.as_bytes(), policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        assert read["Message-ID"] == sent.message_id
        expected = email.message_from_bytes(sent.data, policy=email.policy.default)
        assert isinstance(expected, EmailMessage)
        for name in ("From", "To", "Subject", "Auto-Submitted"):
            assert read[name] == expected[name]
        assert contents(read) == contents(expected)
        assert "Bcc" not in read
        protocol = "UTF8SMTPS" if box == "jürgen" else "ESMTPS"
        assert protocol in read["Received"]


def contents(message: EmailMessage) -> list[tuple[str, bytes]]:
    """Return what is in each part, with one kind of line end and without mbox's mark."""
    return [
        (part.get_content_type(), part.get_payload(decode=True).replace(b"\r\n", b"\n"))
        for part in message.walk()
        if not part.is_multipart()
    ]


def test_what_is_stopped_before_its_end_is_not_delivered(postfix: Postfix) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    account = account_of(postfix, "starttls")
    with Mailer(account) as mailer:
        with pytest.raises(KeyboardInterrupt):
            mailer.deliver(message(account, "ann@example.org"), stop)
        assert mailer.deliver(message(account, "bob@example.org"), nothing).kind == "sent"
    assert len(postfix.delivered("bob")) == 1
    assert postfix.delivered("ann") == []


def test_certificate_must_be_right(postfix: Postfix) -> None:
    for wrong in ({"cacert": None}, {"host": "127.0.0.1"}):
        account = account_of(postfix, "starttls", **wrong)
        not_verified = pytest.raises(SmtpError, match="certificate could not be verified")
        with not_verified, Mailer(account) as mailer:
            mailer.deliver(message(account, "ann@example.org"), nothing)
    assert postfix.delivered("ann") == []
