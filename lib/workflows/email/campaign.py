"""Runbooks about mail campaigns: list, show, resume, retry_failed."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accounts.smtp import SmtpAccount
from campaigns.steps import send_again, send_campaign
from state.mail_records import told
from workflow_api import (
    Context,
    ParameterGroup,
    Plan,
    Table,
    count,
    listed,
    workflow,
)
from workflow_api.parameters import AtLeastOne, CampaignName, Name, PreviewDir

if TYPE_CHECKING:
    from campaigns.composition import Message
    from state.ledger import Campaign, Campaigns, Mail, MailState

State = Literal["pending", "sent", "failed", "refused", "unknown"]
Ended = Literal["both", "failed", "refused"]
Limit = Annotated[int, Meta(ge=1, le=1000)]
_NUMBERS = ("recipients", "sent", "failed", "refused", "unknown", "pending")
_RETRIED: dict[Ended, tuple[MailState, ...]] = {
    "both": ("failed", "refused"),
    "failed": ("failed",),
    "refused": ("refused",),
}


class Again(ParameterGroup, frozen=True, kw_only=True):
    """How a campaign is resumed.

    smtp: The SMTP account to send by; the campaign's own if empty.
    max_recipients: Refuse to send to more recipients than this; email.max_recipients if empty.
    """

    smtp: Name | None = None
    max_recipients: AtLeastOne | None = None
    preview_dir: PreviewDir | None = None


@workflow("email.campaign.list")
def list_campaigns(ctx: Context, limit: Limit = 20) -> Table:
    """List the newest mail campaigns, with how much of each was sent.

    limit: How many campaigns to list.
    """
    # One more than is shown tells whether there are more.
    newest = _ledger(ctx).recent(limit=limit + 1)
    found = newest[:limit]
    busy = _being_sent(ctx, found)
    rows = [
        {
            "campaign": campaign.key,
            "id": campaign.id,
            "notice": campaign.notice,
            "account": campaign.account,
            "created_at": _iso(campaign.created_at, campaign.now),
            "by": campaign.requested_by,
            **campaign.totals(being_sent=campaign.key in busy),
        }
        for campaign in found
    ]
    return Table(
        ("campaign", "created_at", "by", *_NUMBERS),
        rows,
        summary=count(len(rows), "campaign", more=len(newest) > limit),
        extra=("id", "notice", "account"),
        units={"created_at": "time"},
    )


@workflow("email.campaign.show")
def show_campaign(ctx: Context, campaign: CampaignName, state: State | None = None) -> Table:
    """Show one mail campaign, what became of the mail to each recipient, and what can be done.

    state: Only mails in this state.
    """
    ledger = _ledger(ctx)
    found = ledger.known(campaign)
    busy = bool(_being_sent(ctx, [found]))
    mails = [(_state(mail, busy), mail) for mail in ledger.mails(found.id)]
    rows = [
        {
            "state": shown,
            "recipient": mail.recipient,
            "tries": mail.tries,
            "changed_at": _iso(mail.changed_at, found.now),
            "sent_at": _iso(mail.sent_at, found.now) if mail.sent_at else None,
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
    facts = [f"asked for by {found.requested_by} at {_iso(found.created_at, found.now)}"]
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
    ctx: Context,
    campaign: CampaignName,
    *,
    resend_unknown: bool = False,
    again: Again,
) -> Plan:
    """Send the pending mails of a campaign whose run has ended.

    resend_unknown: Also send mails again that may or may not have arrived.
    """
    states: tuple[MailState, ...] = ("unknown", "sending") if resend_unknown else ()
    resuming = _Resuming(ctx, campaign, "Go on with", states)
    return resuming.plan_for(again)


@workflow("email.campaign.retry_failed")
def retry_failed(
    ctx: Context, campaign: CampaignName, which: Ended = "both", *, again: Again
) -> Plan:
    """Retry mails of a campaign that failed or that the server refused.

    which: Those that were given up (failed), those that the server refused, or both.
    """
    resuming = _Resuming(ctx, campaign, "Try again the failed mails of", _RETRIED[which])
    for mail in resuming.again:
        resuming.plan.note(f"{mail.recipient} {mail.state}: {mail.said}")
    if not resuming.again:
        return resuming.plan
    return resuming.plan_for(again)


class _Resuming:
    """A campaign that is resumed: what is pending, and ``again`` what had come to an end."""

    def __init__(
        self, ctx: Context, wanted: str, doing: str, states: tuple[MailState, ...]
    ) -> None:
        """Claim the campaign, so that what its mails are does not change any more."""
        from campaigns.drafts import why_not

        ledger = _ledger(ctx)
        self.ctx, self.campaign, self._states = ctx, ledger.known(wanted), states
        ctx.claim(self.campaign)
        self.plan = Plan(f"{doing} {self.campaign.key}")
        mails = ledger.mails(self.campaign.id)
        self.again = [mail for mail in mails if mail.state in states]
        self._mails = [mail for mail in mails if mail.state in ("pending", *states)]
        for mail in mails:
            if mail.state not in ("pending", "sent", *states):
                self.plan.leave(mail.recipient, why_not(mail.state, self.campaign.key))
        if had := [mail.recipient for mail in mails if mail.state == "sent"]:
            what = f"{count(len(had), 'recipient')} ({listed(had)})"
            self.plan.skip(what, "already sent")

    def plan_for(self, again: Again) -> Plan:
        """Return the plan that sends the mails, all of which are written now.

        Raises Refused if one cannot be written, or if there are more than are allowed.
        """
        from campaigns.drafts import looks_of
        from campaigns.planning import refuse_too_many
        from campaigns.preview import add_preview, show_messages

        plan, known = self.plan, self.campaign
        account = SmtpAccount.from_config(self.ctx.config, again.smtp or known.account)
        most = again.max_recipients or self.ctx.config.email.max_recipients
        refuse_too_many(plan, len(self._mails), most, "max_recipients")
        if not self._mails:
            return plan
        messages = self._written(account)
        if self.again:
            plan.add(
                send_again,
                campaign=known.key,
                to=count(len(self.again), "recipient"),
                states=self._states,
                recipients=[mail.recipient for mail in self.again],
            )
        plan.add(
            send_campaign,
            smtp=account,
            campaign=known.key,
            notice=known.notice,
            to=count(len(self._mails), "recipient"),
            recipients=[mail.recipient for mail in self._mails],
            looks=looks_of(account, known.notice, known.options),
        )
        add_preview(plan, account.config.places, again.preview_dir, known.key, messages)
        show_messages(plan, known.options, messages)
        return plan

    def _written(self, account: SmtpAccount) -> list[tuple[str, Message]]:
        from campaigns.composition import Writer
        from campaigns.planning import refuse_unwritten

        known = self.campaign
        writer = Writer(account, known.notice, known.key, known.options)
        messages, wrong = writer.prepare_all((one.recipient, one.content) for one in self._mails)
        refuse_unwritten(self.plan, wrong)
        return messages


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


def _iso(seconds: float, now: float) -> str:
    from state.clock import by_wall_clock

    wall = by_wall_clock(seconds, now)
    moment = datetime.datetime.fromtimestamp(wall, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
