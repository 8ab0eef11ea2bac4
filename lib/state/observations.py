"""What observers remember of clouds, what they have still to tell, and who of several may look.

One process at a time looks at a cloud for an observer: it holds a lease, by the store's clock.
Each time it is taken, also by its holder, its generation is raised, and nothing is written for an
older one: a look that took too long decides nothing any more.

What is news is stored in the same transaction as the memory that knows of it, and stays to be told
until it is confirmed. A process that dies in between leaves it to be told again, as the same event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from common.errors import NotFound, StoreError
from state.clock import db_now
from state.retries import TryAgain, retried
from state.schema import events, observations
from state.store import Store

_AT_ONCE = 500


class Turn(msgspec.Struct, frozen=True):
    """The right to look now: until when, by the store's clock, which says ``now``."""

    observer: str
    cloud: str
    generation: int
    now: float
    memory: str | None


class Taken(msgspec.Struct, frozen=True):
    """Somebody else looks: who, and for how many more seconds at least."""

    holder: str
    left: float


class Found(msgspec.Struct, frozen=True):
    """Something that is news, as it is stored."""

    id: str
    subject: str
    trigger: str
    payload: dict[str, Any]


class Observation(msgspec.Struct, frozen=True):
    """How an observer of a cloud is getting on. Times are seconds since 1970 by the store's clock.

    ``untold`` is how many events nobody has confirmed; ``now`` is when the store was asked.
    """

    observer: str
    cloud: str
    holder: str
    lease_until: float
    looked_at: float | None
    succeeded_at: float | None
    error: str | None
    untold: int
    now: float


class TurnLost(StoreError):
    """Another process looks by now: what was seen is not decided on here."""


