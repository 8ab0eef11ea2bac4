"""The ledger of mail campaigns: what became of each mail, so that none is sent twice or lost.

A mail is ``pending`` until it is sent. It becomes ``sending`` right before the end of its message
goes out, which is the moment from which a server may have accepted it, and ``sent``, ``refused``
(by the server, for good) or ``failed`` (given up) when the answer is here. One that is found
``sending`` by a later life is ``unknown``: it is shown, and never sent again unless asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, insert, select, update

from common.errors import NotFound, RunbookError
from state.clock import db_now
from state.leases import Leases
from state.mail_records import (
    STATES,
    UNSETTLED,
    Campaign,
    Mail,
    MailState,
    NewMail,
    claimed_as,
)
from state.retries import retried
from state.schema import campaigns, claims, mails, runs
from state.store import Store

__all__ = ["STATES", "Campaign", "Campaigns", "Ledger", "Mail", "MailState", "NewMail"]

CUT_OFF = "the run was cut off before the server's answer was recorded"
_FORGOTTEN_AT_ONCE = 200

# Made once: a campaign says these for every mail, and making one costs more than running it.
_ONE = and_(
    mails.c.campaign == bindparam("its_campaign"), mails.c.recipient == bindparam("its_recipient")
)
_BEGIN = (
    update(mails)
    .where(_ONE, mails.c.state == "pending")
    .values(
        state="sending",
        tries=mails.c.tries + 1,
        changed_at=db_now(),
        message_id=bindparam("as_id"),
        run=bindparam("by_run"),
    )
)
_END = (
    update(mails)
    .where(_ONE)
    .values(
        state=bindparam("new_state"),
        code=bindparam("new_code"),
        said=bindparam("new_said"),
        tries=mails.c.tries + bindparam("tried"),
        changed_at=db_now(),
        run=bindparam("by_run"),
    )
)
_SENT = _END.values(sent_at=db_now())
_SAYS = (
    update(mails)
    .where(_ONE, mails.c.state == "pending")
    .values({name: bindparam(f"new_{name}") for name in ("subject", "message_id", "content")})
)
_GONE = delete(mails).where(_ONE, mails.c.state == "pending")


class Campaigns(Leases):
    """Reading the ledger, and forgetting what is old."""

    @retried
    def campaign(self, key: str) -> Campaign | None:
        """Return the campaign with this key or id, or None."""
        found = self._campaigns((campaigns.c.key == key) | (campaigns.c.id == key), 1)
        return found[0] if found else None

    def known(self, key: str) -> Campaign:
        """Return the campaign with this key or id. Raises NotFound with the newest keys."""
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
        """Return the state of each recipient's mail, in their order."""
        wanted = select(mails.c.recipient, mails.c.state).where(mails.c.campaign == campaign)
        with self.store.reading() as tx:
            rows = tx.execute(wanted.order_by(mails.c.position))
            return {row.recipient: row.state for row in rows}

    def forget(self, older_than: float) -> int:
        """Delete campaigns whose newest mail changed longer ago than that; return how many.

        Never one with a mail that is still to be sent or of which nobody knows whether it was,
        and never one that a run has claimed.
        """
        total = 0
        while forgotten := self._forget_some(older_than):
            total += forgotten
        return total

    @retried
    def _forget_some(self, older_than: float) -> int:
        unsettled = exists().where(mails.c.campaign == campaigns.c.id, mails.c.state.in_(UNSETTLED))
        claimed = exists().where(claims.c.subject == claimed_as("") + campaigns.c.key)
        before = db_now() - older_than
        # One that is used for years is not as old as its first mail. What was made only lately is
        # not looked into at all: none of its mails is older than the campaign.
        young = exists().where(mails.c.campaign == campaigns.c.id, mails.c.changed_at >= before)
        made = campaigns.c.created_at < before
        old = select(campaigns.c.id).where(made, ~unsettled, ~young, ~claimed)
        with self.store.reading() as tx:
            if not (found := list(tx.execute(old.limit(_FORGOTTEN_AT_ONCE)).scalars())):
                return 0
        with self.store.transaction() as tx:
            # Locked and looked at again: somebody may be adding to one by now.
            tx.execute(_locked(campaigns.c.id.in_(found)))
            sure = list(tx.execute(old.where(campaigns.c.id.in_(found))).scalars())
            tx.execute(delete(mails).where(mails.c.campaign.in_(sure)))
            tx.execute(delete(campaigns).where(campaigns.c.id.in_(sure)))
        return len(sure)

    def _campaigns(self, which: Any, limit: int) -> list[Campaign]:
        newest = campaigns.c.created_at.desc(), campaigns.c.key
        wanted = select(campaigns, db_now().label("now")).order_by(*newest)
        if which is not None:
            wanted = wanted.where(which)
        numbers = select(mails.c.campaign, mails.c.state, func.count())
        numbers = numbers.group_by(mails.c.campaign, mails.c.state)
        counts: dict[str, dict[MailState, int]] = {}
        with self.store.reading() as tx:
            rows = list(tx.execute(wanted.limit(limit)))
            counted = numbers.where(mails.c.campaign.in_([row.id for row in rows]))
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
        options: Mapping[str, Any],
        new: Iterable[NewMail],
        gone: Iterable[str] = (),
    ) -> str:
        """Have a campaign with these mails in it, by who asked for the run; return its id.

        One that is known keeps what became of its mails. Those that are still pending say from
        now on what ``new`` says, are dropped if ``gone`` has their recipient, and else stay as
        they are. What of ``options`` a mail says has to be what it was: those that are not
        pending are read with it too when they are sent again.
        """
        settings = {"notice": notice, "account": account, "options": dict(options)}
        told = {mail.recipient: mail for mail in new}
        with self.fenced(*self._fence) as tx:
            campaign = tx.execute(_locked(campaigns.c.key == key)).scalar()
            if campaign is None:
                campaign = str(uuid.uuid4())
                by = select(runs.c.requested_by).where(runs.c.id == self._run).scalar_subquery()
                made = {"key": key, "requested_by": by, "created_at": db_now(), **settings}
                tx.execute(insert(campaigns).values(id=campaign, **made))
            else:
                tx.execute(update(campaigns).where(campaigns.c.id == campaign).values(**settings))
            known = select(mails.c.recipient, mails.c.state, mails.c.position)
            there = list(tx.execute(known.where(mails.c.campaign == campaign)))
            pending = [row.recipient for row in there if row.state == "pending"]
            dropped = set(gone)
            if drops := [_its(campaign, one) for one in pending if one in dropped]:
                tx.execute(_GONE, drops)
            if same := [_says(campaign, told[one]) for one in pending if one in told]:
                tx.execute(_SAYS, same)
            names, last = {row.recipient for row in there}, max(
                (r.position for r in there), default=-1
            )
            fixed = {"campaign": campaign, "state": "pending", "tries": 0, "run": self._run}
            fresh = [mail for mail in told.values() if mail.recipient not in names]
            if rows := [
                {**vars(mail), "content": dict(mail.content), "position": number}
                for number, mail in enumerate(fresh, last + 1)
            ]:
                tx.execute(insert(mails).values(changed_at=db_now(), **fixed), rows)
        return str(campaign)

    @retried
    def wake(self, campaign: str) -> int:
        """Settle what an earlier life left ``sending``: nobody knows whether it was accepted.

        It becomes ``unknown``, and stays the mail of the run that was at it; return how many
        there are now.
        """
        with self.fenced(*self._fence) as tx:
            tx.execute(
                update(mails)
                .where(mails.c.campaign == campaign, mails.c.state == "sending")
                .values(state="unknown", said=CUT_OFF, changed_at=db_now())
            )
            left = select(func.count()).where(
                mails.c.campaign == campaign, mails.c.state == "unknown"
            )
            return int(tx.execute(left).scalar_one())

    @retried
    def again(self, campaign: str, states: Sequence[MailState], recipients: Sequence[str]) -> int:
        """Make the mails to ``recipients`` that are in one of ``states`` pending again.

        They have used up no tries then. Return how many they are.
        """
        its = and_(mails.c.campaign == campaign, mails.c.state.in_(states))
        with self.fenced(*self._fence) as tx:
            done = tx.execute(
                update(mails)
                .where(its, mails.c.recipient.in_(recipients))
                .values(state="pending", tries=0, changed_at=db_now(), run=self._run)
            )
            return done.rowcount

    @retried
    def begin(self, mail: Mail, message_id: str = "") -> None:
        """Commit that the end of a message goes out now: from here it may have been accepted.

        ``message_id`` is what it goes out as, if not as it was planned. Raises RunbookError if it
        is not pending (any more), StopRequested if the run is to stop.
        """
        with self.fenced(*self._fence, begins=True) as tx:
            its = _its(mail.campaign, mail.recipient)
            its |= {"as_id": message_id or mail.message_id, "by_run": self._run}
            if tx.execute(_BEGIN, its).rowcount != 1:
                raise RunbookError(f"The mail to {mail.recipient} is no longer pending.")

    @retried
    def end(
        self, mail: Mail, state: MailState, code: int | None, said: str, *, tried: bool = False
    ) -> None:
        """Commit what became of a mail; ``tried``: the try ended before its message did."""
        new = {"new_state": state, "new_code": code, "new_said": said, "tried": int(tried)}
        with self.fenced(*self._fence) as tx:
            tx.execute(
                _SENT if state == "sent" else _END,
                {**_its(mail.campaign, mail.recipient), **new, "by_run": self._run},
            )


def _its(campaign: str, recipient: str) -> dict[str, Any]:
    return {"its_campaign": campaign, "its_recipient": recipient}


def _says(campaign: str, mail: NewMail) -> dict[str, Any]:
    new = {"subject": mail.subject, "message_id": mail.message_id, "content": dict(mail.content)}
    return {**_its(campaign, mail.recipient), **{f"new_{name}": new[name] for name in new}}


def _locked(which: Any) -> Any:
    return select(campaigns.c.id).where(which).order_by(campaigns.c.id).with_for_update()
