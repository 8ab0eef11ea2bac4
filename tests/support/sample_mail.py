"""A runbook that mails whom it is told to, and a house with a mail server at its door."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from accounts.smtp import SmtpAccount
from campaigns.planning import Delivery, LeftOut, OwnerMail, campaign_key, plan_campaign
from state.ledger import Campaigns, Mail
from support import smtp_server
from support.runs import House, folder, new_state
from workflow_api import Context, Plan, workflow
from workflows.email import campaign as email_campaign  # noqa: F401 - it registers email.campaign.*

NOTICE = "shutoff_servers"
#: A mail is tried again within a second, not within minutes.
EMAIL = {"retry_for": "2s", "max_tries": 4, "operators": "ops@example.org"}


@workflow("toy.mail")
def mail(
    ctx: Context,
    smtp: SmtpAccount,
    to: list[str],
    campaign: str | None = None,
    servers: dict[str, Any] = {},  # noqa: B006 - never changed
    left: list[str] = [],  # noqa: B006
    notice: str = NOTICE,
    delivery: dict[str, Any] = {},  # noqa: B006
    common: dict[str, Any] = {},  # noqa: B006
) -> Plan:
    """Tell everybody of their servers: those named in ``servers``, else one called ``web-1``."""
    mails = [
        OwnerMail(
            address=address,
            name=address.partition("@")[0].title(),
            content={"servers": [_server(n) for n in servers.get(address, ["web-1"])]},
            project="shop",
            concerns=servers.get(address, ["web-1"]),
        )
        for address in to
    ]
    return plan_campaign(
        ctx,
        smtp,
        notice,
        mails,
        title="Tell the owners",
        key=campaign or campaign_key("toy.mail", ctx.asked_at.date(), {"to": to}),
        common={"older_than": "30 days", "cloud": "Toy Cloud", **common},
        left_out=[LeftOut(name, "user is disabled", project="lab") for name in left],
        delivery=Delivery(**delivery),
    )


def _server(name: str) -> dict[str, Any]:
    return {"name": name, "id": f"id-{name}", "project": "shop", "since": "2026-10-01T00:00:00Z"}


def people(number: int) -> list[str]:
    """Return so many addresses, in the order in which they are sent to."""
    return [f"p{n:03}@example.org" for n in range(number)]


class Server(Protocol):
    """What counts, whichever process it runs in."""

    @property
    def accepted(self) -> list[smtp_server.Mail]: ...

    def account(self, **more: Any) -> dict[str, Any]: ...


@dataclass
class MailHouse(House):
    """A house that can send mail."""

    account: dict[str, Any] = field(default_factory=dict)
    email: dict[str, Any] = field(default_factory=lambda: dict(EMAIL))
    organisation: dict[str, Any] = field(default_factory=dict)
    others: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        mail = {"smtp_accounts": [self.account, *self.others], "email": self.email}
        return {**super().config, **mail, "organisation": self.organisation}

    def send(self, to: list[str], *, key: str = "c-1", **more: Any) -> tuple[str, dict[str, Any]]:
        """Send a campaign."""
        return self.ask("toy.mail", to=to, campaign=key, **more)

    def mails(self, key: str = "c-1") -> list[Mail]:
        """Return what the ledger has of a campaign."""
        with self.journal() as journal:
            ledger = Campaigns(journal.store)
            return ledger.mails(ledger.known(key).id)

    def states(self, key: str = "c-1") -> Mapping[str, int]:  # type: ignore[override]
        """Return how many mails are in each state."""
        return Counter(mail.state for mail in self.mails(key))


@contextmanager
def mail_house(server: Server, **account: Any) -> Iterator[MailHouse]:
    """Give an empty state store to one who sends through this server."""
    place = folder()
    try:
        yield MailHouse(new_state(place / "state.db"), account=server.account(**account))
    finally:
        shutil.rmtree(place)


def most_accepted(server: Server) -> int:
    """Return how often the same mail was accepted for the same recipient, at most."""
    accepted = Counter((mail.message_id, mail.recipient) for mail in server.accepted)
    return max(accepted.values(), default=0)


def recipients(server: Server) -> list[str]:
    """Return whom mail was accepted for, in order."""
    return [mail.recipient for mail in server.accepted]
