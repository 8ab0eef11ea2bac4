"""One campaign on its way into a plan: whom it goes to, what each is told, and its steps."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.smtp import SmtpAccount
from campaigns.composition import Message, Writer, logo_of
from campaigns.preview import show_messages
from campaigns.steps import record_campaign
from common.text import shorten
from workflow_api import Context, Plan, UserError, clean, count, listed

if TYPE_CHECKING:
    from campaigns.recipients import Delivery, OwnerMail
    from email_api.addresses import Address
    from state.ledger import Campaigns, MailState
    from state.mail_records import Campaign

# Variables that each run of a campaign may give another value, as a note that tells how many have
# answered. They are kept with each mail, so that one that is sent again says what it said.
_OF_A_RUN = frozenset({"note"})
_SHOWN = 60


@dataclass
class Draft:
    """A campaign that is being planned. ``common`` are the variables that all mails share.

    Unless it is ``whole``, whom it concerns is known only in part.
    """

    ctx: Context
    smtp: SmtpAccount
    notice: str
    key: str
    delivery: Delivery
    common: Mapping[str, Any]
    whole: bool = True
    chosen: list[tuple[Address, OwnerMail]] = field(default_factory=list)
    messages: list[tuple[str, Message]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    # Recipients whose mail was planned before and no longer concerns them.
    gone: list[str] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        """What the ledger keeps of how it goes out, and of what all mails say."""
        shared = {name: value for name, value in self.common.items() if name not in _OF_A_RUN}
        return self.delivery.options(shared)

    def rehearse(self, override: str) -> None:
        """Be the first campaign to ``override`` alone that has not come to its end: a rehearsal
        counts for nobody, not for the next one either."""
        first, ledger = _rehearsal_key(self.key, override), self._ledger()
        for number in itertools.count(1):
            self.key = first if number == 1 else f"{first}-{number}"
            found = ledger.campaign(self.key)
            if found is None or (
                found.counts.get("pending") and not says_otherwise(found, self.notice, self.options)
            ):
                return

    def choose(self, plan: Plan, mails: Mapping[Address, OwnerMail]) -> None:
        """Choose whom to send it: whoever has not had it, as many as are asked for.

        Raises UserError if the campaign is known and says something else.
        """
        from email_api.addresses import Address, folded

        known = self._known()
        others = {folded(recipient): recipient for recipient in known}
        had = []
        for address, mail in mails.items():
            recipient = others.pop(address.key, address.spec)
            state = known.get(recipient, "pending")
            if state == "pending":
                # As the ledger writes it; whoever is meant stands in the notice by name.
                self.chosen.append((Address(recipient), mail))
            elif state == "sent":
                had.append(recipient)
            else:
                plan.leave(recipient, why_not(state, self.key))
        if had:
            plan.skip(f"{count(len(had), 'recipient')} ({listed(had)})", "already sent")
        self._drop(plan, [one for one in others.values() if known[one] == "pending"])
        self._limit(plan, known)

    def write(self) -> list[str]:
        """Write every message; return why some cannot be."""
        writer = Writer(self.smtp, self.notice, self.key, self.options)
        named = "recipient" in writer.notice.schema.variables
        own = {name: value for name, value in self.common.items() if name in _OF_A_RUN}
        contents = {
            to.spec: {
                **({"recipient": mail.name} if mail.name and named else {}),
                **own,
                **mail.content,
            }
            for to, mail in self.chosen
        }
        self.messages, wrong = writer.prepare_all((to, contents[to.spec]) for to, _ in self.chosen)
        self.mails = [
            {
                "recipient": recipient,
                "subject": message.subject,
                "message_id": message.envelope.message_id,
                "content": contents[recipient],
            }
            for recipient, message in self.messages
        ]
        return wrong

    def record(self, plan: Plan) -> None:
        """Plan to write it down, if there is anything to do."""
        if self.mails or self.gone:
            plan.add(
                record_campaign,
                campaign=self.key,
                notice=self.notice,
                account=self.smtp.name,
                to=self._to,
                options=self.options,
                mails=self.mails,
                gone=self.gone,
            )

    def sending(self) -> Iterator[dict[str, Any]]:
        """Yield what the step that sends it is given, if there is anything to send."""
        if self.mails:
            yield {
                "smtp": self.smtp,
                "campaign": self.key,
                "notice": self.notice,
                "to": self._to,
                "recipients": [mail["recipient"] for mail in self.mails],
                "looks": looks_of(self.smtp, self.notice, self.options),
            }

    def show(self, plan: Plan) -> None:
        """Say in the plan who gets what."""
        show_messages(plan, self.options, self.messages)

    @property
    def _to(self) -> str:
        return count(len(self.mails), "recipient")

    def _drop(self, plan: Plan, others: list[str]) -> None:
        """Drop what is pending to those whom it no longer concerns, if that is known."""
        if not others:
            return
        self.gone = others if self.whole else []
        why = "no longer concerns them"
        if not self.whole:
            why = "what concerns them may not have been read: it stays pending"
        plan.skip(
            f"{count(len(others), 'recipient')} ({listed(others)})",
            f"it was planned before and {why}",
        )

    def _limit(self, plan: Plan, known: Mapping[str, MailState]) -> None:
        """Leave for later whoever is beyond the limit: what is pending of them stays so."""
        most = self.delivery.limit
        if most is None or len(self.chosen) <= most:
            return
        later = [to.spec for to, _ in self.chosen[most:]]
        del self.chosen[most:]
        why = f"only the first {most} are sent it now"
        if waiting := [recipient for recipient in later if recipient in known]:
            why += f"; {len(waiting)} of them ({listed(waiting)}) stay pending"
        plan.skip(count(len(later), "recipient"), why)

    def _ledger(self) -> Campaigns:
        from state.ledger import Campaigns

        return Campaigns(self.ctx.open_journal().store)

    def _known(self) -> Mapping[str, MailState]:
        ledger = self._ledger()
        found = ledger.campaign(self.key)
        if found is None:
            return {}
        if other := says_otherwise(found, self.notice, self.options):
            raise UserError(
                f"The campaign {self.key} {other}. Who has had it would not be told of this, and "
                "who is sent it again would be told half of each.",
                advice="Give another campaign.",
            )
        return ledger.states(found.id)


def looks_of(smtp: SmtpAccount, notice: str, options: Mapping[str, Any]) -> str:
    """Return what changes with the looks of a campaign's mails and with whom they come from.

    Not with the mails themselves: they say how long ago something was.
    """
    from email_api.sources import sources

    mail, entry, organisation = smtp.config.email, smtp.entry, smtp.config.organisation
    logo = logo_of(organisation.logo)
    parts = [
        sources(notice, [mail.templates] if mail.templates else []),
        msgspec.to_builtins(organisation),
        hashlib.sha256(logo).hexdigest(),
        options.get("sender") or entry.sender,
        options.get("reply_to") or entry.reply_to,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _rehearsal_key(key: str, override: str) -> str:
    """Return the key of a campaign that goes to one address instead: whom it is really for has not
    had it."""
    from email_api.addresses import folded
    from email_api.mailboxes import mailboxes

    recipients = ",".join(sorted(map(folded, mailboxes(override))))
    return f"{key}-to-{hashlib.sha256(recipients.encode()).hexdigest()[:8]}"


def says_otherwise(found: Campaign, notice: str, options: Mapping[str, Any]) -> str:
    """Return how a campaign that is known says something else to all; nothing if it does not."""
    if found.notice != notice:
        return f"is of the notice {found.notice}, not of {notice}"
    was, now = found.options.get("common", {}), options["common"]
    names = [
        name
        for name in sorted({*was, *now} - _OF_A_RUN)
        if json.dumps(was.get(name), sort_keys=True) != json.dumps(now.get(name), sort_keys=True)
    ]
    if not names:
        return ""
    return f"says something else: {listed(_change(n, was.get(n), now.get(n)) for n in names)}"


def _change(name: str, was: Any, now: Any) -> str:
    """Return how a variable differs: in full if it is a text or none, and else by its name."""
    if not all(isinstance(value, str | None) for value in (was, now)):
        return name
    texts = [
        "none" if value is None else repr(shorten(clean(value), _SHOWN)) for value in (was, now)
    ]
    return f"{name} was {texts[0]} and is now {texts[1]}"


def why_not(state: str, key: str) -> str:
    """Return why a mail that came to this end is not sent again, and what would send it."""
    if state in ("failed", "refused"):
        was = "it was refused before" if state == "refused" else "it failed before"
        return f"{was}: email.campaign.retry_failed campaign={key} tries again"
    return (
        "nobody knows whether it got there: email.campaign.resume "
        f"campaign={key} resend_unknown=true sends it again"
    )
