"""The life of a run: drawn, shown, carried out, gone on with, given up."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from workflow_api import report
from workflow_api.attempt import Running
from workflow_api.context import Claims, Context
from workflow_api.duration import humanize
from workflow_api.engine import Engine
from workflow_api.errors import Held, LeaseLost, Refused, RunbookError, UserError
from workflow_api.lease import Lease
from workflow_api.parameters import Call, bind
from workflow_api.plan import Plan, PlannedStep
from workflow_api.result import Result
from workflow_api.session import Session
from workflow_api.stop import stopped_by_signals
from workflow_api.version import VERSION
from workflow_api.workflow import workflow_named

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord, RunState

Kind = Literal["done", "failed", "refused", "interrupted"]
_KIND: dict[str, Kind] = {"succeeded": "done", "interrupted": "interrupted"}
_UNFINISHED = ("interrupted", "running")


@dataclass(frozen=True)
class Answer:
    """A result and what kind of ending it tells of."""

    kind: Kind
    result: Result

    @property
    def success(self) -> bool:
        """Whether the runbook did what it was asked to do."""
        return self.kind == "done"


@dataclass
class _HeldClaims:
    """Claims of a run that is carried out."""

    running: Running

    def claim(self, subjects: Sequence[str]) -> None:
        self.running.journal.claim(*self.running.fence, subjects)


@dataclass
class _ReportedClaims:
    """Claims of a dry run: nothing is taken, holders are remembered for the report."""

    journal: Journal
    own: str | None = None
    holders: list[str] = field(default_factory=list)

    def claim(self, subjects: Sequence[str]) -> None:
        for subject, run in self.journal.holders(subjects).items():
            if run.id != self.own:
                error = Held(subject, run.id, run.workflow, unfinished=not run.alive)
                self.holders.append(f"Note: {error}")


class Runs:
    """What can be done with runs, for one call of the dispatcher."""

    def __init__(self, session: Session) -> None:
        self.session = session

    # -- what the dispatcher asks for ------------------------------------------------------

    def dry_run(self, call: Call, max_changes: int | None, ticket: str | None) -> Answer:
        """Draw the plan, store it as a planned run and show it. Nothing is changed."""
        run = str(uuid.uuid4())
        claims = _ReportedClaims(self.session.journal)
        plan = self._draw(call, claims, None)
        children = {
            step.key: self._draw(self._child_call(step), claims, None)
            for step in plan.steps()
            if step.is_child
        }
        total = plan.changes() + sum(child.changes() for child in children.values())
        self._bounded(plan, total, max_changes)
        new = self._new(run, call, max_changes, ticket)
        self.session.journal.create(new, "planned", plan.as_data())
        return Answer("done", report.planned(run, plan, children, claims.holders))

    def start(self, call: Call, max_changes: int | None, ticket: str | None) -> Answer:
        """Draw the plan under claims and carry it out, or go on with an equal unfinished run."""
        journal, run = self.session.journal, str(uuid.uuid4())
        journal.create(
            self._new(run, call, max_changes, ticket, self.session.requester.trigger_id), "planned"
        )
        try:
            with self._acting(run, ("planned",)) as running:
                plan = self._draw_or_end(running, run, call, max_changes)
                return self._carry_out(running, run, plan)
        except Held as held:
            other = journal.run(held.run)
            equal = other.request == call.request
            if equal and not held.unfinished and self.session.requester.is_rule:
                return Answer("done", Result(other.id, f"already running: {other.id}"))
            if not (equal and held.unfinished and self._is_young(other)):
                raise
            self.session.reporter.say(
                f"Run {other.id} was asked for the same and did not finish: going on with it."
            )
            return self.resume(other.id)

    def apply(self, run_id: str) -> Answer:
        """Carry out a planned run if the plan, drawn again under claims, is still the same."""
        journal = self.session.journal
        run = journal.run(run_id)
        if run.state != "planned" or run.plan is None:
            raise UserError(f"Run {run.id} is {run.shown_state}; only a planned run is applied.")
        age, valid = run.now - run.created_at, self.session.config.limits.plan_valid
        if age > valid:
            raise UserError(
                f"The plan {run.id} is {humanize(age)} old; plans are valid for {valid}.",
                advice="Make a new dry run.",
            )
        shown = Plan.from_data(run.plan)
        call = self._stored_call(run)
        with self._acting(run.id, ("planned",)) as running:
            plan = self._draw_or_end(running, run.id, call, run.max_changes, end="planned")
            if found := shown.differences(plan):
                error = Refused(
                    f"Applying {run.id}",
                    [f"the cloud is not as it was when the plan was shown: {one}" for one in found],
                    advice="Make a new dry run and look at it.",
                )
                journal.finish(*running.fence, run.id, "failed", summary=str(error))
                raise error
            return self._carry_out(running, run.id, plan)

    def resume(self, run_id: str) -> Answer:
        """Go on with an interrupted run: done stays done, unknown is looked up first."""
        run = self._unheld(run_id)
        if run.plan is None:
            return self._never_planned(run)
        plan = self._still_valid(run)
        with self._acting(run.id, _UNFINISHED) as running:
            return self._carry_out(running, run.id, plan, stored=True)

    def cancel(self, run_id: str) -> Answer:
        """Stop a run that is held by a process, or settle and end one that is not."""
        journal = self.session.journal
        run = journal.run(run_id)
        if run.parent:
            raise UserError(f"Run {run.id} is a step of {run.parent}: cancel that one.")
        if run.alive:
            return self._cancel_elsewhere(run)
        if run.plan is None or run.state == "planned":
            return self._never_planned(run)
        plan = self._still_valid(run)
        with self._acting(run.id, _UNFINISHED) as running:
            running.stop.request("cancel", f"{self.session.requester.user} cancelled it")
            engine = Engine(run.id, plan, running, self)
            return self._end(running, run.id, plan, engine.give_up())

    # -- children (see engine.Children) ----------------------------------------------------

    def drawn(self, running: Running, parent: str, step: PlannedStep) -> Engine:
        """Return the engine of a child run, drawing its plan under the parent's claims."""
        if stored := self.stored(running, parent, step):
            running.journal.reopen(*running.fence, stored.run)
            return stored
        call, run = self._child_call(step), str(uuid.uuid4())
        new = self._new(run, call, None, None)
        new = _as_child(new, running.lease.root, parent, step.key)
        plan = self._draw(call, _HeldClaims(running), run)
        top = running.journal.run(running.lease.root)
        self._bounded(plan, plan.changes() + self._changes_so_far(top.id), top.max_changes)
        running.journal.create(new, "running")
        self._store(running, run, plan)
        return Engine(run, plan, running, self)

    def stored(self, running: Running, parent: str, step: PlannedStep) -> Engine | None:
        """Return the engine of a child run whose plan was drawn before."""
        for child in running.journal.children(parent):
            if child.parent_step == step.key and child.plan is not None:
                return Engine(child.id, self._still_valid(child), running, self)
        return None

    def finish(self, running: Running, engine: Engine, state: RunState) -> str:
        """Journal the end of a child run and return its summary."""
        return self._end(running, engine.run, engine.plan, state).result.summary

    # -- drawing ---------------------------------------------------------------------------

    def _draw(self, call: Call, claims: Claims, run: str | None) -> Plan:
        context = Context(
            config=self.session.config,
            requester=self.session.requester,
            claims=claims,
            say=self.session.reporter.say,
            open_journal=lambda: self.session.journal,
            run=run,
        )
        plan = call.workflow.function(context, **call.arguments)
        if not isinstance(plan, Plan):
            raise TypeError(f"{call.workflow.name} returned {type(plan).__name__}, not a Plan")
        plan.bind(call.accounts)
        return plan

    def _draw_or_end(
        self,
        running: Running,
        run: str,
        call: Call,
        max_changes: int | None,
        *,
        end: RunState = "failed",
    ) -> Plan:
        """Draw the plan of a run that is begun; if that fails, end the run and let it out."""
        try:
            plan = self._draw(call, _HeldClaims(running), run)
            self._bounded(plan, plan.changes(), max_changes)
        except LeaseLost:
            raise
        except BaseException as error:
            told = str(error) if isinstance(error, RunbookError) else "it could not be planned"
            running.journal.finish(*running.fence, run, end, summary=told, error=told)
            raise
        self._store(running, run, plan)
        return plan

    def _store(self, running: Running, run: str, plan: Plan) -> None:
        planned = [(step.key, step.sentence) for step in plan.steps()]
        running.journal.store_plan(*running.fence, run, plan.as_data(), planned)

    def _bounded(self, plan: Plan, changes: int, max_changes: int | None) -> None:
        limit = self.session.config.limits.max_changes if max_changes is None else max_changes
        if changes > limit:
            raise Refused(
                plan.title,
                [f"it would make {changes} changes and max_changes is {limit}"],
                advice="Narrow what you ask for, or give a larger max_changes.",
            )

    def _changes_so_far(self, root: str) -> int:
        runs = [self.session.journal.run(root)]
        for run in runs:
            runs += self.session.journal.children(run.id)
        return sum(Plan.from_data(run.plan).changes() for run in runs if run.plan)

    def _still_valid(self, run: RunRecord) -> Plan:
        """Return the stored plan if this code can still carry out every pending step of it."""
        assert run.plan is not None
        workflow_named(run.workflow)  # registers the steps
        try:
            plan = Plan.from_data(run.plan)
        except ValueError as error:
            raise UserError(f"Run {run.id} cannot be gone on with: {error}.") from None
        states = {step.key: step.state for step in self.session.journal.steps(run.id)}
        wrong = []
        for step in plan.steps():
            if states.get(step.key) == "done" or step.is_child:
                continue
            try:
                if step.definition.version != step.version:
                    wrong.append(f"{step.sentence} (its meaning has changed)")
                step.definition.check(step.data)
            except (KeyError, TypeError):
                wrong.append(f"{step.sentence} (this code has no such step)")
        if wrong:
            raise Refused(
                f"Going on with run {run.id} of version {run.pack_version} under {VERSION}",
                wrong,
                advice="Give it up with run.cancel under the old version, then make a fresh plan.",
            )
        return plan

    # -- carrying out ----------------------------------------------------------------------

    @contextmanager
    def _acting(self, run: str, states: Sequence[str]) -> Iterator[Running]:
        """Hold the run's lease while the block runs, stoppable by every means there is."""
        session, seconds = self.session, float(self.session.config.limits.lease)
        holder = f"{socket.gethostname()}:{os.getpid()}"
        generation = session.journal.take(run, holder, seconds, states=states)
        lease = Lease(
            session.journal,
            run,
            generation,
            seconds,
            session.stop,
            cancelled=session.cancelled,
            deadline=session.deadline,
        )
        with stopped_by_signals(session.stop), lease:
            yield Running(
                journal=session.journal,
                lease=lease,
                stop=session.stop,
                reporter=session.reporter,
                account=session.account,
                bug=session.bug,
            )

    def _carry_out(self, running: Running, run: str, plan: Plan, *, stored: bool = False) -> Answer:
        if stored:
            self.session.reporter.say(f"Going on with run {run}.")
        state = Engine(run, plan, running, self).execute()
        return self._end(running, run, plan, state)

    def _end(self, running: Running, run: str, plan: Plan, state: RunState) -> Answer:
        journal, reason = running.journal, running.stop.reason
        result = report.finished(journal, journal.run(run), plan, state, reason)
        failed = state == "failed"
        error = result.summary if failed else None
        journal.finish(*running.fence, run, state, summary=result.summary, error=error)
        return Answer(_KIND.get(state, "failed"), result)

    def _never_planned(self, run: RunRecord) -> Answer:
        """End a run that has changed nothing: it was only planned, or died while planning."""
        journal = self.session.journal
        generation = journal.take(
            run.id,
            "cancel",
            float(self.session.config.limits.lease),
            states=("planned", *_UNFINISHED),
        )
        summary = f"Run {run.id} had changed nothing; it is cancelled."
        journal.finish(run.id, generation, run.id, "cancelled", summary=summary)
        return Answer("done", Result(run.id, summary))

    # -- runs that may be held by somebody -------------------------------------------------

    def _unheld(self, run_id: str) -> RunRecord:
        """Return the run once nobody holds it; waits for the lease of a process that was killed.

        Raises Held as soon as the lease is seen to be renewed, UserError if it has ended.
        """
        journal = self.session.journal
        run = first = journal.run(run_id)
        if run.parent:
            raise UserError(f"Run {run.id} is a step of {run.parent}: go on with that one.")
        if run.state not in _UNFINISHED:
            raise UserError(f"Run {run.id} is {run.state}, so there is nothing to go on with.")
        if run.alive:
            self.session.reporter.say(
                f"Run {run.id} is held by {run.holder}; if that is gone, its lease ends in "
                f"{humanize(run.lease_left)}: waiting."
            )
        while run.alive:
            if run.lease_until != first.lease_until or run.generation != first.generation:
                raise Held("It", run.id, run.workflow, unfinished=False)
            time.sleep(min(0.5, max(0.05, run.lease_left)))
            run = journal.run(run_id)
        return run

    def _cancel_elsewhere(self, run: RunRecord) -> Answer:
        """Ask the process that holds the run to stop, and wait until it has."""
        journal, limits = self.session.journal, self.session.config.limits
        journal.request_cancel(run.id, self.session.requester.user)
        self.session.reporter.say(f"Asked {run.holder} to stop run {run.id}; waiting for it.")
        until = time.monotonic() + limits.lease + 2 * limits.grace
        while run.alive and time.monotonic() < until:
            time.sleep(0.5)
            run = journal.run(run.id)
        if run.alive:
            raise UserError(
                f"Run {run.id} has been asked to stop and still works on it.",
                advice="It stops at its next safe point; look again with run.show.",
            )
        if run.state == "running":
            return self.cancel(run.id)  # its process died meanwhile
        kind: Kind = "done" if run.state == "cancelled" else "failed"
        return Answer(kind, Result(run.id, run.summary or f"Run {run.id} is {run.state}."))

    # -- small things ----------------------------------------------------------------------

    def _is_young(self, run: RunRecord) -> bool:
        return run.age <= self.session.config.limits.resume_within

    def _child_call(self, step: PlannedStep) -> Call:
        workflow = workflow_named(step.data["workflow"])
        return bind(workflow, step.data["parameters"], self.session.account)

    def _stored_call(self, run: RunRecord) -> Call:
        return bind(workflow_named(run.workflow), run.parameters, self.session.account)

    def _new(
        self,
        run: str,
        call: Call,
        max_changes: int | None,
        ticket: str | None,
        trigger_id: str | None = None,
    ) -> Any:
        from state.records import NewRun

        requester = self.session.requester
        return NewRun(
            id=run,
            workflow=call.workflow.name,
            parameters=call.plain,
            request=call.request,
            pack_version=VERSION,
            requested_by=requester.user,
            origin=requester.origin,
            ticket=ticket,
            execution_id=requester.execution_id,
            trigger_id=trigger_id,
            max_changes=max_changes,
        )


def _as_child(new: Any, root: str, parent: str, step: str) -> Any:
    from dataclasses import replace

    return replace(new, root=root, parent=parent, parent_step=step)


# What a dispatcher may do with a stored run, by the name in a RunRequest.
REQUESTS: dict[str, Callable[[Runs, str], Answer]] = {
    "apply": Runs.apply,
    "resume": Runs.resume,
    "cancel": Runs.cancel,
}
