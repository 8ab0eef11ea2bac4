"""The journal: every run, its steps and attempts, what it claims, and who may act for it.

Everything a run writes goes through :meth:`Journal.fenced`, which commits only while the run's
lease holds by the database's clock. So a process that was suspended and comes back, or one whose
run another process has taken over, can neither start a step nor record one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from state.clock import db_now
from state.records import (
    FINISHED,
    AttemptKind,
    AttemptRecord,
    NewRun,
    RunRecord,
    RunState,
    StepRecord,
    StepState,
)
from state.schema import attempts, claims, runs, steps
from state.store import Store, retried
from workflow_api.errors import Held, LeaseLost, NotFound, UserError


class Journal:
    """The journal of one state store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # -- runs ------------------------------------------------------------------------------

    @retried
    def create(self, new: NewRun, state: RunState, plan: Mapping[str, Any] | None = None) -> None:
        """Write a run that nobody holds yet; raises Held if its trigger has started one before."""
        values = {name: value for name, value in vars(new).items() if name != "extra"}
        values["root"] = new.root or new.id
        try:
            with self.store.transaction() as tx:
                tx.execute(
                    insert(runs).values(
                        **values, state=state, plan=plan, created_at=db_now(), generation=0
                    )
                )
        except IntegrityError:
            if new.trigger_id is None:
                raise
            first = self.by_trigger(new.trigger_id)
            raise Held(
                f"trigger {new.trigger_id}", first.id, first.workflow, unfinished=False
            ) from None

    def run(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by the start of it if only one has it; raises NotFound."""
        with self.store.reading() as tx:
            found = tx.execute(_runs().where(runs.c.id == run_id)).all()
            if not found and len(run_id) >= 4:
                pattern = run_id.replace("%", "").replace("_", "") + "%"
                found = tx.execute(_runs().where(runs.c.id.like(pattern))).all()
        if len(found) != 1:
            raise NotFound("run", run_id, where="the journal")
        return _run(found[0])

    def by_trigger(self, trigger_id: str) -> RunRecord:
        """Return the run that a trigger instance started; raises NotFound."""
        with self.store.reading() as tx:
            found = tx.execute(_runs().where(runs.c.trigger_id == trigger_id)).first()
        if found is None:
            raise NotFound("run", trigger_id, where="the journal")
        return _run(found)

    def recent(
        self, *, limit: int, state: str | None = None, workflow: str | None = None
    ) -> list[RunRecord]:
        """Return the newest runs first, children left out."""
        query = _runs().where(runs.c.parent.is_(None)).order_by(runs.c.created_at.desc())
        if workflow:
            query = query.where(runs.c.workflow == workflow)
        stored = {"interrupted": ("interrupted", "running")}.get(state or "", (state,))
        if state:
            query = query.where(runs.c.state.in_(stored))
        with self.store.reading() as tx:
            found = [_run(row) for row in tx.execute(query)]
        return [run for run in found if not state or run.shown_state == state][:limit]

    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs that are steps of this one."""
        with self.store.reading() as tx:
            rows = tx.execute(_runs().where(runs.c.parent == run_id).order_by(runs.c.created_at))
            return [_run(row) for row in rows]

    # -- leases ----------------------------------------------------------------------------

    @retried
    def take(self, run_id: str, holder: str, seconds: float, *, states: Sequence[str]) -> int:
        """Become the one who acts for a run, and return the new generation.

        Only a run in one of ``states`` can be taken, and one that is running only once its lease
        has expired. Raises Held if somebody else has it, UserError if it is in another state.
        """
        with self.store.transaction() as tx:
            taken = tx.execute(
                update(runs)
                .where(
                    runs.c.id == run_id,
                    runs.c.state.in_(states),
                    or_(runs.c.state != "running", _expired()),
                )
                .values(
                    state="running",
                    generation=runs.c.generation + 1,
                    holder=holder,
                    lease_until=db_now() + seconds,
                    started_at=func.coalesce(runs.c.started_at, db_now()),
                    ended_at=None,
                    cancel_requested_by=None,
                )
            )
            found = tx.execute(_runs().where(runs.c.id == run_id)).first()
        if found is None:
            raise NotFound("run", run_id, where="the journal")
        run = _run(found)
        if taken.rowcount == 1:
            return run.generation
        if run.alive:
            raise Held("It", run.id, run.workflow, unfinished=False)
        raise UserError(f"Run {run.id} is {run.state}, so there is nothing to go on with.")

    @retried
    def renew(self, run_id: str, generation: int, seconds: float) -> str | None:
        """Extend the lease; return who asked for a cancel, if anybody. Raises LeaseLost."""
        with self.fenced(run_id, generation) as tx:
            tx.execute(
                update(runs).where(runs.c.id == run_id).values(lease_until=db_now() + seconds)
            )
            asked = select(runs.c.cancel_requested_by).where(runs.c.id == run_id)
            found: str | None = tx.execute(asked).scalar()
            return found

    @contextmanager
    def fenced(self, root: str, generation: int) -> Iterator[Connection]:
        """Run one transaction that is committed only while this generation's lease holds."""
        with self.store.transaction() as tx:
            held = select(runs.c.id).where(
                runs.c.id == root,
                runs.c.generation == generation,
                runs.c.state == "running",
                runs.c.lease_until > db_now(),
            )
            # FOR UPDATE keeps a takeover out until this commit (SQLite has one writer anyway).
            if tx.execute(held.with_for_update()).first() is None:
                raise LeaseLost(root)
            yield tx

    @retried
    def request_cancel(self, run_id: str, by: str) -> None:
        """Ask whoever holds the run to stop it; seen at the holder's next heartbeat."""
        with self.store.transaction() as tx:
            tx.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.state == "running")
                .values(cancel_requested_by=by)
            )

    # -- claims ----------------------------------------------------------------------------

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
            # Somebody else was faster between our look and our insert: say who.
            holders = self.holders(wanted)
            for subject, run in holders.items():
                if run.id != root:
                    raise _held(subject, run) from None
            raise

    def holders(self, subjects: Iterable[str]) -> dict[str, RunRecord]:
        """Return which of the subjects are claimed, and by which runs."""
        with self.store.reading() as tx:
            return _holders(tx, sorted(set(subjects)))

    def claims_of(self, run_id: str) -> list[str]:
        """Return the subjects that a run holds."""
        with self.store.reading() as tx:
            query = select(claims.c.subject).where(claims.c.run == run_id)
            return list(tx.execute(query.order_by(claims.c.subject)).scalars())

    def _clear_way(self, tx: Connection, root: str, wanted: list[str]) -> set[str]:
        """Return the subjects that are this run's already; drop dead claims; raise Held."""
        mine: set[str] = set()
        for subject, run in _holders(tx, wanted).items():
            if run.id == root:
                mine.add(subject)
            elif run.alive or (run.plan is not None and run.state not in FINISHED):
                raise _held(subject, run)
            else:
                tx.execute(delete(claims).where(claims.c.run == run.id))
                tx.execute(
                    update(runs)
                    .where(runs.c.id == run.id, runs.c.state == "running")
                    .values(state="cancelled", ended_at=db_now(), error=_KILLED_WHILE_PLANNING)
                )
        return mine

    # -- plans, steps and attempts ---------------------------------------------------------

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
        rows = [
            {"run": run_id, "key": key, "position": number, "sentence": sentence}
            for number, (key, sentence) in enumerate(planned)
        ]
        with self.fenced(root, generation) as tx:
            tx.execute(update(runs).where(runs.c.id == run_id).values(plan=plan))
            tx.execute(delete(steps).where(steps.c.run == run_id))
            if rows:
                tx.execute(insert(steps).values(state="pending", attempts=0, undone=False), rows)

    def steps(self, run_id: str) -> list[StepRecord]:
        """Return a run's steps in the order of its plan."""
        with self.store.reading() as tx:
            rows = tx.execute(select(steps).where(steps.c.run == run_id).order_by(steps.c.position))
            return [StepRecord(**row._mapping) for row in rows]

    def attempts(self, run_id: str, key: str | None = None) -> list[AttemptRecord]:
        """Return the attempts at a run's steps, oldest first."""
        query = select(attempts).where(attempts.c.run == run_id)
        if key is not None:
            query = query.where(attempts.c.key == key)
        with self.store.reading() as tx:
            rows = tx.execute(query.order_by(attempts.c.started_at, attempts.c.number))
            return [AttemptRecord(**row._mapping) for row in rows]

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
        """Journal that an attempt begins, before anything of it is sent. Raises LeaseLost."""
        with self.fenced(root, generation) as tx:
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
                _set_step(tx, run_id, key, new, result, error)
            if undone is not None:
                run_id, key = undone
                tx.execute(
                    update(steps)
                    .where(steps.c.run == run_id, steps.c.key == key)
                    .values(undone=True)
                )

    @retried
    def set_step(
        self, root: str, generation: int, run_id: str, key: str, state: StepState, error: str
    ) -> None:
        """Journal a step's state where no attempt was made, as when it is skipped."""
        with self.fenced(root, generation) as tx:
            _set_step(tx, run_id, key, state, None, error)

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
    ) -> None:
        """End a run. A root lets its claims go, unless it was interrupted: then it keeps them."""
        with self.fenced(root, generation) as tx:
            tx.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(
                    state=state, summary=summary, error=error, ended_at=db_now(), lease_until=None
                )
            )
            if run_id == root and state != "interrupted":
                tx.execute(delete(claims).where(claims.c.run == root))

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
    def prune(self, older_than: float) -> int:
        """Delete finished and never-applied runs older than that many seconds; return how many.

        A run with a step whose outcome is unknown is never deleted.
        """
        unknown = select(steps.c.run).where(steps.c.state.in_(("unknown", "running")))
        old = select(runs.c.id).where(
            or_(runs.c.state.in_(FINISHED), runs.c.state == "planned"),
            func.coalesce(runs.c.ended_at, runs.c.created_at) < db_now() - older_than,
            runs.c.id.not_in(unknown),
        )
        with self.store.transaction() as tx:
            ids = list(tx.execute(old).scalars())
            for table, column in ((attempts, "run"), (steps, "run"), (runs, "id")):
                tx.execute(delete(table).where(table.c[column].in_(ids)))
        return len(ids)


_KILLED_WHILE_PLANNING = "its process ended while it was planning; nothing had been changed"


def _expired() -> Any:
    return or_(runs.c.lease_until.is_(None), runs.c.lease_until <= db_now())


def _runs() -> Any:
    return select(runs, db_now().label("now"))


def _run(row: Row[Any]) -> RunRecord:
    return RunRecord(**row._mapping)


def _holders(tx: Connection, subjects: list[str]) -> dict[str, RunRecord]:
    query = (
        select(claims.c.subject, runs, db_now().label("now"))
        .join(runs, runs.c.id == claims.c.run)
        .where(claims.c.subject.in_(subjects))
        .order_by(claims.c.subject)
    )
    found = {}
    for row in tx.execute(query):
        values = dict(row._mapping)
        found[values.pop("subject")] = RunRecord(**values)
    return found


def _held(subject: str, run: RunRecord) -> Held:
    return Held(subject, run.id, run.workflow, unfinished=not run.alive)


def _set_step(
    tx: Connection, run_id: str, key: str, state: StepState, result: Any, error: str | None
) -> None:
    tx.execute(
        update(steps)
        .where(steps.c.run == run_id, steps.c.key == key)
        .values(state=state, result=result, error=error, ended_at=db_now())
    )
