"""The lock of operations: while it is set, nothing that a rule starts changes anything."""

from __future__ import annotations

import time

import msgspec
from sqlalchemy import delete, insert, select

from common.text import clean, utc
from state.clock import db_now
from state.leases import Leases
from state.retries import retried
from state.schema import ops_lock, runs
from state.store import Store

_NAME = "ops"


class Lock(msgspec.Struct, frozen=True):
    """A lock that is in force. ``until`` is in seconds since 1970; None is until unlocked."""

    reason: str
    until: float | None
    locked_by: str
    run: str

    @property
    def told(self) -> str:
        """What people are told: why, since whom, until when."""
        end = "until ops.unlock" if self.until is None else f"until {utc(self.until)}"
        return f"what rules start is held up by {clean(self.locked_by)} {end}: {clean(self.reason)}"


class OpsLock(Leases):
    """Reading the lock."""

    @retried
    def current(self) -> Lock | None:
        """Return the lock that is in force now, None if there is none or its end is over.

        Its end is a time of day that people agreed on, so the wall clock says whether it is over.
        """
        in_force = (ops_lock.c.until.is_(None)) | (ops_lock.c.until > time.time())
        wanted = select(*(ops_lock.c[name] for name in Lock.__struct_fields__)).where(in_force)
        with self.store.reading() as tx:
            row = tx.execute(wanted).first()
        return Lock(**row._mapping) if row else None


class HeldOpsLock(OpsLock):
    """The lock as a run sets it: written only while the run's lease holds, else LeaseLost."""

    def __init__(self, store: Store, root: str, generation: int, run: str) -> None:
        super().__init__(store)
        self._fence, self._run = (root, generation), run

    @retried
    def set(self, reason: str, until: float | None) -> None:
        """Set the lock for whoever asked for the run, in place of one that is there."""
        row = {"name": _NAME, "until": until, "run": self._run, "reason": reason}
        with self.fenced(*self._fence) as tx:
            asked = tx.execute(select(runs.c.requested_by).where(runs.c.id == self._fence[0]))
            row["locked_by"] = asked.scalar_one()
            tx.execute(delete(ops_lock))
            tx.execute(insert(ops_lock).values(**row, locked_at=db_now()))

    @retried
    def clear(self) -> None:
        """Take the lock off, if there is one."""
        with self.fenced(*self._fence) as tx:
            tx.execute(delete(ops_lock))
