"""The life of a run: drawn, shown, carried out, resumed, given up."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from common.duration import humanize
from common.errors import AlreadyStarted, CutOff, Held, Refused, RunbookError, UserError
from common.result import Result
from engine import report
from engine.children import TO_GIVE_UP, ChildRuns, finish_run, preview, store_plan
from engine.claims import HeldClaims, ReportedClaims
from engine.executor import Engine
from engine.locked import refuse_locked
from engine.parameters import Call
from engine.planning import bounded, draw, new_run, stored_call, stored_plan, valid_plan
from engine.run_lease import ENDED, UNFINISHED, acting, beginning, let_go, unheld
from engine.running import Running
from engine.session import Session
from engine.settling import Outcome, settled
from workflow_api.plan import Plan

if TYPE_CHECKING:
    from state.records import RunRecord, RunState

Kind = Literal["done", "failed", "refused", "interrupted"]
_KIND: dict[str, Kind] = {
    "succeeded": "done",
    "interrupted": "interrupted",
    "cancelled": "interrupted",
}


class Answer(msgspec.Struct, frozen=True):
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
        refuse_locked(session)
        new = new_run(session, str(uuid.uuid4()), call, max_changes, ticket)
        try:
            with beginning(
                session, msgspec.structs.replace(new, trigger_id=requester.trigger_id)
            ) as running:
                plan = self._draw_or_end(running, new.id, call, max_changes, may_follow=True)
                store_plan(running, new.id, plan)
                return self._carry_out(running, new.id, plan)
        except AlreadyStarted as again:
            return self._started_before(again)
        except Held as held:
            other = self._followed(held, call)
            if other is None:
                raise
            return self._follow(new.id, other)

    def apply(self, run_id: str) -> Answer:
        """Carry out a planned run if the plan, drawn again under claims, is still the same."""
        session = self.session
        run = session.journal.run(run_id)
        if run.state != "planned" or run.plan is None:
            raise UserError(f"Run {run.id} is {run.shown_state}; only a planned run is applied.")
        age, valid = max(0.0, run.now - run.created_at), session.config.limits.plan_valid
        if age > valid:
            raise UserError(
                f"The plan {run.id} is {humanize(age)} old; plans are valid for {valid}.",
                advice="Make a new dry run.",
            )
        refuse_locked(session)
        shown, call = stored_plan(run), stored_call(session, run)
        with acting(session, run, ("planned",), "apply") as running:
            plan = self._draw_or_end(
                running,
                run.id,
                call,
                run.max_changes,
                end="planned",
                asked_at=run.by_wall_clock(run.created_at),
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
            summary = f"Run {run.id} had changed nothing when it ended; it is cancelled."
            return _answer_for("failed", run, f"{summary} Start again.")
        refuse_locked(self.session)
        plan = valid_plan(self.session, run, ChildRuns(self.session).states)
        with acting(self.session, run, UNFINISHED, "resume") as running:
            stop = running.stop
            verb = f"Giving up, as {stop.reason}," if stop.requested else "Going on with"
            self.session.reporter.say(f"{verb} run {run.id}.")
            return self._carry_out(running, run.id, plan)

    def cancel(self, run_id: str) -> Answer:
        """Stop a run that is held by a process, or settle and end one that is not.

        The request is in the journal before anything else is done about it, and stays until the
        run has ended: whoever takes the run over in the meantime gives it up.
        """
        journal = self.session.journal
        run = journal.run(run_id)
        if run.parent:
            raise UserError(f"Run {run.id} is a step of {run.parent}: cancel that one.")
        if run.plan is not None and not run.alive and run.state in UNFINISHED:
            valid_plan(self.session, run, TO_GIVE_UP)  # what is refused asks nothing
        if not journal.request_stop(run.id, self.session.requester):
            state = journal.run(run.id).state
            raise UserError(f"Run {run.id} is {state}, so there is nothing to cancel.")
        while True:
            run = let_go(self.session, run)
            if run.state in ENDED:
                kind: Kind = "done" if run.state == "cancelled" else "failed"
                return _answer_for(kind, run, run.summary or f"Run {run.id} is {run.state}.")
            try:
                return self._close(run)
            except UserError:
                run = journal.run(run.id)
                if not run.alive and run.state not in ENDED:
                    raise
                # Another process was faster: it has found the request too.

    def settle(self, run_id: str, *, step: str | None, outcome: Outcome, reason: str) -> Answer:
        """Write down what a person found out of a step that cannot be looked up."""
        return Answer("done", settled(self.session, run_id, step, outcome, reason))

    # -- the parts of it -------------------------------------------------------------------

    def _close(self, run: RunRecord) -> Answer:
        """End a run that nobody holds and that was asked to stop."""
        if run.plan is None or run.state == "planned":
            self._end_unplanned(run)
            return _answer_for("done", run, f"Run {run.id} had changed nothing; it is cancelled.")
        return self._give_up(run)

    def _give_up(self, run: RunRecord) -> Answer:
        plan = valid_plan(self.session, run, TO_GIVE_UP)
        with acting(self.session, run, UNFINISHED) as running:
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
        may_follow: bool = False,
        asked_at: float | None = None,
    ) -> Plan:
        """Draw the plan of a run that is begun; if that fails, end the run and let it out.

        A run that ``may_follow`` an equal one, and finds it, has not failed: it gives way.
        """
        try:
            plan = draw(self.session, call, HeldClaims(running), run, asked_at)
            bounded(self.session, plan.title, plan.changes_in_all(), max_changes)
        except CutOff:
            raise
        except BaseException as error:
            known = isinstance(error, RunbookError)
            told = running.told(error) if known else "it could not be planned"
            if may_follow and isinstance(error, Held) and self._followed(error, call):
                # No error: what was asked for is done there.
                way = f"it was asked for the same as run {error.run} and gave way to that one"
                running.journal.finish(
                    *running.fence, run, "cancelled", summary=way, gave_way_to=error.run
                )
                raise
            running.journal.finish(*running.fence, run, end, summary=told, error=told)
            raise
        return plan

    def _refuse_other(self, running: Running, run: str, shown: Plan, plan: Plan) -> None:
        if found := shown.differences(plan):
            error = Refused(
                f"Applying {run}",
                [f"the plan has changed since it was shown: {one}" for one in found],
                advice="Make a new dry run and look at it. The plan that was shown stays as it is, "
                "and can be applied once it would be drawn the same again.",
            )
            told = running.told(error)
            running.journal.finish(*running.fence, run, "planned", summary=told, error=told)
            raise error

    def _started_before(self, again: AlreadyStarted) -> Answer:
        """Answer a trigger that comes again: whatever became of its run, there is no second."""
        first = self.session.journal.run(again.run)
        state = "already running" if first.alive else f"already started and {first.shown_state}"
        return _answer_for("done", first, f"{state}: {first.id}")

    def _followed(self, held: Held, call: Call) -> RunRecord | None:
        """Return the run that holds what is wanted if it does, or should do, what is asked for.

        A rule is content that another run is at it; one that was left is resumed while it is
        young.
        """
        other = self.session.journal.run(held.run)
        if held.unfinished:
            serves = other.age <= self.session.config.limits.resume_within
        else:
            serves = self.session.requester.is_rule
        return other if serves and other.request == call.request else None

    def _follow(self, run: str, other: RunRecord) -> Answer:
        """Go on with another run in the place of ``run``, unless a process is at it."""
        if other.alive:
            return _answer_for("done", other, f"already running: {other.id}")
        self.session.reporter.say(
            f"Run {other.id} was asked for the same and did not finish: going on with it."
        )
        try:
            return self.resume(other.id)
        finally:
            self.session.journal.follow(run, other.id)

    def _end_unplanned(self, run: RunRecord) -> None:
        """End a run that has changed nothing: it was only planned, or died while planning."""
        with acting(self.session, run, ("planned", *UNFINISHED)) as running:
            summary = "it was cancelled before it had changed anything"
            running.journal.finish(*running.fence, run.id, "cancelled", summary=summary)


def _answer_for(kind: Kind, run: RunRecord, summary: str) -> Answer:
    return Answer(kind, Result(run.id, summary, text=f"{summary}\n"))
