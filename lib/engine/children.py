"""Runs that are steps of another run: drawn when they are reached, under its claims and lease."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.read_cache import SharedReads, reading_with
from common.errors import RunbookError, StepFailed
from common.result import Result
from engine import report
from engine.claims import HeldClaims
from engine.executor import Engine
from engine.parameters import Call
from engine.planning import bounded, child_call, draw, new_run, stored_plan, valid_plan
from engine.reporter import Aside
from engine.running import Running
from engine.session import Session
from workflow_api.context import Claims, RefreshingClaims
from workflow_api.plan import Plan
from workflow_api.planned import PlannedStep
from workflow_api.ref import references

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import NewRun, RunRecord, RunState

# What is still to be done when a run goes on, and when it is given up.
TO_GO_ON = ("pending", "running", "begun", "unknown")
TO_GIVE_UP = ("running", "begun", "unknown")
# For so many seconds a plan that was drawn with its parent's is taken as it is. What comes later
# meets its cloud again: users may have changed, locked or protected things meanwhile.
_FRESH = 60.0


def preview(session: Session, plan: Plan, claims: Claims) -> dict[str, report.Child]:
    """Return the children of a plan, by the keys of their steps, as they would be drawn now.

    One whose parameters an earlier step has yet to return cannot be drawn.
    """
    found: dict[str, report.Child] = {}
    for step in plan.steps():
        if not step.is_child or references(step.data):
            continue
        if (ready := plan.drawn.get(step.key)) is not None:
            child = ready.plan
        else:
            call = child_call(session, step, step.data["parameters"])
            child = draw(session, call, claims, None, many=_is_row(step))
        found[step.key] = report.Child(child, preview(session, child, claims))
    return found


class _Changes:
    """How many changes the plans of a root run and of its children make, as far as drawn."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self._lock = threading.Lock()

    def with_plan(self, journal: Journal, root: str, run: str, changes: int) -> int:
        """Return how many they are with those of a child that is drawn just now."""
        with self._lock:
            if not self._of:  # the journal is read once, and not for each of many children
                self._read(journal, journal.run(root))
            self._of[run] = changes
            return sum(self._of.values())

    def _read(self, journal: Journal, run: RunRecord) -> None:
        self._of[run.id] = stored_plan(run).changes() if run.plan else 0
        for child in journal.children(run.id):
            self._read(journal, child)


class ChildRuns:
    """Draws, stores and ends child runs for the engine (see engine.Children)."""

    def __init__(self, session: Session, states: Collection[str] = TO_GO_ON) -> None:
        """Serve runs whose steps in ``states`` this code has to be able to deal with."""
        self.session, self.states = session, states
        self._changes = _Changes()
        self._claimed: set[str] | None = None

    def drawn(
        self,
        running: Running,
        parent: str,
        step: PlannedStep,
        parameters: dict[str, Any],
        within: Plan,
    ) -> Engine:
        """Return the engine of a child run, drawing its plan under the parent's claims.

        A plan that was drawn under them a moment ago, ``within`` the parent's, is taken as it is.
        (``max_changes`` was compared with all that was drawn together before anything was begun.)
        """
        ready = within.drawn.get(step.key)
        journal, fence = running.journal, running.fence
        known = journal.child(parent, step.key)
        call = child_call(self.session, step, parameters)
        if known is not None:
            journal.reopen(*fence, known.id)
            if known.plan is not None:
                plan = valid_plan(self.session, known, self.states)
                return self._engine(known.id, plan, running, step)
            run = known.id
        else:
            new = self._new(running, parent, step, call)
            if ready is not None and time.monotonic() - ready.at < _FRESH:
                steps = [(one.key, one.sentence) for one in ready.plan.steps()]
                data = ready.plan.as_data()
                journal.create(new, "running", data, generation=fence[1], planned=steps)
                return self._engine(new.id, ready.plan, running, step)
            journal.create(new, "running", generation=fence[1])
            run = new.id
        try:
            plan = self._draw(running, run, call, within.reads, many=_is_row(step))
        except RunbookError as error:
            told = running.told(error)
            running.journal.finish(*running.fence, run, "failed", summary=told, error=told)
            raise
        store_plan(running, run, plan)
        return self._engine(run, plan, running, step)

    def stored(self, running: Running, parent: str, step: PlannedStep) -> Engine | None:
        """Return the engine of a child run whose plan was drawn before."""
        child = running.journal.child(parent, step.key)
        if child is None or child.plan is None:
            return None
        return Engine(child.id, valid_plan(self.session, child, self.states), running, self)

    def finish(self, running: Running, engine: Engine, state: RunState) -> str:
        """Journal the end of a child run and return what there is to say of it."""
        result = finish_run(running, engine.run, engine.plan, state)
        if len(result.rows) == 1 and state in ("succeeded", "failed"):
            (only,) = result.rows  # its run has nothing to add
            return str(only.get("error") or only.get("said") or result.summary)
        return result.summary

    def _engine(self, run: str, plan: Plan, running: Running, step: PlannedStep) -> Engine:
        if _is_row(step) and sum(1 for _ in plan.steps()) == 1:
            # Of many rows each is told of once, and not its run and its step besides.
            running = dataclasses.replace(running, reporter=Aside(running.reporter))
        return Engine(run, plan, running, self)

    def _own_claims(self, running: Running) -> set[str]:
        """Return what the run has claimed, as it was when this was first asked."""
        if self._claimed is None:
            self._claimed = set(running.journal.claims_of(running.lease.root))
        return self._claimed

    def _new(self, running: Running, parent: str, step: PlannedStep, call: Call) -> NewRun:
        new = new_run(self.session, str(uuid.uuid4()), call)
        return msgspec.structs.replace(
            new, root=running.lease.root, parent=parent, parent_step=step.key
        )

    def _draw(
        self, running: Running, run: str, call: Call, reads: SharedReads | None, *, many: bool
    ) -> Plan:
        claims: Claims = HeldClaims(running)
        if reads is not None:
            claims = RefreshingClaims(claims, self._own_claims(running), reads)
            if reads.age() >= _FRESH:
                reads.forget()
        try:
            with reading_with(reads):
                plan = draw(self.session, call, claims, run, many=many)
        except RunbookError:
            raise
        except Exception as error:
            raise StepFailed(running.bug(error)) from None
        top = running.journal.run(running.lease.root)
        changes = self._changes.with_plan(running.journal, top.id, run, plan.changes())
        bounded(self.session, plan.title, changes, top.max_changes)
        return plan


def _is_row(step: PlannedStep) -> bool:
    """Return whether a child run is one of many rows; not one that a plan names itself."""
    return bool(step.about)


def store_plan(running: Running, run: str, plan: Plan) -> None:
    """Journal a drawn plan with its steps."""
    planned = [(step.key, step.sentence) for step in plan.steps()]
    running.journal.store_plan(*running.fence, run, plan.as_data(), planned)


def finish_run(running: Running, run: str, plan: Plan, state: RunState) -> Result:
    """Journal the end of a run and return what there is to tell of it."""
    journal = running.journal
    found = journal.run(run)
    paused = run == running.lease.root and state == "interrupted" and not running.stop.requested
    at = running.go_on_at if paused else None
    result = report.finished(journal, found, plan, state, running.stop, running.reporter, at)
    error = result.summary if state == "failed" else None
    journal.finish(*running.fence, run, state, summary=result.summary, error=error, go_on_at=at)
    return result
