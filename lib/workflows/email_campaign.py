"""Runbooks about mail campaigns: list, show, resume, retry_failed."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Literal

from accounts.smtp import SmtpAccount
from state.mail_records import told
from workflow_api import Context, Plan, Table, UserError, count, workflow
from workflows.campaign_steps import send_again, send_campaign

if TYPE_CHECKING:
    from state.ledger import Campaign, Campaigns, Mail, MailState

State = Literal["pending", "sent", "failed", "refused", "unknown"]
Ended = Literal["both", "failed", "refused"]
_MOST = 1000
_NUMBERS = ("recipients", "sent", "failed", "refused", "unknown", "pending")
_RETRIED: dict[Ended, tuple[MailState, ...]] = {
    "both": ("failed", "refused"),
    "failed": ("failed",),
    "refused": ("refused",),
}


@workflow("email.campaign.list")
def list_campaigns(ctx: Context, limit: int = 20) -> Table:
    """List the newest mail campaigns, with how much of each was sent."""
    if not 1 <= limit <= _MOST:
        raise UserError(f"limit is from 1 to {_MOST}, not {limit}.")
    found = _ledger(ctx).recent(limit=limit)
    busy = _being_sent(ctx, found)
    rows = [
        {
            "campaign": campaign.key,
            "id": campaign.id,
            "notice": campaign.notice,
            "account": campaign.account,
            "created_at": _iso(campaign.created_at),
            "by": campaign.requested_by,
            **campaign.totals(being_sent=campaign.key in busy),
        }
        for campaign in found
    ]
    return Table(
        ("campaign", "created_at", "by", *_NUMBERS),
        rows,
        summary=count(len(rows), "campaign"),
        extra=("id", "notice", "account"),
        units={"created_at": "time"},
    )


@workflow("email.campaign.show")
def show_campaign(ctx: Context, campaign: str, state: State | None = None) -> Table:
    """Show one mail campaign, what became of the mail to each recipient, and what can be done."""
    ledger = _ledger(ctx)
    found = ledger.known(campaign)
    busy = bool(_being_sent(ctx, [found]))
    mails = [(_state(mail, busy), mail) for mail in ledger.mails(found.id)]
    rows = [
        {
            "state": shown,
            "recipient": mail.recipient,
            "tries": mail.tries,
            "changed_at": _iso(mail.changed_at),
            "sent_at": _iso(mail.sent_at) if mail.sent_at else None,
            "code": mail.code,
            "said": mail.said,
            "subject": mail.subject,
            "message_id": mail.message_id,
            "run": mail.run,
        }
        for shown, mail in mails
        if state in (None, shown)
    ]
    numbers = found.totals(being_sent=busy)
    title = f"{found.key}: {found.notice} through {found.account}: {told(numbers)}"
    facts = [f"asked for by {found.requested_by} at {_iso(found.created_at)}"]
    if override := found.options.get("override"):
        facts.append(f"all of it goes to {override} alone")
    facts += ["it is being sent"] if busy else _next(found.key, numbers)
    return Table(
        ("state", "recipient", "tries", "changed_at", "said", "subject"),
        rows,
        "\n".join([title, *facts]),
        summary=f"{found.key}: {told(numbers)}",
        extra=("code", "sent_at", "message_id", "run"),
        units={"changed_at": "time", "sent_at": "time"},
    )


@workflow("email.campaign.resume")
def resume_campaign(
    ctx: Context, campaign: str, resend_unknown: bool = False, smtp: str | None = None
) -> Plan:
    """Send what is still pending of a mail campaign whose run has ended."""
    states: tuple[MailState, ...] = ("unknown", "sending") if resend_unknown else ()
    plan, known, mails = _planned(ctx, campaign, "Go on with")
    again = [mail.recipient for mail in mails if mail.state in states]
    pending = [mail for mail in mails if mail.state == "pending"]
    if not resend_unknown:
        for mail in mails:
            if mail.state in ("unknown", "sending"):
                why = "nobody knows whether it got there: resend_unknown=true sends it again"
                plan.leave(mail.recipient, why)
    return _sent(plan, ctx, known, smtp, states, again, len(pending))


@workflow("email.campaign.retry_failed")
def retry_failed(
    ctx: Context, campaign: str, which: Ended = "both", smtp: str | None = None
) -> Plan:
    """Try again the mails of a campaign that were given up or that the server refused."""
    states = _RETRIED[which]
    plan, known, mails = _planned(ctx, campaign, "Try again the failed mails of")
    again = [mail.recipient for mail in mails if mail.state in states]
    for mail in mails:
        if mail.state in states:
            plan.note(f"{mail.recipient} {mail.state}: {mail.said}")
    pending = sum(mail.state == "pending" for mail in mails)
    return _sent(plan, ctx, known, smtp, states, again, pending if again else 0)


def _planned(ctx: Context, wanted: str, doing: str) -> tuple[Plan, Campaign, list[Mail]]:
    """Return the beginning of a plan, the campaign, and its mails, read once it is claimed."""
    ledger = _ledger(ctx)
    known = ledger.known(wanted)
    ctx.claim(known)
    return Plan(f"{doing} {known.key}"), known, ledger.mails(known.id)


def _sent(
    plan: Plan,
    ctx: Context,
    known: Campaign,
    smtp: str | None,
    states: tuple[MailState, ...],
    again: list[str],
    pending: int,
) -> Plan:
    account = SmtpAccount.from_config(ctx.config, smtp or known.account)
    if again:
        to = count(len(again), "recipient")
        plan.add(send_again, campaign=known.key, to=to, states=states, recipients=again)
    if again or pending:
        to = count(len(again) + pending, "recipient")
        plan.add(send_campaign, smtp=account, campaign=known.key, notice=known.notice, to=to)
    return plan


def _ledger(ctx: Context) -> Campaigns:
    from state.ledger import Campaigns

    return Campaigns(ctx.open_journal().store)


def _being_sent(ctx: Context, campaigns: list[Campaign]) -> set[str]:
    """Return the keys of those that a living run works on."""
    holders = ctx.open_journal().holders([campaign.subject for campaign in campaigns])
    alive = {subject for subject, run in holders.items() if run.alive}
    return {campaign.key for campaign in campaigns if campaign.subject in alive}


def _state(mail: Mail, busy: bool) -> MailState:
    if mail.state == "sending":
        return "pending" if busy else "unknown"
    return mail.state


def _next(key: str, numbers: dict[str, int]) -> list[str]:
    """Return what an operator can do with a campaign that nobody works on."""
    found = []
    if numbers["pending"]:
        found.append(f"send what is pending with email.campaign.resume campaign={key}")
    if numbers["failed"] or numbers["refused"]:
        found.append(f"try the failed ones again with email.campaign.retry_failed campaign={key}")
    if numbers["unknown"]:
        found.append(
            "nobody knows whether the unknown ones arrived; send them again with "
            f"email.campaign.resume campaign={key} resend_unknown=true"
        )
    return found


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
