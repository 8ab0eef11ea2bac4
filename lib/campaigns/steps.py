"""The steps of a mail campaign: record it, and send what is pending of it, each mail once.

What became of each mail stands in the ledger, not in the run's journal: a step that sends hundreds
of mails can be killed between any two bytes, and whoever goes on knows what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accounts.smtp import SmtpAccount
from state.ledger import Ledger
from state.mail_records import NewMail, told
from workflow_api import (
    Attempt,
    Begun,
    Interrupted,
    StepFailed,
    UserError,
    count,
    listed,
    step,
)

if TYPE_CHECKING:
    from campaigns.composition import Writer
    from state.ledger import Campaign, Mail

_SHOWN = 5


@step("campaign.record", "record the campaign {campaign}: {to}", key="{campaign}", repeatable=True)
def record_campaign(
    attempt: Attempt,
    campaign: str,
    notice: str,
    account: str,
    to: str,
    options: dict[str, Any],
    mails: list[dict[str, Any]],
    gone: list[str] = [],  # noqa: B006 - never changed
) -> dict[str, Any]:
    """Write down who is to get what, before anybody gets anything.

    ``gone`` are recipients whom it no longer concerns.
    """
    new = [NewMail(**mail) for mail in mails]
    attempt.sending()
    attempt.records(Ledger).record(campaign, notice, account, options, new, gone)
    return {"said": f"{count(len(mails), 'mail')} to be sent"}


@step(
    "campaign.send_again",
    "have sent again, in the campaign {campaign}: {to}",
    key="{campaign}",
    repeatable=True,
)
def send_again(
    attempt: Attempt, campaign: str, to: str, states: list[str], recipients: list[str]
) -> dict[str, Any]:
    """Make mails pending that had come to another end, or of which nobody knows the end."""
    ledger = attempt.records(Ledger)
    known = ledger.known(campaign)
    attempt.sending()
    ledger.wake(known.id)
    made = ledger.again(known.id, states, recipients)  # type: ignore[arg-type]
    return {"said": f"{count(made, 'mail')} to be sent again"}


def find_sent(
    attempt: Attempt,
    campaign: str,
    recipients: list[str] | None = None,
) -> dict[str, Any] | Begun | None:
    """Say how much is sent of what this run is to send of the campaign."""
    ledger = attempt.records(Ledger)
    found = ledger.campaign(campaign)
    if found is None:
        return None
    mine, others = _divided(attempt, ledger.mails(found.id), recipients)
    if any(mail.state in ("pending", "sending") for mail in mine):
        return _in_part(mine)
    return _ended(found, mine, others)


@step(
    "campaign.send", "send {notice} to {to} (campaign {campaign})", key="{campaign}", find=find_sent
)
def send_campaign(
    attempt: Attempt,
    smtp: SmtpAccount,
    campaign: str,
    notice: str,
    to: str,
    recipients: list[str] | None = None,
    looks: str = "",
) -> dict[str, Any] | Begun:
    """Send what is pending, as far as the server takes it: to ``recipients``, or else to all.

    ``looks`` is in the plan so that one that was approved is not carried out with other templates,
    or in another name.
    """
    from campaigns.composition import Writer
    from campaigns.sending import Sending
    from email_api.transport import Mailer

    ledger = attempt.records(Ledger)
    known = ledger.known(campaign)
    ledger.wake(known.id)
    mine, _ = _divided(attempt, ledger.mails(known.id), recipients)
    mails = [mail for mail in mine if mail.state == "pending"]
    writer = Writer(smtp, known.notice, known.key, known.options)
    _refuse_unwritten(writer, mails)
    with Mailer(smtp) as mailer:
        try:
            Sending(attempt, ledger, writer, mailer).send(mails)
        except Interrupted:
            mine, _ = _divided(attempt, ledger.mails(known.id), recipients)
            if begun := _in_part(mine):
                return begun
            raise
        connections = mailer.connections
    mine, others = _divided(attempt, ledger.mails(known.id), recipients)
    return {**_ended(ledger.known(campaign), mine, others), "connections": connections}


def _divided(
    attempt: Attempt, mails: Sequence[Mail], recipients: Sequence[str] | None
) -> tuple[list[Mail], list[Mail]]:
    """Return the mails that are this run's to send or that it has dealt with, and the others."""
    if recipients is None:
        mine = {m.recipient for m in mails if m.state == "pending" or m.run == attempt.run}
    else:
        mine = set(recipients)
    return (
        [mail for mail in mails if mail.recipient in mine],
        [mail for mail in mails if mail.recipient not in mine],
    )


def _in_part(mails: Sequence[Mail]) -> Begun | None:
    """Return how far a campaign that is not at its end has come, or None if nothing was sent."""
    # Nobody knows of one that was cut off at its very end whether it arrived.
    states: Counter[str] = Counter(
        "unknown" if mail.state == "sending" else mail.state for mail in mails
    )
    pending = states.pop("pending", 0)
    if not states:
        return None
    parts = [f"{states['sent']} of {count(len(mails), 'mail')} sent"]
    parts += [f"{states[s]} {s}" for s in ("failed", "refused", "unknown") if states[s]]
    return Begun(", ".join([*parts, f"{pending} not sent"]), **states, pending=pending)


def _refuse_unwritten(writer: Writer, mails: Sequence[Mail]) -> None:
    """Raise UserError if one message cannot be written: then none is sent."""
    _, wrong = writer.prepare_all((mail.recipient, mail.content) for mail in mails)
    if wrong:
        raise UserError(
            f"Nothing was sent, because {count(len(wrong), 'mail')} cannot be written: "
            f"{listed(wrong, _SHOWN)}",
            advice=f"Put it right, then go on with email.campaign.resume campaign={writer.key}.",
        )


def _ended(known: Campaign, mine: Sequence[Mail], others: Sequence[Mail]) -> dict[str, Any]:
    """Return what became of a campaign; raises StepFailed if not all of this run's was sent.

    What others have left is only said: whoever sent what they were to send has not failed.
    """
    numbers, key = known.totals(), known.key
    said = told(numbers)
    bad = [mail for mail in mine if mail.state != "sent"]
    short = _short(mine)
    if short:
        said += f"; {count(len(short), 'mail')} without all copies"
    if not bad:
        old = [f"{m.recipient} ({m.state})" for m in others if m.state not in ("sent", "pending")]
        left = f"; left as they were: {listed(old, _SHOWN)}" if old else ""
        uncopied = [{"what": f"the mail to {one}", "why": why} for one, why in short.items()]
        return {"said": said + left, **numbers, "left": uncopied}
    states = {mail.state for mail in bad}
    advice = [f"See email.campaign.show campaign={key}."]
    if states & {"failed", "refused"}:
        advice.append(
            f"email.campaign.retry_failed campaign={key} tries the failed and refused ones again."
        )
    if "unknown" in states:
        advice.append(
            "Nobody knows whether the unknown ones arrived: email.campaign.resume "
            f"campaign={key} resend_unknown=true sends them again."
        )
    found = [f"{mail.recipient}: {mail.state}: {mail.said}" for mail in bad]
    shown = listed([*found, *(f"{one}: {why}" for one, why in short.items())], _SHOWN)
    raise StepFailed(f"{said}. {shown.rstrip('.')}.", advice=" ".join(advice))


def _short(mails: Sequence[Mail]) -> dict[str, str]:
    """Return whose mail was sent without all its copies, and who got none."""
    from campaigns.sending import lacking

    sent = [mail for mail in mails if mail.state == "sent"]
    return {mail.recipient: why for mail in sent if (why := lacking(mail.said))}
