"""Runs that are steps of another run: drawn when they are reached, under its claims and lease."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from common.errors import RunbookError, StepFailed
from common.result import Result
from engine import report
from engine.attempt import Running
from engine.claims import HeldClaims
from engine.executor import Engine
from engine.parameters import Call
from engine.planning import bounded, child_call, draw, new_run, stored_plan, valid_plan
from engine.session import Session
from workflow_api.context import Claims
from workflow_api.plan import Plan, PlannedStep
from workflow_api.ref import references

if TYPE_CHECKING:
    from state.records import RunState

# What is still to be done when a run goes on, and when it is given up.
TO_GO_ON = ("pending", "running", "begun", "unknown")
TO_GIVE_UP = ("running", "begun", "unknown")


def preview(session: Session, plan: Plan, claims: Claims) -> dict[str, report.Child]:
    """Return the children of a plan, by the keys of their steps, as they would be drawn now.

    One whose parameters an earlier step has yet to return cannot be drawn.
    """
    found: dict[str, report.Child] = {}
    for step in plan.steps():
        if step.is_child and not references(step.data):
            call = child_call(session, step, step.data["parameters"])
            child = draw(session, call, claims, None)
            found[step.key] = report.Child(child, preview(session, child, claims))
    return found


class ChildRuns:
    """Draws, stores and ends child runs for the engine (see engine.Children)."""

    def __init__(self, session: Session, states: Collection[str] = TO_GO_ON) -> None:
        """Serve runs whose steps in ``states`` this code has to be able to deal with."""
        self.session, self.states = session, states

    def drawn(
        self, running: Running, parent: str, step: PlannedStep, parameters: dict[str, Any]
    ) -> Engine:
        """Return the engine of a child run, drawing its plan under the parent's claims."""
        if stored := self.stored(running, parent, step):
            running.journal.reopen(*running.fence, stored.run)
            return stored
        call = child_call(self.session, step, parameters)
        run = self._begun(running, parent, step, call)
        try:
            plan = self._draw(running, run, call)
        except RunbookError as error:
            told = running.told(error)
            running.journal.finish(*running.fence, run, "failed", summary=told, error=told)
            raise
        store_plan(running, run, plan)
        return Engine(run, plan, running, self)

    def stored(self, running: Running, parent: str, step: PlannedStep) -> Engine | None:
        """Return the engine of a child run whose plan was drawn before."""
        for child in running.journal.children(parent):
            if child.parent_step == step.key and child.plan is not None:
                plan = valid_plan(self.session, child, self.states)
                return Engine(child.id, plan, running, self)
        return None

    def finish(self, running: Running, engine: Engine, state: RunState) -> str:
        """Journal the end of a child run and return its summary."""
        return finish_run(running, engine.run, engine.plan, state).summary

    def _begun(self, running: Running, parent: str, step: PlannedStep, call: Call) -> str:
        """Return the id of the child run, which a process that was killed may have written."""
        for child in running.journal.children(parent):
            if child.parent_step == step.key:
                running.journal.reopen(*running.fence, child.id)
                return child.id
        root, generation = running.fence
        run = str(uuid.uuid4())
        new = new_run(self.session, run, call)
        new = msgspec.structs.replace(new, root=root, parent=parent, parent_step=step.key)
        running.journal.create(new, "running", generation=generation)
        return run

    def _draw(self, running: Running, run: str, call: Call) -> Plan:
        try:
            plan = draw(self.session, call, HeldClaims(running), run)
        except RunbookError:
            raise
        except Exception as error:
            raise StepFailed(running.bug(error)) from None
        top = running.journal.run(running.lease.root)
        changes = plan.changes() + self._changes_of(top.id)
        bounded(self.session, plan.title, changes, top.max_changes)
        return plan

    def _changes_of(self, run: str) -> int:
        """Return how many changes the plans of a run and its children make, as far as drawn."""
        journal = self.session.journal
        own = journal.run(run)
        drawn = stored_plan(own).changes() if own.plan else 0
        return drawn + sum(self._changes_of(child.id) for child in journal.children(run))


def store_plan(running: Running, run: str, plan: Plan) -> None:
    """Journal a drawn plan with its steps."""
    planned = [(step.key, step.sentence) for step in plan.steps()]
    running.journal.store_plan(*running.fence, run, plan.as_data(), planned)


def finish_run(running: Running, run: str, plan: Plan, state: RunState) -> Result:
    """Journal the end of a run and return what there is to tell of it."""
    journal = running.journal
    found = journal.run(run)
    result = report.finished(journal, found, plan, state, running.stop, running.reporter)
    error = result.summary if state == "failed" else None
    journal.finish(*running.fence, run, state, summary=result.summary, error=error)
    return result
