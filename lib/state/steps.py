"""Steps and attempts: what a run does, journalled before and after each change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from state.claims import close_stillborn
from state.clock import db_now
from state.leases import Leases
from state.planned import NEW_STEP, step_rows
from state.records import AttemptKind, AttemptRecord, StepRecord, StepState
from state.retries import retried
from state.schema import attempts, runs, steps

_ATTEMPT = [column for column in attempts.c if column.name != "serial"]


class Steps(Leases):
    """The part of the journal that holds plans, their steps and every attempt at them."""

    @retried
    def store_plan(
        self,
        root: str,
        generation: int,
        run_id: str,
        plan: Mapping[str, Any],
        planned: Iterable[tuple[str, str]],
    ) -> None:
        """Store a drawn plan with its steps, given as (key, sentence) in order."""
        rows = step_rows(run_id, planned)
        with self.fenced(root, generation) as tx:
            tx.execute(update(runs).where(runs.c.id == run_id).values(plan=plan, drawn=True))
            if run_id == root:
                close_stillborn(tx, root)
            tx.execute(delete(steps).where(steps.c.run == run_id))
            if rows:
                tx.execute(insert(steps).values(**NEW_STEP), rows)

    @retried
    def steps(self, run_id: str) -> list[StepRecord]:
        """Return a run's steps in the order of its plan."""
        with self.store.reading() as tx:
            rows = tx.execute(select(steps).where(steps.c.run == run_id).order_by(steps.c.position))
            return [StepRecord(**row._mapping) for row in rows]

    @retried
    def attempts(self, run_id: str, key: str | None = None) -> list[AttemptRecord]:
        """Return the attempts at a run's steps, oldest first."""
        query = select(*_ATTEMPT).where(attempts.c.run == run_id).order_by(attempts.c.serial)
        if key is not None:
            query = query.where(attempts.c.key == key)
        with self.store.reading() as tx:
            return [AttemptRecord(**row._mapping) for row in tx.execute(query)]

    @retried
    def begin_attempt(
        self,
        root: str,
        generation: int,
        run_id: str,
        key: str,
        attempt: str,
        kind: AttemptKind,
    ) -> None:
        """Journal that an attempt begins, before anything of it is sent.

        Raises LeaseLost, and StopRequested if it would begin a step of a run that is to stop.
        """
        with self.fenced(root, generation, begins=kind == "apply") as tx:
            step = and_(steps.c.run == run_id, steps.c.key == key)
            if kind == "apply":
                tx.execute(
                    update(steps)
                    .where(step)
                    .values(
                        state="running",
                        attempts=steps.c.attempts + 1,
                        started_at=func.coalesce(steps.c.started_at, db_now()),
                        ended_at=None,
                    )
                )
            number = tx.execute(select(steps.c.attempts).where(step)).scalar_one()
            tx.execute(
                insert(attempts).values(
                    id=attempt,
                    run=run_id,
                    key=key,
                    kind=kind,
                    number=number,
                    generation=generation,
                    state="running",
                    notes={},
                    request_ids=[],
                    started_at=db_now(),
                )
            )

    @retried
    def note(self, root: str, generation: int, attempt: str, notes: Mapping[str, Any]) -> None:
        """Store what an attempt found out before its change. Raises LeaseLost."""
        with self.fenced(root, generation) as tx:
            tx.execute(update(attempts).where(attempts.c.id == attempt).values(notes=dict(notes)))

    @retried
    def end_attempt(
        self,
        root: str,
        generation: int,
        attempt: str,
        state: str,
        *,
        request_ids: Sequence[str] = (),
        error: str | None = None,
        step: tuple[str, str, StepState, Any] | None = None,
        undone: tuple[str, str] | None = None,
    ) -> None:
        """Journal how an attempt ended and, in the same transaction, what that makes of its step.

        ``step`` is (run, key, state, result); ``undone`` is the (run, key) whose undo succeeded.
        """
        with self.fenced(root, generation) as tx:
            tx.execute(
                update(attempts)
                .where(attempts.c.id == attempt)
                .values(state=state, request_ids=list(request_ids), error=error, ended_at=db_now())
            )
            if step is not None:
                run_id, key, new, result = step
                _set(tx, run_id, key, new, result, error)
            if undone is not None:
                run_id, key = undone
                tx.execute(
                    update(steps)
                    .where(steps.c.run == run_id, steps.c.key == key)
                    .values(undone=True)
                )

    @retried
    def settle_step(
        self,
        root: str,
        generation: int,
        run_id: str,
        key: str,
        attempt: str,
        state: StepState,
        said: str,
        notes: Mapping[str, Any],
    ) -> None:
        """Journal what a person says has become of a step, and who it was. Raises LeaseLost."""
        done = state == "done"
        with self.fenced(root, generation) as tx:
            step = and_(steps.c.run == run_id, steps.c.key == key)
            number = tx.execute(select(steps.c.attempts).where(step)).scalar_one()
            tx.execute(
                insert(attempts).values(
                    id=attempt,
                    run=run_id,
                    key=key,
                    kind="settle",
                    number=number,
                    generation=generation,
                    state=state,
                    notes=dict(notes),
                    request_ids=[],
                    started_at=db_now(),
                    ended_at=db_now(),
                )
            )
            result, error = ({"said": said}, None) if done else (None, said)
            _set(tx, run_id, key, state, result, error)

    @retried
    def set_step(
        self, root: str, generation: int, run_id: str, key: str, state: StepState, error: str
    ) -> None:
        """Journal a step's state where no attempt was made, as when it is skipped."""
        with self.fenced(root, generation) as tx:
            _set(tx, run_id, key, state, None, error or None)


def _set(
    tx: Connection, run_id: str, key: str, state: StepState, result: Any, error: str | None
) -> None:
    ended = None if state in ("pending", "running", "begun") else db_now()
    tx.execute(
        update(steps)
        .where(steps.c.run == run_id, steps.c.key == key)
        .values(state=state, result=result, error=error, ended_at=ended)
    )
