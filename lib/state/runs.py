"""Runs: begun, found, ended, and deleted when they are old."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Insert, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from common.errors import AlreadyStarted, Ambiguous, NotFound
from state import requests
from state.clock import db_now
from state.leases import Leases
from state.planned import NEW_STEP, step_rows
from state.records import (
    EXPIRED,
    FINISHED,
    OPEN,
    PAUSED,
    STATE,
    UNBEGUN,
    NewRun,
    RunRecord,
    RunState,
    is_alive,
    read_run,
    select_runs,
)
from state.retries import retried
from state.schema import attempts, claims, run_requests, runs, steps

# Shorter beginnings of ids are no names of runs.
_SHORTEST = 4
_PRUNED_AT_ONCE = 200
_LONGEST_KEY = 255


class Runs(Leases):
    """The part of the journal that holds the runs themselves."""

    @retried
    def create(
        self,
        new: NewRun,
        state: RunState,
        plan: Mapping[str, Any] | None = None,
        *,
        generation: int | None = None,
        planned: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """Write a run that nobody holds yet.

        ``planned`` are the steps of a child run whose plan is drawn, as (key, sentence) in order.

        Raises AlreadyStarted if its trigger has started one before. A child run is written under
        its root's lease; ``generation`` is the lease holder's. Raises LeaseLost.
        """
        row = _row(new).values(state=state, plan=plan, generation=0)
        if generation is not None and new.root is not None:
            with self.fenced(new.root, generation) as tx:
                tx.execute(row.values(drawn=planned is not None))
                if planned:
                    tx.execute(insert(steps).values(**NEW_STEP), step_rows(new.id, planned))
        else:
            self._insert(new, row)

    @retried
    def begin_run(self, new: NewRun, holder: str, seconds: float) -> int:
        """Write a run that ``holder`` acts for from its first moment; return its generation.

        Raises AlreadyStarted if its trigger has started one before.
        """
        now = {"lease_until": db_now() + seconds, "started_at": db_now()}
        row = _row(new).values(state="running", generation=1, holder=holder, **now)
        self._insert(new, row, started=True)
        return 1

    def _insert(self, new: NewRun, row: Insert, *, started: bool = False) -> None:
        try:
            with self.store.transaction() as tx:
                tx.execute(row)
                if started:
                    requests.record_start(tx, new)
        except IntegrityError:
            if new.trigger_id is None:
                raise
            first = self.by_trigger(new.trigger_id)
            raise AlreadyStarted(new.trigger_id, first.id, first.workflow) from None

    @retried
    def run(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by the start of it if only one has it.

        Raises NotFound, or Ambiguous if several ids begin so.
        """
        with self.store.reading() as tx:
            found = tx.execute(select_runs().where(runs.c.id == run_id)).all()
            if not found and len(run_id) >= _SHORTEST:
                begins = runs.c.id.startswith(run_id, autoescape=True)
                found = tx.execute(select_runs().where(begins).limit(10)).all()
        if not found:
            raise NotFound("run", run_id, where="the journal")
        if len(found) > 1:
            raise Ambiguous("run", run_id, [row.id for row in found], where="the journal")
        return read_run(found[0])

    @retried
    def by_trigger(self, trigger_id: str) -> RunRecord:
        """Return the run that a trigger instance started; raises NotFound."""
        with self.store.reading() as tx:
            found = tx.execute(select_runs().where(runs.c.trigger_id == trigger_id)).first()
        if found is None:
            raise NotFound("run", trigger_id, where="the journal")
        return read_run(found)

    @retried
    def recent(
        self, *, limit: int, state: str | None = None, workflow: str | None = None
    ) -> list[RunRecord]:
        """Return the newest runs first; ``state`` is the one that is shown.

        Children are left out, and runs that gave way to another, which stands for them.
        """
        query = select_runs().where(runs.c.parent.is_(None), runs.c.gave_way_to.is_(None))
        if workflow:
            query = query.where(runs.c.workflow == workflow)
        if state == "running":
            query = query.where(is_alive())
        elif state == "paused":
            query = query.where(PAUSED)
        elif state == "interrupted":
            dead = and_(STATE.element == "running", EXPIRED)
            left = and_(runs.c.state == "interrupted", ~PAUSED)
            query = query.where(or_(left, dead, UNBEGUN))
        elif state == "planned":
            query = query.where(STATE.element == "planned", ~UNBEGUN)
        elif state:
            query = query.where(runs.c.state == state)
        query = query.order_by(runs.c.created_at.desc(), runs.c.id).limit(limit)
        with self.store.reading() as tx:
            return [read_run(row) for row in tx.execute(query)]

    @retried
    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs that are steps of this one."""
        query = select_runs().where(runs.c.parent == run_id)
        with self.store.reading() as tx:
            rows = tx.execute(query.order_by(runs.c.created_at, runs.c.id))
            return [read_run(row) for row in rows]

    @retried
    def child(self, run_id: str, step: str) -> RunRecord | None:
        """Return the run that is this step of a run, or None if it was not begun."""
        mine = runs.c.parent == run_id, runs.c.parent_step == step
        with self.store.reading() as tx:
            query = select_runs().where(*mine).order_by(runs.c.created_at, runs.c.id)
            found = tx.execute(query).first()
            return None if found is None else read_run(found)

    @retried
    def finish(
        self,
        root: str,
        generation: int,
        run_id: str,
        state: RunState,
        *,
        summary: str,
        error: str | None = None,
        gave_way_to: str | None = None,
        go_on_at: float | None = None,
    ) -> None:
        """End a run. A root lets its claims go, unless it was interrupted: then it keeps them.

        ``go_on_at`` says that it is paused until then, by the wall clock.
        """
        with self.fenced(root, generation) as tx:
            tx.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(
                    state=state,
                    summary=summary,
                    error=error,
                    gave_way_to=gave_way_to,
                    go_on_at=go_on_at,
                    ended_at=db_now(),
                    lease_until=None,
                )
            )
            if run_id == root:
                requests.settle(tx, root, state)
            if run_id == root and state != "interrupted":
                tx.execute(delete(claims).where(claims.c.run == root))

    @retried
    def follow(self, run_id: str, other: str) -> None:
        """Let a run that gave way to ``other`` end as that one did, if that one has ended."""
        ended = select(runs.c.state).where(runs.c.id == other, runs.c.state.in_(FINISHED))
        with self.store.transaction() as tx:
            if (state := tx.execute(ended).scalar()) is not None:
                gave_way = and_(runs.c.id == run_id, runs.c.gave_way_to == other)
                tx.execute(update(runs).where(gave_way).values(state=state))

    @retried
    def reopen(self, root: str, generation: int, run_id: str) -> None:
        """Set a child run running again under its root's lease."""
        with self.fenced(root, generation) as tx:
            tx.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.id != root)
                .values(
                    state="running",
                    ended_at=None,
                    started_at=func.coalesce(runs.c.started_at, db_now()),
                )
            )

    @retried
    def due(self, now: float) -> list[RunRecord]:
        """Return the paused runs whose time has come by the wall clock, the longest due first."""
        query = select_runs().where(PAUSED, runs.c.go_on_at <= now)
        with self.store.reading() as tx:
            return [read_run(row) for row in tx.execute(query.order_by(runs.c.go_on_at))]

    @retried
    def take_up(
        self,
        root: str,
        generation: int,
        run_id: str,
        parked: Collection[str],
        anew: Collection[str],
    ) -> list[str]:
        """Make what had failed of a parked run pending again, and what parked it undone no more.

        Of ``anew``, what was undone is pending again as well. Returns what is pending again. The
        runs that failed as steps of it stay as they are; others will take their places.
        """
        undone = and_(steps.c.key.in_(list(anew)), steps.c.undone)
        wanted = or_(steps.c.state == "failed", undone)
        failed = select(steps.c.key).where(steps.c.run == run_id, wanted)
        with self.fenced(root, generation) as tx:
            keys = list(tx.execute(failed).scalars())
            children = and_(runs.c.parent == run_id, runs.c.parent_step.in_(keys))
            for child, key in tx.execute(select(runs.c.id, runs.c.parent_step).where(children)):
                aside = f"{key[:_LONGEST_KEY - 38]}~{child}"
                tx.execute(update(runs).where(runs.c.id == child).values(parent_step=aside))
            again = and_(steps.c.run == run_id, steps.c.key.in_(keys))
            tx.execute(
                update(steps).where(again).values(state="pending", error=None, ended_at=None)
            )
            ready = and_(steps.c.run == run_id, steps.c.key.in_([*parked, *anew]))
            tx.execute(update(steps).where(ready).values(undone=False))
            return keys

    def prune(self, older_than: float) -> int:
        """Delete finished and never-applied runs older than that many seconds; return how many.

        Children go with their root. A run that has, or whose child has, a step whose outcome is
        unknown is never deleted, nor is one that can still be resumed.
        """
        total = 0
        while pruned := self._prune_some(older_than):
            total += pruned
        return total

    @retried
    def _prune_some(self, older_than: float) -> int:
        old = select(runs.c.id).where(_is_over(), _age() > older_than, ~_has_unknown())
        with self.store.reading() as tx:
            if not (ids := list(tx.execute(old.limit(_PRUNED_AT_ONCE)).scalars())):
                return 0
        with self.store.transaction() as tx:
            # Locked and looked at again: somebody may be applying a planned one by now.
            sure = old.where(runs.c.id.in_(ids)).order_by(runs.c.id).with_for_update()
            roots = list(tx.execute(sure).scalars())
            family = list(tx.execute(select(runs.c.id).where(runs.c.root.in_(roots))).scalars())
            dependent = claims.c.run, run_requests.c.run, attempts.c.run, steps.c.run
            for column in (*dependent, runs.c.id):
                tx.execute(delete(column.table).where(column.in_(family)))
        return len(roots)


def _row(new: NewRun) -> Insert:
    known = {**msgspec.structs.asdict(new), "root": new.root or new.id}
    return insert(runs).values(**known, drawn=False, created_at=db_now())


def _is_over() -> Any:
    """A root that nothing more will be done about."""
    # Killed while it was planning and never asked for again: it has changed nothing.
    stillborn = and_(runs.c.state.in_(("running", "interrupted")), ~runs.c.drawn, EXPIRED)
    return and_(
        runs.c.parent.is_(None),
        or_(runs.c.state.in_(FINISHED), runs.c.state == "planned", stillborn),
    )


def _age() -> Any:
    return db_now() - func.coalesce(runs.c.ended_at, runs.c.lease_until, runs.c.created_at)


def _has_unknown() -> Any:
    member = runs.alias("member")
    return exists().where(
        member.c.root == runs.c.id, steps.c.run == member.c.id, steps.c.state.in_(OPEN)
    )
