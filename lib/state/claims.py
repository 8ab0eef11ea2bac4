"""Claims: which run works on which thing, so that no two work on the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, and_, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from common.errors import Held
from common.text import clean
from state import requests
from state.clock import db_now
from state.leases import Leases
from state.records import (
    EXPIRED,
    FINISHED,
    STATE,
    UNBEGUN,
    RunRecord,
    RunState,
    read_run,
    select_runs,
)
from state.retries import TryAgain, retried
from state.schema import claims, runs

_OF_RUN = runs.c.id, STATE
# Nothing more happens to these, unless somebody applies them.
_AT_REST = FINISHED | {"planned"}
# Seconds after which whoever wrote a run and did not act for it will not do so any more.
_SURELY_OVER = 60.0
_LONGEST_NAME = 255
_KILLED_WHILE_PLANNING = "its process ended while it was planning; nothing had been changed"


class Claims(Leases):
    """The part of the journal that says which run holds what."""

    @retried
    def claim(
        self, root: str, generation: int, subjects: Mapping[str, str] | Iterable[str]
    ) -> None:
        """Claim all subjects for a run or none. Raises Held, naming the run that has one.

        ``subjects`` may say what people call each of them.

        A run that was killed before it had a plan has changed nothing: its claims are dropped.
        """
        names = {subject: clean(name) for subject, name in _named(subjects)}
        try:
            with self.fenced(root, generation) as tx:
                mine = self._clear_way(tx, root, names)
                rows = [
                    {"subject": subject, "run": root, "name": name[:_LONGEST_NAME] or None}
                    for subject, name in names.items()
                    if subject not in mine
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

    def claims_of(self, run_id: str) -> list[str]:
        """Return the subjects that a run holds."""
        return list(self.named_claims_of(run_id))

    @retried
    def named_claims_of(self, run_id: str) -> dict[str, str]:
        """Return the subjects that a run holds, with what people call each."""
        with self.store.reading() as tx:
            query = select(claims.c.subject, claims.c.name).where(claims.c.run == run_id)
            rows = tx.execute(query.order_by(claims.c.subject))
            return {row.subject: shown(row.subject, row.name) for row in rows}

    def _clear_way(self, tx: Connection, root: str, names: Mapping[str, str]) -> set[str]:
        """Return the subjects that are this run's already; drop dead claims; raise Held."""
        mine: set[str] = set()
        dead: dict[str, RunRecord] = {}
        for subject, run in _holders(tx, list(names)).items():
            if run.id == root:
                mine.add(subject)
            elif run.alive or (run.plan is not None and run.state not in _AT_REST):
                what = shown(subject, names[subject])
                raise Held(subject, run.id, run.workflow, unfinished=not run.alive, shown=what)
            else:
                dead[run.id] = run
        for run_id in sorted(dead):
            _bury(tx, run_id, dead[run_id].state)
        return mine


def shown(subject: str, name: str | None) -> str:
    """Return what people call a subject, ``hypervisor cmp-1``; the subject if it has no name."""
    kind = subject.partition(":")[0]
    return f"{kind} {name}" if name else subject


def _named(subjects: Mapping[str, str] | Iterable[str]) -> list[tuple[str, str]]:
    """Return subjects in one order, so that two runs that want the same never wait crosswise."""
    names = subjects if isinstance(subjects, Mapping) else dict.fromkeys(subjects, "")
    return sorted(names.items())


def close_stillborn(tx: Connection, root: str) -> None:
    """End the runs that were asked for the same as ``root`` and were killed while planning.

    Now that ``root`` has its plan, nobody is going to ask for them again.
    """
    same = select(runs.c.request).where(runs.c.id == root).scalar_subquery()
    killed = and_(runs.c.state.in_(("running", "interrupted")), EXPIRED)
    forgotten = and_(UNBEGUN, runs.c.created_at < db_now() - _SURELY_OVER)
    dead = select(*_OF_RUN).where(
        *(runs.c.request == same, runs.c.id != root, runs.c.parent.is_(None), ~runs.c.drawn),
        or_(killed, forgotten),
    )
    for run_id, state in list(tx.execute(dead)):
        _bury(tx, run_id, state)


def _bury(tx: Connection, run_id: str, state: RunState) -> None:
    """End a run that was killed while it was planning, and drop its claims.

    One that was to be applied is planned again.
    """
    if state not in FINISHED:
        # It was seen dead without a lock: its heartbeat may have come just in time since then.
        buried = tx.execute(
            update(runs)
            .where(runs.c.id == run_id, STATE.element == state, ~runs.c.drawn, EXPIRED)
            .values(
                state=case((runs.c.plan.is_not(None), "planned"), else_="cancelled"),
                lease_until=None,
                ended_at=db_now(),
                summary=f"Run {run_id}: {_KILLED_WHILE_PLANNING}.",
                error=_KILLED_WHILE_PLANNING,
            )
        )
        if buried.rowcount != 1:
            raise TryAgain
        requests.settle(tx, run_id, tx.scalars(select(runs.c.state).filter_by(id=run_id)).one())
    tx.execute(delete(claims).where(claims.c.run == run_id))


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
