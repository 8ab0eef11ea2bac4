"""The ledger of mail campaigns: what became of each mail, so that none is sent twice or lost.

A mail is ``pending`` until it is sent. It becomes ``sending`` right before the end of its message
goes out, which is the moment from which a server may have accepted it, and ``sent``, ``refused``
(by the server, for good) or ``failed`` (given up) when the answer is here. One that is found
``sending`` by a later life is ``unknown``: it is shown, and never sent again unless asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import and_, delete, func, insert, select, update

from state.clock import db_now
from state.leases import Leases
from state.retries import retried
from state.schema import campaigns, mails
from state.store import Store
from workflow_api.errors import NotFound, RunbookError

MailState = Literal["pending", "sending", "sent", "failed", "refused", "unknown"]
STATES: tuple[MailState, ...] = ("pending", "sending", "sent", "failed", "refused", "unknown")
# Those whose campaign still has something to do or to be decided.
_UNSETTLED = ("pending", "sending", "unknown")


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
        return f"campaign:{self.key}"


class Campaigns(Leases):
    """Reading the ledger, and forgetting what is old."""

    @retried
    def campaign(self, key: str) -> Campaign | None:
        """Return the campaign with this key or id, or None."""
        found = self._campaigns((campaigns.c.key == key) | (campaigns.c.id == key), 1)
        return found[0] if found else None

    def known(self, key: str) -> Campaign:
        """Return the campaign with this key or id. Raises NotFound."""
        found = self.campaign(key)
        if found is None:
            names = [campaign.key for campaign in self.recent(limit=5)]
            raise NotFound("campaign", key, where="the ledger", near=names)
        return found

    @retried
    def recent(self, *, limit: int) -> list[Campaign]:
        """Return the newest campaigns, newest first."""
        return self._campaigns(None, limit)

    @retried
    def mails(self, campaign: str, *states: MailState) -> list[Mail]:
        """Return a campaign's mails in their order, only those in ``states`` if any are given."""
        wanted = select(mails).where(mails.c.campaign == campaign).order_by(mails.c.position)
        if states:
            wanted = wanted.where(mails.c.state.in_(states))
        with self.store.reading() as tx:
            return [Mail(**row._mapping) for row in tx.execute(wanted)]

    @retried
    def states(self, campaign: str) -> dict[str, MailState]:
        """Return the state of each recipient's mail."""
        wanted = select(mails.c.recipient, mails.c.state).where(mails.c.campaign == campaign)
        with self.store.reading() as tx:
            return {row.recipient: row.state for row in tx.execute(wanted)}

    @retried
    def forget(self, older_than: float) -> int:
        """Delete campaigns older than that many seconds; those with an unsettled mail never."""
        unsettled = select(mails.c.campaign).where(mails.c.state.in_(_UNSETTLED))
        old = and_(db_now() - campaigns.c.created_at > older_than, ~campaigns.c.id.in_(unsettled))
        with self.store.transaction() as tx:
            ids = list(tx.execute(select(campaigns.c.id).where(old)).scalars())
            if ids:
                tx.execute(delete(mails).where(mails.c.campaign.in_(ids)))
                tx.execute(delete(campaigns).where(campaigns.c.id.in_(ids)))
        return len(ids)

    def _campaigns(self, which: Any, limit: int) -> list[Campaign]:
        wanted = select(campaigns, db_now().label("now")).order_by(campaigns.c.created_at.desc())
        if which is not None:
            wanted = wanted.where(which)
        with self.store.reading() as tx:
            rows = list(tx.execute(wanted.limit(limit)))
            numbers = select(mails.c.campaign, mails.c.state, func.count()).group_by(
                mails.c.campaign, mails.c.state
            )
            counted = numbers.where(mails.c.campaign.in_([row.id for row in rows]))
            counts: dict[str, dict[MailState, int]] = {}
            for campaign, state, number in tx.execute(counted):
                counts.setdefault(campaign, {})[state] = number
        return [Campaign(**row._mapping, counts=counts.get(row.id, {})) for row in rows]


