"""The steps of a mail campaign: record it, and send what is pending of it, each mail once.

What became of each mail stands in the ledger, not in the run's journal: a step that sends hundreds
of mails can be killed between any two bytes, and whoever goes on knows what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accounts.smtp import SmtpAccount
from state.mail_records import NewMail, told
from workflow_api import Attempt, StepFailed, UserError, count, listed, step

if TYPE_CHECKING:
    from state.ledger import Ledger, Mail
    from workflows.campaign_mail import Writer

_SHOWN = 5


@step("record the campaign {campaign}: {to}", key="{campaign}", repeatable=True)
def record_campaign(
    attempt: Attempt,
    campaign: str,
    notice: str,
    account: str,
    to: str,
    options: dict[str, Any],
    mails: list[dict[str, Any]],
) -> dict[str, Any]:
    """Write down who is to get what, before anybody gets anything."""
    new = [NewMail(**mail) for mail in mails]
    attempt.sending()
    attempt.ledger().record(campaign, notice, account, options, new)
    return {"said": f"{count(len(mails), 'mail')} to be sent"}


@step("have sent again, in the campaign {campaign}: {to}", key="{campaign}", repeatable=True)
def send_again(
    attempt: Attempt, campaign: str, to: str, states: list[str], recipients: list[str]
) -> dict[str, Any]:
    """Make mails pending that had come to another end, or of which nobody knows the end."""
    ledger = attempt.ledger()
    known = ledger.known(campaign)
    attempt.sending()
    ledger.wake(known.id)
    made = ledger.again(known.id, states, recipients)  # type: ignore[arg-type]
    return {"said": f"{count(made, 'mail')} to be sent again"}


def find_sent(attempt: Attempt, campaign: str) -> dict[str, Any] | None:
    """Say whether nothing of the campaign is left to be sent."""
    found = attempt.ledger().campaign(campaign)
    if found is None or found.counts.get("pending") or found.counts.get("sending"):
        return None
    return _ended(attempt.ledger(), campaign)


@step("send {notice} to {to} (campaign {campaign})", key="{campaign}", find=find_sent)
def send_campaign(
    attempt: Attempt, smtp: SmtpAccount, campaign: str, notice: str, to: str
) -> dict[str, Any]:
    """Send what is pending, as far as the server takes it."""
    from email_api.transport import Mailer
    from workflows.campaign_mail import Writer
    from workflows.campaign_sending import Sending

    ledger = attempt.ledger()
    known = ledger.known(campaign)
    ledger.wake(known.id)
    mails = ledger.mails(known.id, "pending")
    writer = Writer(smtp, known.notice, known.key, known.options)
    _refuse_unwritten(writer, mails)
    with Mailer(smtp) as mailer:
        Sending(attempt, ledger, writer, mailer).send(mails)
        connections = mailer.connections
    return {**_ended(ledger, campaign), "connections": connections}


def _refuse_unwritten(writer: Writer, mails: Sequence[Mail]) -> None:
    """Raise UserError if one message cannot be written: then none is sent."""
    wrong = []
    for mail in mails:
        try:
            writer.prepare(mail.recipient, mail.content)
        except UserError as error:
            wrong.append(f"{mail.recipient}: {error}")
    if wrong:
        raise UserError(
            f"Nothing was sent, because {count(len(wrong), 'mail')} cannot be written: "
            f"{listed(wrong, _SHOWN)}",
            advice=f"Put it right, then go on with email.campaign.resume campaign={writer.key}.",
        )


def _ended(ledger: Ledger, key: str) -> dict[str, Any]:
    """Return what became of a campaign; raises StepFailed if not all of it was sent."""
    known = ledger.known(key)
    numbers = known.totals()
    said = told(numbers)
    if numbers["sent"] == numbers["recipients"]:
        return {"said": said, **numbers}
    bad = ledger.mails(known.id, "refused", "failed", "unknown")
    advice = [f"See email.campaign.show campaign={key}."]
    if numbers["failed"] or numbers["refused"]:
        advice.append(
            f"email.campaign.retry_failed campaign={key} tries the failed and refused ones again."
        )
    if numbers["unknown"]:
        advice.append(
            "Nobody knows whether the unknown ones arrived: email.campaign.resume "
            f"campaign={key} resend_unknown=true sends them again."
        )
    shown = listed((f"{m.recipient}: {m.state}: {m.said}" for m in bad), _SHOWN)
    raise StepFailed(f"{said}. {shown.rstrip('.')}.", advice=" ".join(advice))
