"""Which hosts are in work, by which run, and since when: what the brakes go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from state.clock import db_now
from state.leases import Leases
from state.retries import retried
from state.schema import host_works, identity
from state.store import Store

_MANY = 500


class Work(msgspec.Struct, frozen=True):
    """A host that was taken in work. Times are seconds since 1970; ``ended_at`` None: it still is.

    ``subject`` is the host's claim, ``hypervisor:<id>``; ``now`` is when the store was asked.
    """

    subject: str
    name: str
    run: str
    begun_at: float
    ended_at: float | None
    now: float

    @property
    def is_open(self) -> bool:
        """Whether the host is still in work."""
        return self.ended_at is None

    @property
    def age(self) -> float:
        """How long ago the work began, in seconds."""
        return self.now - self.begun_at


_WORK = (
    *(host_works.c[name] for name in Work.__struct_fields__ if name != "now"),
    db_now().label("now"),
)


class HostWorks(Leases):
    """Reading which hosts are and were in work."""

    @retried
    def of(self, subjects: Iterable[str], since: float) -> list[Work]:
        """Return the works on hosts that are open, or were begun or ended within ``since`` seconds.

        Oldest first.
        """
        wanted = sorted(set(subjects))
        found: list[Work] = []
        with self.store.reading() as tx:
            for first in range(0, len(wanted), _MANY):
                some = host_works.c.subject.in_(wanted[first : first + _MANY])
                query = select(*_WORK).where(some, _young(since)).order_by(host_works.c.serial)
                found += [Work(**row._mapping) for row in tx.execute(query)]
        return sorted(found, key=lambda work: work.begun_at)

    @retried
    def within(self, since: float) -> list[Work]:
        """Return the works on any host that are open, or not older than ``since`` seconds."""
        with self.store.reading() as tx:
            query = select(*_WORK).where(_young(since)).order_by(host_works.c.serial)
            return [Work(**row._mapping) for row in tx.execute(query)]


class HeldHostWorks(HostWorks):
    """The works as a run writes them: only while its lease holds, else LeaseLost."""

    def __init__(self, store: Store, root: str, generation: int, run: str) -> None:
        super().__init__(store)
        self._fence, self._run = (root, generation), run

    @retried
    def begin(
        self,
        subject: str,
        name: str,
        since: float,
        judge: Callable[[Sequence[Work]], None],
    ) -> bool:
        """Take a host in work unless it is already; return whether it was not.

        ``judge`` is shown all works of the last ``since`` seconds and those that are open, on any
        host, and raises what speaks against one more: no other run takes a host in between.
        """
        with self.fenced(*self._fence) as tx:
            # Two hosts that are taken at once each count the other one.
            tx.execute(select(identity.c.id).with_for_update())
            known = [
                Work(**row._mapping) for row in tx.execute(select(*_WORK).where(_young(since)))
            ]
            if any(work.is_open and work.subject == subject for work in known):
                return False
            judge(known)
            row = {"subject": subject, "name": name, "run": self._run}
            tx.execute(insert(host_works).values(**row, begun_at=db_now()))
            return True

    @retried
    def end(self, subject: str) -> bool:
        """Say that a host is no longer in work; return whether it was."""
        mine = and_(host_works.c.subject == subject, host_works.c.ended_at.is_(None))
        with self.fenced(*self._fence) as tx:
            ended = tx.execute(update(host_works).where(mine).values(ended_at=db_now()))
            return bool(ended.rowcount)

    @retried
    def forget(self, older_than: float) -> None:
        """Delete works that ended longer ago than that, in seconds."""
        with self.fenced(*self._fence) as tx:
            tx.execute(delete(host_works).where(host_works.c.ended_at < db_now() - older_than))


def _young(since: float) -> ColumnElement[bool]:
    ended = host_works.c.ended_at
    return ended.is_(None) | (ended > db_now() - since) | (host_works.c.begun_at > db_now() - since)
