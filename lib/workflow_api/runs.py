"""The life of a run: drawn, shown, carried out, gone on with, given up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from workflow_api import report
from workflow_api.attempt import Running
from workflow_api.children import TO_GIVE_UP, ChildRuns, finish_run, preview, store_plan
from workflow_api.claims import HeldClaims, ReportedClaims
from workflow_api.drawing import bounded, draw, new_run, stored_call, stored_plan, valid_plan
from workflow_api.duration import humanize
from workflow_api.engine import Engine
from workflow_api.errors import Held, LeaseLost, Refused, RunbookError, UserError
from workflow_api.holding import UNFINISHED, acting, stopped_elsewhere, unheld
from workflow_api.parameters import Call
from workflow_api.plan import Plan
from workflow_api.result import Result
from workflow_api.session import Session
from workflow_api.settling import Outcome, settled

if TYPE_CHECKING:
    from state.records import RunRecord, RunState

Kind = Literal["done", "failed", "refused", "interrupted"]
_KIND: dict[str, Kind] = {
    "succeeded": "done",
    "interrupted": "interrupted",
    "cancelled": "interrupted",
}


@dataclass(frozen=True)
class Answer:
    """A result and what kind of ending it tells of."""

    kind: Kind
    result: Result

    @property
    def success(self) -> bool:
        """Whether the runbook did what it was asked to do."""
        return self.kind == "done"


class Runs:
    """What can be done with runs, for one call of the dispatcher."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def dry_run(self, call: Call, max_changes: int | None, ticket: str | None) -> Answer:
        """Draw the plan, store it as a planned run and show it. Nothing is changed."""
        session, run = self.session, str(uuid.uuid4())
        claims = ReportedClaims(session.journal)
        plan = draw(session, call, claims, None)
        children = preview(session, plan, claims)
        bounded(session, plan.title, report.changes(plan, children), max_changes)
        new = new_run(session, run, call, max_changes, ticket)
        session.journal.create(new, "planned", plan.as_data())
        return Answer("done", report.planned(run, plan, children, claims.holders))

    def start(self, call: Call, max_changes: int | None, ticket: str | None) -> Answer:
        """Draw the plan under claims and carry it out, or go on with an equal unfinished run.

        A rule whose trigger has started a run before is told of that run, and so is one that asks
        for what another run is doing just now.
        """
        session, requester = self.session, self.session.requester
        new = new_run(session, str(uuid.uuid4()), call, max_changes, ticket)
        try:
            session.journal.create(replace(new, trigger_id=requester.trigger_id), "planned")
        except Held as held:
            return self._started_before(held)
        try:
            with acting(session, new.id, ("planned",)) as running:
                plan = self._draw_or_end(running, new.id, call, max_changes)
                store_plan(running, new.id, plan)
                return self._carry_out(running, new.id, plan)
        except Held as held:
            return self._after_holder(held, call)

    def apply(self, run_id: str) -> Answer:
        """Carry out a planned run if the plan, drawn again under claims, is still the same."""
        session = self.session
        run = session.journal.run(run_id)
        if run.state != "planned" or run.plan is None:
            raise UserError(f"Run {run.id} is {run.shown_state}; only a planned run is applied.")
        age, valid = run.now - run.created_at, session.config.limits.plan_valid
        if age > valid:
            raise UserError(
                f"The plan {run.id} is {humanize(age)} old; plans are valid for {valid}.",
                advice="Make a new dry run.",
            )
        shown, call = stored_plan(run), stored_call(session, run)
        with acting(session, run.id, ("planned",)) as running:
            plan = self._draw_or_end(
                running, run.id, call, run.max_changes, end="planned", asked_at=run.created_at
            )
            self._refuse_other(running, run.id, shown, plan)
            # Not before it was compared: what is stored is what a resume carries out.
            store_plan(running, run.id, plan)
            return self._carry_out(running, run.id, plan)

    def resume(self, run_id: str) -> Answer:
        """Go on with an interrupted run: done stays done, unknown is looked up first."""
        run = unheld(self.session, run_id)
        if run.plan is None:
            self._end_unplanned(run)
            summary = (
                f"Run {run.id} had changed nothing when it ended; it is cancelled. Start anew."
            )
            return Answer("failed", Result(run.id, summary, text=f"{summary}\n"))
        plan = valid_plan(self.session, run, ChildRuns(self.session).states)
        with acting(self.session, run.id, UNFINISHED) as running:
            self.session.reporter.say(f"Going on with run {run.id}.")
            return self._carry_out(running, run.id, plan)

    def cancel(self, run_id: str) -> Answer:
        """Stop a run that is held by a process, or settle and end one that is not."""
        run = self.session.journal.run(run_id)
        if run.parent:
            raise UserError(f"Run {run.id} is a step of {run.parent}: cancel that one.")
        if run.alive:
            run = stopped_elsewhere(self.session, run)
            if run.state != "running":
                kind: Kind = "done" if run.state == "cancelled" else "failed"
                summary = run.summary or f"Run {run.id} is {run.state}."
                return Answer(kind, Result(run.id, summary, text=f"{summary}\n"))
            # Its process died meanwhile.
        if run.state not in (*UNFINISHED, "planned"):
            raise UserError(f"Run {run.id} is {run.state}, so there is nothing to cancel.")
        if run.plan is None or run.state == "planned":
            self._end_unplanned(run)
            summary = f"Run {run.id} had changed nothing; it is cancelled."
            return Answer("done", Result(run.id, summary, text=f"{summary}\n"))
        return self._give_up(run)

    def settle(self, run_id: str, *, step: str | None, outcome: Outcome, reason: str) -> Answer:
        """Write down what a person found out of a step that cannot be looked up."""
        return Answer("done", settled(self.session, run_id, step, outcome, reason))

    # -- the parts of it -------------------------------------------------------------------

    def _give_up(self, run: RunRecord) -> Answer:
        plan = valid_plan(self.session, run, TO_GIVE_UP)
        with acting(self.session, run.id, UNFINISHED) as running:
            running.stop.request("cancel", f"{self.session.requester.user} cancelled it")
            engine = Engine(run.id, plan, running, ChildRuns(self.session, TO_GIVE_UP))
            state = engine.give_up()
            result = finish_run(running, run.id, plan, state)
        if state != "cancelled":
            return Answer("interrupted", result)
        return Answer("failed" if report.was_left_done(result) else "done", result)

    def _carry_out(self, running: Running, run: str, plan: Plan) -> Answer:
        state = Engine(run, plan, running, ChildRuns(self.session)).execute()
        return Answer(_KIND.get(state, "failed"), finish_run(running, run, plan, state))

    def _draw_or_end(
        self,
        running: Running,
        run: str,
        call: Call,
        max_changes: int | None,
        *,
        end: RunState = "failed",
        asked_at: float | None = None,
    ) -> Plan:
        """Draw the plan of a run that is begun; if that fails, end the run and let it out."""
        try:
            plan = draw(self.session, call, HeldClaims(running), run, asked_at)
            bounded(self.session, plan.title, plan.changes(), max_changes)
        except LeaseLost:
            raise
        except BaseException as error:
            known = isinstance(error, RunbookError)
            told = running.told(error) if known else "it could not be planned"
            running.journal.finish(*running.fence, run, end, summary=told, error=told)
            raise
        return plan

    def _refuse_other(self, running: Running, run: str, shown: Plan, plan: Plan) -> None:
        if found := shown.differences(plan):
            error = Refused(
                f"Applying {run}",
                [f"the plan has changed since it was shown: {one}" for one in found],
                advice="Make a new dry run and look at it.",
            )
            told = running.told(error)
            running.journal.finish(*running.fence, run, "failed", summary=told, error=told)
            raise error

    def _started_before(self, held: Held) -> Answer:
        """Answer a trigger that comes again: whatever became of its run, there is no second."""
        first = self.session.journal.run(held.run)
        state = "already running" if first.alive else f"already started and {first.shown_state}"
        summary = f"{state}: {first.id}"
        return Answer("done", Result(first.id, summary, text=f"{summary}\n"))

    def _after_holder(self, held: Held, call: Call) -> Answer:
        """Go on with the run that holds what is wanted if it was asked for the same."""
        other = self.session.journal.run(held.run)
        equal = other.request == call.request
        if equal and not held.unfinished and self.session.requester.is_rule:
            summary = f"already running: {other.id}"
            return Answer("done", Result(other.id, summary, text=f"{summary}\n"))
        young = other.age <= self.session.config.limits.resume_within
        if not (equal and held.unfinished and young):
            raise held
        self.session.reporter.say(
            f"Run {other.id} was asked for the same and did not finish: going on with it."
        )
        return self.resume(other.id)

    def _end_unplanned(self, run: RunRecord) -> None:
        """End a run that has changed nothing: it was only planned, or died while planning."""
        with acting(self.session, run.id, ("planned", *UNFINISHED)) as running:
            summary = "it was cancelled before it had changed anything"
            running.journal.finish(*running.fence, run.id, "cancelled", summary=summary)


# What a dispatcher may do with a stored run, by the name in a RunRequest.
REQUESTS: dict[str, Callable[..., Answer]] = {
    "apply": Runs.apply,
    "resume": Runs.resume,
    "cancel": Runs.cancel,
    "settle": Runs.settle,
}
