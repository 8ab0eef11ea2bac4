"""Handing in mail to the SMTP server for tests, in the words of the tests that do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.config import load
from accounts.smtp import SmtpAccount
from email_api.addresses import address
from email_api.messages import Content, Envelope, compose, routing
from email_api.transport import Mailer, Outcome

from .smtp_server import SmtpProcess, SmtpServer

PASSWORD = "correct-horse-é"
USERS = {"ops": PASSWORD}


def account_of(server: SmtpServer | SmtpProcess, **more: Any) -> SmtpAccount:
    return SmtpAccount.from_config(load({"smtp_accounts": [server.account(**more)]}), None)


def composed(account: SmtpAccount, *, campaign: str, date: Any = None, **given: Any) -> Envelope:
    """Return a message of which content and routing are given side by side."""
    parts = {name: given.pop(name) for name in Content.__struct_fields__ if name in given}
    to = address(given.pop("to"), account.config.email.local_domains)
    route = routing(account, **given)
    return compose(account, to, route, Content(**parts), campaign, date=date)


def message(to: str = "ann@example.org", text: str = "Your servers are broken.\n") -> Envelope:
    config = {"name": "x", "host": "x", "sender": "cloud@example.org"}
    account = SmtpAccount.from_config(load({"smtp_accounts": [config]}), None)
    html = f"<p>{text}</p>"
    return composed(account, to=to, subject="Broken", text=text, html=html, campaign="c")


def nothing() -> None:
    """What a caller does who keeps no ledger."""


def never() -> None:
    pytest.fail("the message came to its end")


def deliver(
    mailer: Mailer, *recipients: str, before_end: Callable[[], None] = nothing
) -> list[Any]:
    return [mailer.deliver(message(one), before_end).kind for one in recipients]


def one(server: SmtpServer, before_end: Callable[[], None] = nothing, **more: Any) -> Outcome:
    """Hand in one message over a session of its own."""
    with Mailer(account_of(server, **more)) as mailer:
        return mailer.deliver(message(), before_end)


def recipients(server: SmtpServer) -> list[str]:
    return [mail.recipient for mail in server.accepted]


def commands(server: SmtpServer) -> list[str]:
    return [entry["event"] for entry in server.book.events]