class Ledger(Campaigns):
    """The ledger as a run writes it: every write is committed only while its lease holds.

    Raises LeaseLost where it does not, and leaves nothing then.
    """

    def __init__(self, store: Store, root: str, generation: int, run: str) -> None:
        super().__init__(store)
        self._fence, self._run = (root, generation), run

    @retried
    def record(
        self,
        key: str,
        notice: str,
        account: str,
        requested_by: str,
        options: Mapping[str, Any],
        new: Sequence[NewMail],
    ) -> str:
        """Have a campaign with these mails in it; return its id.

        A mail that is there already is left as it is, but what it says is brought up to date as
        long as it is pending.
        """
        with self.fenced(*self._fence) as tx:
            found = tx.execute(select(campaigns.c.id).where(campaigns.c.key == key)).scalar()
            campaign = found or str(uuid.uuid4())
            settings = {"notice": notice, "account": account, "options": dict(options)}
            if found is None:
                tx.execute(
                    insert(campaigns).values(
                        id=campaign,
                        key=key,
                        requested_by=requested_by,
                        created_at=db_now(),
                        **settings,
                    )
                )
            else:
                tx.execute(update(campaigns).where(campaigns.c.id == campaign).values(**settings))
            there = select(mails.c.recipient, mails.c.state).where(mails.c.campaign == campaign)
            states: dict[str, MailState] = {row.recipient: row.state for row in tx.execute(there)}
            fresh = [mail for mail in new if mail.recipient not in states]
            if fresh:
                rows = [
                    {**vars(mail), "content": dict(mail.content), "position": number}
                    for number, mail in enumerate(fresh, len(states))
                ]
                fixed = {"campaign": campaign, "state": "pending", "tries": 0, "run": self._run}
                tx.execute(insert(mails).values(changed_at=db_now(), **fixed), rows)
            for mail in new:
                if states.get(mail.recipient) == "pending":
                    told = {"subject": mail.subject, "content": dict(mail.content)}
                    tx.execute(update(mails).where(_one(campaign, mail.recipient)).values(**told))
        return campaign

    @retried
    def wake(self, campaign: str, *, resend: bool = False) -> int:
        """Settle what an earlier life left ``sending``: nobody knows whether it was accepted.

        It becomes ``unknown``; with ``resend`` that, and what was unknown before, is pending
        again. Return how many are unknown now.
        """
        doubtful = ("sending", "unknown") if resend else ("sending",)
        with self.fenced(*self._fence) as tx:
            tx.execute(
                update(mails)
                .where(mails.c.campaign == campaign, mails.c.state.in_(doubtful))
                .values(
                    state="pending" if resend else "unknown",
                    said="the run was cut off before the server's answer was recorded",
                    changed_at=db_now(),
                )
            )
            left = select(func.count()).where(
                mails.c.campaign == campaign, mails.c.state == "unknown"
            )
            return int(tx.execute(left).scalar_one())

    @retried
    def again(self, campaign: str, *states: MailState) -> int:
        """Make mails in ``states`` pending again, with no tries used up; return how many."""
        with self.fenced(*self._fence) as tx:
            done = tx.execute(
                update(mails)
                .where(mails.c.campaign == campaign, mails.c.state.in_(states))
                .values(state="pending", tries=0, changed_at=db_now(), run=self._run)
            )
            return done.rowcount

    @retried
    def begin(self, mail: Mail) -> None:
        """Commit that the end of a message goes out now: from here it may have been accepted."""
        with self.fenced(*self._fence) as tx:
            begun = tx.execute(
                update(mails)
                .where(_one(mail.campaign, mail.recipient), mails.c.state == "pending")
                .values(
                    state="sending",
                    tries=mails.c.tries + 1,
                    changed_at=db_now(),
                    run=self._run,
                )
            )
            if begun.rowcount != 1:
                raise RunbookError(f"The mail to {mail.recipient} is no longer pending.")

    @retried
    def end(
        self, mail: Mail, state: MailState, code: int | None, said: str, *, tried: bool = False
    ) -> None:
        """Commit what became of a mail; ``tried``: the try ended before its message did."""
        with self.fenced(*self._fence) as tx:
            tx.execute(
                update(mails)
                .where(_one(mail.campaign, mail.recipient))
                .values(
                    state=state,
                    code=code,
                    said=said,
                    tries=mails.c.tries + int(tried),
                    changed_at=db_now(),
                    sent_at=db_now() if state == "sent" else None,
                    run=self._run,
                )
            )


def _one(campaign: str, recipient: str) -> Any:
    return and_(mails.c.campaign == campaign, mails.c.recipient == recipient)
