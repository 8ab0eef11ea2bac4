"""What the ledger of mail campaigns says of campaigns and mails, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MailState = Literal["pending", "sending", "sent", "failed", "refused", "unknown"]
STATES: tuple[MailState, ...] = ("pending", "sending", "sent", "failed", "refused", "unknown")
# Those whose campaign still has something to do or to be decided.
UNSETTLED: tuple[MailState, ...] = ("pending", "sending", "unknown")


@dataclass(frozen=True)
class NewMail:
    """A mail to be sent: ``content`` are the variables of the campaign's notice."""

    recipient: str
    subject: str
    message_id: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Mail:
    """A mail of a campaign; ``said`` is what the server, or the library, said of it last.

    Times are seconds since 1970 by the database's clock, ``code`` is SMTP's.
    """

    campaign: str
    recipient: str
    position: int
    state: MailState
    tries: int
    code: int | None
    changed_at: float
    sent_at: float | None
    run: str | None
    message_id: str
    subject: str
    said: str | None
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Campaign:
    """A campaign and how many of its mails are in each state; ``now`` is the database's clock."""

    id: str
    key: str
    notice: str
    account: str
    requested_by: str
    created_at: float
    options: Mapping[str, Any]
    counts: Mapping[MailState, int]
    now: float

    @property
    def subject(self) -> str:
        """What a run claims to be the only one to work on it."""
        return claimed_as(self.key)

    @property
    def name(self) -> str:
        """Its key is what people call it."""
        return self.key

    def totals(self, *, being_sent: bool = False) -> dict[str, int]:
        """Return how many mails are sent, failed, refused, unknown and pending, and their sum.

        What is under way is pending if somebody is at it (``being_sent``), and else unknown.
        """
        names: tuple[MailState, ...] = ("sent", "failed", "refused", "unknown", "pending")
        found: dict[str, int] = {name: self.counts.get(name, 0) for name in names}
        found["pending" if being_sent else "unknown"] += self.counts.get("sending", 0)
        return {**found, "recipients": sum(found.values())}


def claimed_as(key: str) -> str:
    """Return what a run claims to be the only one to work on the campaign with this key."""
    return f"campaign:{key}"


def told(totals: Mapping[str, int]) -> str:
    """Return a campaign's totals in words: ``45 of 50 sent, 3 refused, 2 pending``."""
    states = ("failed", "refused", "unknown", "pending")
    others = [f"{totals[state]} {state}" for state in states if totals[state]]
    return ", ".join([f"{totals['sent']} of {totals['recipients']} sent", *others])
