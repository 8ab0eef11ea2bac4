"""Telling the operators, by a mail that each of them gets once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts.config import PackConfig
from accounts.smtp import SmtpAccount
from campaigns.composition import Writer
from campaigns.owner_mail import receivers_of
from campaigns.steps import record_campaign, send_campaign
from state.ledger import Ledger
from workflow_api import Attempt, Begun, clean, count, step

_NOTICE = "list_notice"
_LONGEST_SUBJECT = 150


def operators(config: PackConfig) -> list[str]:
    """Return the addresses of the operators; none if nobody is to be told, or nothing can send."""
    if not config.email.operators or not config.smtp_accounts:
        return []
    receivers = receivers_of(config.email.operators, config.email.local_domains)
    return [receiver.spec for receiver in receivers]


def tell(
    attempt: Attempt,
    smtp: SmtpAccount,
    key: str,
    recipients: Sequence[str],
    subject: str,
    paragraphs: Sequence[str],
) -> dict[str, Any] | Begun:
    """Send a mail to each recipient under a campaign's key; called again, it sends what is left."""
    content = {
        "subject": clean(subject)[:_LONGEST_SUBJECT],
        "sentences": "\n".join(clean(paragraph) for paragraph in paragraphs),
    }
    writer = Writer(smtp, _NOTICE, key, {})
    messages = [(to, writer.prepare(to, content)) for to in recipients]
    if attempt.records(Ledger).campaign(key) is None:
        record_campaign(
            attempt,
            campaign=key,
            notice=_NOTICE,
            account=smtp.name,
            to=count(len(recipients), "operator"),
            options={},
            mails=[
                {
                    "recipient": to,
                    "subject": message.subject,
                    "message_id": message.envelope.message_id,
                    "content": content,
                }
                for to, message in messages
            ],
        )
    sent: dict[str, Any] | Begun = send_campaign(
        attempt, smtp, campaign=key, notice=_NOTICE, to="", recipients=list(recipients)
    )
    return sent


def find_told(attempt: Attempt, about: str) -> dict[str, Any] | None:
    """Say whether the operators were told, as far as they can be."""
    return find_told_as(attempt, key_of(attempt, about))


def find_told_as(attempt: Attempt, key: str) -> dict[str, Any] | None:
    """Say whether the campaign of that key has told the operators, as far as they can be."""
    ledger = attempt.records(Ledger)
    known = ledger.campaign(key)
    if known is None:
        return None
    states = ledger.states(known.id)
    return None if "pending" in states.values() else {"said": "the operators were told"}


@step(
    "maintenance.tell",
    "tell the operators that {about}",
    key="{about}",
    find=find_told,
)
def tell_operators(
    attempt: Attempt, smtp: SmtpAccount, about: str, recipients: list[str], paragraphs: list[str]
) -> dict[str, Any]:
    """Send the operators a mail."""
    tell(attempt, smtp, key_of(attempt, about), recipients, about, paragraphs)
    return {"said": "the operators were told"}


def key_of(attempt: Attempt, about: str) -> str:
    """Return the key of the campaign in which a run tells something."""
    return f"maintenance-{attempt.run}-{about}"[:200]
