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
from dataclasses import dataclass, replace
from typing import Any

from accounts.smtp import SmtpAccount
from campaigns.drafts import Draft
from campaigns.preview import add_preview
from campaigns.recipients import Delivery, OwnerMail, recipient_key, sorted_out
from campaigns.steps import send_campaign
from owners.owners import LeftOut
from state.mail_records import claimed_as
from workflow_api import Context, Plan, UserError, clean, count

__all__ = [
    "Delivery",
    "LeftOut",
    "OwnerMail",
    "campaign_key",
    "plan_campaign",
    "recipient_key",
]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*")
_LONGEST_KEY = 180
_SHOWN = 10
# Of what an owner who is left out would have been told, this much is told the operators.
_MOST_CONCERNS = 50
LEFT_OUT = "left_out"


@dataclass(frozen=True)
class Claimed:
    """A campaign as a run claims it, to be the only one that works on it."""

    key: str

    @property
    def subject(self) -> str:
        """``campaign:<key>``."""
        return claimed_as(self.key)

    @property
    def name(self) -> str:
        """Its key is what people call it."""
        return self.key


def campaign_key(workflow: str, day: datetime.date, parameters: Mapping[str, Any]) -> str:
    """Return the key of a campaign that was given none: the same for all that is asked in one day.

    ``parameters`` are those that make it another campaign: what it is about and to whom, not how
    it is sent (limit, cc, preview_dir).
    """
    digested = json.dumps(parameters, sort_keys=True, default=str)
    return f"{workflow}-{day}-{hashlib.sha256(digested.encode()).hexdigest()[:8]}"


def plan_campaign(
    ctx: Context,
    smtp: SmtpAccount,
    notice: str,
    mails: Iterable[OwnerMail],
    *,
    title: str,
    key: str,
    common: Mapping[str, Any] | None = None,
    left_out: Iterable[LeftOut] = (),
    delivery: Delivery | None = None,
    whole: bool = True,
) -> Plan:
    """Return the plan that sends ``notice`` to each of ``mails`` once.

    ``common`` are variables that all mails share. Two mails to one person are an error of the
    runbook's: only the first is sent. Raises Held if another run works on the campaign, UserError
    for a parameter that is not right or a campaign that has said something else, and Refused with
    all that cannot be written. With ``override_recipient`` it is a campaign of its
    own, and another one each time. Unless ``mails`` are the ``whole``, whoever is not among them
    may still be concerned.
    """
    delivery = delivery or Delivery()
    _check(key)
    plan = Plan(title)
    main = Draft(ctx, smtp, notice, key, delivery, common or {}, whole)
    if delivery.override_recipient:
        main.rehearse(delivery.override_recipient)
    ctx.claim(Claimed(main.key))
    valid, out = sorted_out(smtp, mails, left_out)
    for one in out:
        plan.leave(str(one), ": ".join(filter(None, (one.why, one.address))))
    main.choose(plan, valid)
    drafts, reasons = [main], []
    if out and delivery.tell_operators:
        if operators := smtp.config.email.operators:
            drafts.append(_to_operators(main, operators, plan, out))
        else:
            reasons.append("tell_operators: email.operators is not configured")
    most = delivery.max_recipients or smtp.config.email.max_recipients
    refuse_too_many(plan, len(main.chosen), most, "limit or max_recipients", reasons)
    for draft in drafts:
        reasons += draft.write()
    refuse_unwritten(plan, reasons)
    for draft in drafts:
        draft.record(plan)
    # Neither the owners nor the operators go without their mail because the others' failed.
    plan.each(
        send_campaign,
        [given for draft in drafts for given in draft.sending()],
        on_failure="continue",
    )
    for draft in drafts:
        add_preview(plan, smtp.config.places, delivery.preview_dir, draft.key, draft.messages)
    if delivery.override_recipient:
        plan.note(f"This is a rehearsal (campaign {main.key}) and can be repeated.")
    else:
        plan.note(f"The campaign is {key}: run again with it, nobody gets the same twice.")
    for draft in drafts:
        draft.show(plan)
    return plan


def refuse_too_many(
    plan: Plan, recipients: int, most: int, instead: str, reasons: Sequence[str] = ()
) -> None:
    """Raise Refused, with ``reasons`` too, if a campaign goes to more than are allowed.

    ``instead`` are the parameters that would change that.
    """
    if recipients > most:
        why = f"it has {count(recipients, 'recipient')} and max_recipients is {most}"
        plan.refuse([*reasons, why], f"See whom it would go to, or give {instead}.")


def refuse_unwritten(plan: Plan, reasons: Sequence[str]) -> None:
    """Raise Refused if there are reasons why mails cannot be written; it names the first few."""
    plan.refuse(_some(reasons, _SHOWN))


def _to_operators(main: Draft, operators: str, plan: Plan, out: Sequence[LeftOut]) -> Draft:
    """Return the campaign of one mail that tells the operators who is left out of another."""
    from email_api.addresses import addresses

    # Another one when others are left out, or of other things: that is news.
    news = json.dumps([_as_variables(one, len(one.concerns)) for one in out], sort_keys=True)
    key = f"{main.key}-left-out-{hashlib.sha256(news.encode()).hexdigest()[:8]}"
    main.ctx.claim(Claimed(key))
    plain = replace(main.delivery, cc=(), bcc=(), limit=None, unsubscribe=None)
    draft = Draft(main.ctx, main.smtp, LEFT_OUT, key, plain, {})
    content = {"subject": plan.title, "owners": [_as_variables(one, _MOST_CONCERNS) for one in out]}
    mail = OwnerMail(address=operators, content=content)
    known = addresses(operators, tuple(main.smtp.config.email.local_domains))
    draft.choose(plan, {to: replace(mail, address=to) for to in known})
    return draft


def _as_variables(one: LeftOut, most: int) -> dict[str, Any]:
    """Return somebody who is left out as the variables of the notice to the operators."""
    return {
        "reason": one.why,
        "owner": one.owner,
        "address": one.address or None,
        "project": one.project or None,
        "concerns": _some(one.concerns, most),
    }


def _check(key: str) -> None:
    """Raise UserError if the campaign's key is none."""
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        raise UserError(
            f"campaign {clean(key)[:80]!r} is not a key: write up to {_LONGEST_KEY} letters, "
            "digits and . _ : @ + - without spaces."
        )


def _some(texts: Sequence[str], most: int) -> list[str]:
    more = len(texts) - most
    return [*texts[:most], *([f"and {more} more"] if more > 0 else [])]
