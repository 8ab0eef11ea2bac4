"""Planning a mail campaign: what every runbook that mails people ends with.

Everything is written first, and nothing is planned if one message cannot be. Who is left out, and
why, stands in the plan; who has had the mail of this campaign is not sent it again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from accounts.smtp import SmtpAccount
from state.mail_records import claimed_as
from workflow_api import Context, Plan, UserError, clean, count, listed
from workflows.campaign_mail import Message, Writer
from workflows.campaign_preview import show_messages, write_preview
from workflows.campaign_steps import record_campaign, send_campaign
from workflows.letters import Delivery, LeftOut, Letter, recipient_key, sorted_out

__all__ = ["Delivery", "LeftOut", "Letter", "campaign_key", "plan_campaign", "recipient_key"]

if TYPE_CHECKING:
    from email_api.addresses import Address
    from state.ledger import MailState

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*")
_LONGEST_KEY = 180
_SHOWN = 10
LEFT_OUT = "left_out"


@dataclass(frozen=True)
class Claimed:
    """A campaign as a run claims it, to be the only one that works on it."""

    key: str

    @property
    def subject(self) -> str:
        """``campaign:<key>``."""
        return claimed_as(self.key)


def campaign_key(workflow: str, day: datetime.date, parameters: Mapping[str, Any]) -> str:
    """Return the key of a campaign that was given none: the same for all that is asked in one day.

    ``parameters`` are those that make it another campaign: what it is about and to whom, not how
    it is sent (limit, cc, preview_dir).
    """
    told = json.dumps(parameters, sort_keys=True, default=str)
    return f"{workflow}-{day}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def rehearsal_key(key: str, override: str | None) -> str:
    """Return the key of a campaign that goes to one address instead, if it is to.

    It is a campaign of its own: whom it is really for has not had it.
    """
    if not override:
        return key
    from email_api.addresses import folded

    return f"{key}-to-{hashlib.sha256(folded(override.strip()).encode()).hexdigest()[:8]}"


def plan_campaign(
    ctx: Context,
    smtp: SmtpAccount,
    notice: str,
    letters: Iterable[Letter],
    *,
    title: str,
    key: str,
    common: Mapping[str, Any] | None = None,
    left_out: Iterable[LeftOut] = (),
    delivery: Delivery | None = None,
) -> Plan:
    """Return the plan that sends ``notice`` to each of ``letters`` once.

    ``common`` are variables that all mails share. Two letters to one person are an error of the
    runbook's: only the first is sent. Raises Held if another run works on the campaign, UserError
    for a parameter that is not right, and Refused with all that cannot be written.
    """
    delivery = delivery or Delivery()
    key = _checked(key, delivery)
    plan = Plan(title)
    ctx.claim(Claimed(key))
    valid, out = sorted_out(smtp, letters, left_out)
    for one in out:
        plan.leave(str(one), ": ".join(filter(None, (one.why, one.address))))
    drafts, reasons = [], []
    if out and delivery.tell_operators:
        if operators := smtp.config.email.operators:
            drafts.append(_to_operators(ctx, smtp, operators, plan, key, out, delivery))
        else:
            reasons.append("tell_operators: email.operators is not configured")
    main = _Draft(ctx, smtp, notice, key, delivery.options(common or {}))
    main.choose(plan, valid, delivery)
    most = delivery.max_recipients or smtp.config.email.max_recipients
    if len(main.chosen) > most:
        why = f"it has {count(len(main.chosen), 'recipient')} and max_recipients is {most}"
        plan.refuse([*reasons, why], "See whom it would go to, or give limit or max_recipients.")
    drafts.append(main)
    for draft in drafts:
        reasons += draft.write()
    plan.refuse(_some(reasons))
    for draft in drafts:
        draft.add_to(plan)
        if delivery.preview_dir:
            folder = write_preview(delivery.preview_dir, draft.key, draft.messages)
            plan.note(f"{count(len(draft.messages), 'mail')} to look at: {folder}")
    plan.note(f"The campaign is {key}: run again with it, nobody gets the same twice.")
    for draft in drafts:
        draft.show(plan)
    return plan


@dataclass
class _Draft:
    """One campaign on its way into a plan."""

    ctx: Context
    smtp: SmtpAccount
    notice: str
    key: str
    options: dict[str, Any]
    chosen: list[tuple[str, Letter]] = field(default_factory=list)
    messages: list[tuple[str, Message]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    drops: bool = False

    def choose(self, plan: Plan, letters: Mapping[Address, Letter], delivery: Delivery) -> None:
        """Choose whom to send it: whoever has not had it, as many as are asked for."""
        from email_api.addresses import folded

        known = self._known()
        others = {folded(recipient): recipient for recipient in known}
        had = []
        for address, letter in letters.items():
            recipient = others.pop(address.key, address.spec)
            state = known.get(recipient, "pending")
            if state == "pending":
                self.chosen.append((recipient, letter))
            elif state == "sent":
                had.append(recipient)
            else:
                plan.leave(recipient, why_not(state, self.key))
        if had:
            plan.skip(f"{count(len(had), 'recipient')} ({listed(had)})", "they have had it")
        gone = [one for one in others.values() if known[one] == "pending"]
        if gone:
            what = f"{count(len(gone), 'recipient')} ({listed(gone)})"
            plan.skip(what, "it was planned before and no longer concerns them")
        self.drops = bool(gone)
        if delivery.limit is not None and len(self.chosen) > delivery.limit:
            more = len(self.chosen) - delivery.limit
            plan.skip(count(more, "recipient"), f"only the first {delivery.limit} are sent it now")
            del self.chosen[delivery.limit :]

    def write(self) -> list[str]:
        """Write every message; return why some cannot be."""
        writer, wrong = Writer(self.smtp, self.notice, self.key, self.options), []
        for recipient, letter in self.chosen:
            content = dict(letter.content)
            if letter.name and "recipient" in writer.notice.schema.variables:
                content = {"recipient": letter.name, **content}
            try:
                message = writer.prepare(recipient, content)
            except UserError as error:
                wrong.append(f"{recipient}: {error}")
                continue
            self.messages.append((recipient, message))
            self.mails.append(
                {
                    "recipient": recipient,
                    "subject": message.subject,
                    "message_id": message.envelope.message_id,
                    "content": content,
                }
            )
        return wrong

    def add_to(self, plan: Plan) -> None:
        """Plan what is to be done, if anything is."""
        to = count(len(self.mails), "recipient")
        if self.mails or self.drops:
            plan.add(
                record_campaign,
                campaign=self.key,
                notice=self.notice,
                account=self.smtp.name,
                to=to,
                options=self.options,
                mails=self.mails,
            )
        if self.mails:
            plan.add(send_campaign, smtp=self.smtp, campaign=self.key, notice=self.notice, to=to)

    def show(self, plan: Plan) -> None:
        """Say in the plan who gets what."""
        show_messages(plan, self.options, self.messages)

    def _known(self) -> Mapping[str, MailState]:
        from state.ledger import Campaigns

        ledger = Campaigns(self.ctx.open_journal().store)
        found = ledger.campaign(self.key)
        if found is None:
            return {}
        if found.notice != self.notice:
            raise UserError(
                f"The campaign {self.key} is of the notice {found.notice}, not of {self.notice}.",
                advice="Give another campaign.",
            )
        return ledger.states(found.id)


def _to_operators(
    ctx: Context,
    smtp: SmtpAccount,
    operators: str,
    plan: Plan,
    key: str,
    out: Sequence[LeftOut],
    delivery: Delivery,
) -> _Draft:
    """Return the campaign of one mail that tells the operators who is left out."""
    from email_api.addresses import address

    owners = [
        {
            "reason": one.why,
            "owner": one.owner,
            "address": one.address or None,
            "project": one.project or None,
            "concerns": list(one.concerns),
        }
        for one in out
    ]
    digest = hashlib.sha256(json.dumps(owners, sort_keys=True).encode()).hexdigest()[:8]
    # Another one when others are left out: that is news.
    theirs = f"{key}-left-out-{digest}"
    ctx.claim(Claimed(theirs))
    plain = replace(delivery, cc=(), bcc=(), limit=None, unsubscribe=None)
    draft = _Draft(ctx, smtp, LEFT_OUT, theirs, plain.options({}))
    content = {"subject": plan.title, "owners": owners}
    to = address(operators, tuple(smtp.config.email.local_domains))
    draft.choose(plan, {to: Letter(address=operators, content=content)}, plain)
    return draft


def _checked(key: str, delivery: Delivery) -> str:
    """Return the campaign's key; UserError if it, or what goes with it, is not right."""
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        raise UserError(
            f"campaign {clean(key)[:80]!r} is not a key: write up to {_LONGEST_KEY} letters, "
            "digits and . _ : @ + - without spaces."
        )
    for name in ("limit", "max_recipients"):
        number = getattr(delivery, name)
        if number is not None and number < 1:
            raise UserError(f"{name} is at least 1, not {number}.")
    return rehearsal_key(key, delivery.override_recipient)


def why_not(state: str, key: str) -> str:
    """Return why a mail that came to this end is not sent again, and what would send it."""
    if state in ("failed", "refused"):
        was = "it was refused before" if state == "refused" else "it failed before"
        return f"{was}: email.campaign.retry_failed campaign={key} tries again"
    return (
        "nobody knows whether it got there: email.campaign.resume "
        f"campaign={key} resend_unknown=true sends it again"
    )


def _some(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - _SHOWN
    return [*reasons[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