class Observations:
    """The observers' part of a state store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @retried
    def take(self, observer: str, cloud: str, holder: str, seconds: float) -> Turn | Taken:
        """Take or renew the lease for ``seconds``; return who has it if that is somebody else."""
        mine = _of(observer, cloud)
        with self.store.transaction() as tx:
            now = float(tx.execute(select(db_now())).scalar_one())
            row = tx.execute(select(observations).where(mine).with_for_update()).first()
            if row is not None and row.holder != holder and row.lease_until > now:
                return Taken(row.holder, row.lease_until - now)
            lease = {"holder": holder, "lease_until": now + seconds}
            if row is not None:
                lease["generation"] = row.generation + 1
                tx.execute(update(observations).where(mine).values(lease))
                return Turn(observer, cloud, row.generation + 1, now, row.memory)
            new = {"observer": observer, "cloud": cloud, "generation": 1, **lease}
            try:
                tx.execute(insert(observations).values(new))
            except IntegrityError:
                raise TryAgain from None
            return Turn(observer, cloud, 1, now, None)

    @retried
    def leave(self, observer: str, holder: str) -> None:
        """Give up the leases that ``holder`` has, so that the next one need not wait for their end.

        What was seen and not told stays for that one to tell.
        """
        mine = (observations.c.observer == observer) & (observations.c.holder == holder)
        with self.store.transaction() as tx:
            tx.execute(update(observations).where(mine).values(lease_until=0.0))

    @retried
    def remember(
        self, turn: Turn, memory: str, found: Sequence[Found], error: str | None = None
    ) -> None:
        """Store what is news, and the memory that knows of it. Raises TurnLost.

        ``error`` is what could not be seen, if the look was not whole.
        """
        with self._fenced(turn) as tx:
            looked: dict[str, Any] = {"looked_at": db_now(), "error": error}
            looked |= {} if error else {"succeeded_at": db_now()}
            looked |= {} if memory == turn.memory else {"memory": memory}
            tx.execute(update(observations).where(_of(turn.observer, turn.cloud)).values(looked))
            if found:
                of = {"observer": turn.observer, "cloud": turn.cloud, "found_at": db_now()}
                rows = [
                    {"id": f.id, "subject": f.subject, "trigger_name": f.trigger}
                    | {"payload": f.payload}
                    for f in found
                ]
                tx.execute(insert(events).values(of), rows)

    @retried
    def failed(self, turn: Turn, error: str) -> None:
        """Store why nothing was seen. Raises TurnLost."""
        with self._fenced(turn) as tx:
            looked = {"looked_at": db_now(), "error": error}
            tx.execute(update(observations).where(_of(turn.observer, turn.cloud)).values(looked))

    @retried
    def untold(self, observer: str, cloud: str) -> list[Found]:
        """Return what nobody has confirmed yet, the oldest first."""
        wanted = _untold(observer, cloud)
        columns = events.c.id, events.c.subject, events.c.trigger_name, events.c.payload
        with self.store.reading() as tx:
            rows = tx.execute(select(*columns).where(wanted).order_by(events.c.serial))
            return [Found(*row) for row in rows]

    @retried
    def event(self, id: str) -> Found:
        """Return an event, told or not. Raises NotFound: it may have been told too long ago."""
        columns = events.c.id, events.c.subject, events.c.trigger_name, events.c.payload
        with self.store.reading() as tx:
            row = tx.execute(select(*columns).where(events.c.id == id)).first()
        if row is None:
            raise NotFound("event", id, where="the state store")
        return Found(*row)

    @retried
    def found_within(self, seconds: float, triggers: Collection[str]) -> list[Found]:
        """Return what was found lately, told or not, by sensors of these names, oldest first."""
        lately = and_(events.c.found_at > db_now() - seconds, events.c.trigger_name.in_(triggers))
        columns = events.c.id, events.c.subject, events.c.trigger_name, events.c.payload
        with self.store.reading() as tx:
            rows = tx.execute(select(*columns).where(lately).order_by(events.c.serial))
            return [Found(*row) for row in rows]

    @retried
    def told(self, ids: Collection[str]) -> int:
        """Confirm that events were dispatched; return of how many that is new."""
        left, confirmed = sorted(set(ids)), 0
        with self.store.transaction() as tx:
            while left:
                some, left = left[:_AT_ONCE], left[_AT_ONCE:]
                mine = and_(events.c.id.in_(some), events.c.told_at.is_(None))
                confirmed += tx.execute(
                    update(events).where(mine).values(told_at=db_now())
                ).rowcount
        return confirmed

    @retried
    def forget(self, older_than: float) -> None:
        """Delete events that were told longer ago than that, in seconds."""
        with self.store.transaction() as tx:
            tx.execute(delete(events).where(events.c.told_at < db_now() - older_than))

    @retried
    def all(self) -> list[Observation]:
        """Return how each observer of each cloud is getting on."""
        untold = (
            select(func.count())
            .select_from(events)
            .where(_untold(observations.c.observer, observations.c.cloud))
            .scalar_subquery()
        )
        own = [
            observations.c[name]
            for name in Observation.__struct_fields__
            if name not in ("untold", "now")
        ]
        query = select(*own, untold.label("untold"), db_now().label("now"))
        with self.store.reading() as tx:
            rows = tx.execute(query.order_by(observations.c.observer, observations.c.cloud))
            return [Observation(**row._mapping) for row in rows]

    @retried
    def memory(self, observer: str, cloud: str) -> str | None:
        """Return what an observer remembers of a cloud, for those who only show it."""
        wanted = select(observations.c.memory).where(_of(observer, cloud))
        with self.store.reading() as tx:
            found: str | None = tx.execute(wanted).scalar_one_or_none()
        return found

    @contextmanager
    def _fenced(self, turn: Turn) -> Iterator[Connection]:
        """Run one transaction that is committed only if nobody has taken the turn since."""
        held = and_(
            _of(turn.observer, turn.cloud),
            observations.c.generation == turn.generation,
            observations.c.lease_until > db_now(),
        )
        with self.store.transaction() as tx:
            if tx.execute(select(observations.c.cloud).where(held).with_for_update()).first():
                yield tx
                return
            raise TurnLost(
                f"{turn.observer} of {turn.cloud} is looked at by another process by now.",
                advice="What was seen here is dropped. A larger timeout of the sensor gives a "
                "look more time.",
            )


def _of(observer: str, cloud: str) -> Any:
    return and_(observations.c.observer == observer, observations.c.cloud == cloud)


def _untold(observer: Any, cloud: Any) -> Any:
    mine = and_(events.c.observer == observer, events.c.cloud == cloud)
    return and_(mine, events.c.told_at.is_(None))
