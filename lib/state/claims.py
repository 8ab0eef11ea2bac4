"""Claims: which run works on which thing, so that no two work on the same."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from state.clock import db_now
from state.leases import EXPIRED, Leases
from state.records import FINISHED, RunRecord, read_run, select_runs
from state.retries import TryAgain, retried
from state.schema import claims, runs
from workflow_api.errors import Held

_KILLED_WHILE_PLANNING = "its process ended while it was planning; nothing had been changed"


class Claims(Leases):
    """The part of the journal that says which run holds what."""

    @retried
    def claim(self, root: str, generation: int, subjects: Iterable[str]) -> None:
        """Claim all subjects for a run or none. Raises Held, naming the run that has one.

        A run that was killed before it had a plan has changed nothing: its claims are dropped.
        """
        wanted = sorted(set(subjects))
        try:
            with self.fenced(root, generation) as tx:
                mine = self._clear_way(tx, root, wanted)
                rows = [
                    {"subject": subject, "run": root} for subject in wanted if subject not in mine
                ]
                if rows:
                    tx.execute(insert(claims).values(claimed_at=db_now()), rows)
        except IntegrityError:
            # Somebody else was faster between our look and our insert: see who.
            raise TryAgain from None

    @retried
    def holders(self, subjects: Iterable[str]) -> dict[str, RunRecord]:
        """Return which of the subjects are claimed, and by which runs."""
        with self.store.reading() as tx:
            return _holders(tx, sorted(set(subjects)))

    @retried
    def claims_of(self, run_id: str) -> list[str]:
        """Return the subjects that a run holds."""
        with self.store.reading() as tx:
            query = select(claims.c.subject).where(claims.c.run == run_id)
            return list(tx.execute(query.order_by(claims.c.subject)).scalars())

    def _clear_way(self, tx: Connection, root: str, wanted: list[str]) -> set[str]:
        """Return the subjects that are this run's already; drop dead claims; raise Held."""
        mine: set[str] = set()
        dead: dict[str, RunRecord] = {}
        for subject, run in _holders(tx, wanted).items():
            if run.id == root:
                mine.add(subject)
            elif run.alive or (run.plan is not None and run.state not in FINISHED):
                raise Held(subject, run.id, run.workflow, unfinished=not run.alive)
            else:
                dead[run.id] = run
        for run_id in sorted(dead):
            _bury(tx, dead[run_id])
        return mine


def _bury(tx: Connection, run: RunRecord) -> None:
    """End a run that was killed while it was planning, and drop its claims."""
    if run.state not in FINISHED:
        # It was seen dead without a lock: its heartbeat may have come just in time since then.
        buried = tx.execute(
            update(runs)
            .where(runs.c.id == run.id, runs.c.state == run.state, ~runs.c.drawn, EXPIRED)
            .values(
                state="cancelled",
                lease_until=None,
                ended_at=db_now(),
                summary=f"Run {run.id}: {_KILLED_WHILE_PLANNING}.",
                error=_KILLED_WHILE_PLANNING,
            )
        )
        if buried.rowcount != 1:
            raise TryAgain
    tx.execute(delete(claims).where(claims.c.run == run.id))


def _holders(tx: Connection, subjects: list[str]) -> dict[str, RunRecord]:
    if not subjects:
        return {}
    query = (
        select_runs()
        .add_columns(claims.c.subject)
        .join(claims, claims.c.run == runs.c.id)
        .where(claims.c.subject.in_(subjects))
        .order_by(claims.c.subject)
    )
    return {row.subject: read_run(row) for row in tx.execute(query)}
