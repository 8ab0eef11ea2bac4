"""Carrying out a stored plan: bounded parallel stages, each step journalled around its change.

The order of things for one step is what makes a run safe to kill: the attempt is committed, then
its change is sent, then its result is committed. Whoever finds an attempt that was begun and not
ended asks the step's ``find`` what became of it before anything is sent again. A step that is done
in part is *begun*: a run that goes on goes on with it, and one that is given up finishes or undoes
it before it says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from common.errors import CutOff, Interrupted, RunbookError, StepFailed, UnknownOutcome
from engine.ending import UNSETTLED, Ending, still_running
from workflow_api.planned import PlannedStep, Stage

if TYPE_CHECKING:
    from state.records import RunState

# How often a change is sent that was looked up and had not happened.
_TRIES = 3


class Engine(Ending):
    """Carries out one plan of one run."""

    def execute(self) -> RunState:
        """Carry out what is not done yet and return the state in which the run ends.

        Raises CutOff if this process may not, or cannot, journal anything more of it.
        """
        self.take_up()
        self.announce()
        for stage in self.plan.stages:
            complete = self._run_stage(stage)
            if self.running.stop.requested:
                break
            if not complete and stage.on_failure == "stop":
                break
        return self._conclude()

    def _run_stage(self, stage: Stage) -> bool:
        """Run a stage; return whether everything in it is done."""
        waiting = [step for step in stage.steps if self.state(step) in (*UNSETTLED, "pending")]
        # What an earlier process left open is looked up first, whatever else has failed.
        waiting.sort(key=lambda step: self.state(step) == "pending")
        running: dict[Future[None], PlannedStep] = {}
        with ThreadPoolExecutor(max_workers=stage.at_most, thread_name_prefix="step") as pool:
            while waiting or running:
                while (step := self._next(stage, waiting, running.values())) is not None:
                    waiting.remove(step)
                    begun = pool.submit(self.guarded, step, lambda s: self._perform(s, stage))
                    running[begun] = step
                if not running:
                    break
                self._say_stopping()
                left = still_running(set(running))
                running = {future: step for future, step in running.items() if future in left}
        return all(self.state(step) == "done" for step in stage.steps)

    def _next(
        self, stage: Stage, waiting: Sequence[PlannedStep], running: Collection[PlannedStep]
    ) -> PlannedStep | None:
        """Return the step whose turn has come, or None while there is room for none."""
        if len(running) >= stage.at_most:
            return None
        full: set[str] = set()
        if stage.at_most_per is not None:
            busy = Counter(step.group for step in running if step.group)
            full = {group for group, number in busy.items() if number >= stage.at_most_per}
        free = next((step for step in waiting if step.group not in full), None)
        return free if free is not None and self._may_look(stage, free) else None

    def _say_stopping(self) -> None:
        stop = self.running.stop
        if stop.requested and not self.running.said_stopping:
            self.running.said_stopping = True
            self.running.reporter.say(f"Stopping: {stop.reason}; running steps are being finished.")

    def _may_look(self, stage: Stage, step: PlannedStep) -> bool:
        """Whether the step's turn has come: to be looked up if it is not settled, or to be sent."""
        if self.state(step) in UNSETTLED:
            return not self.running.stop.requested
        return self._may_send(stage)

    def _may_send(self, stage: Stage) -> bool:
        if self.running.stop.requested:
            return False
        return stage.on_failure == "continue" or not any(
            self.state(other) == "failed" or other.key in self.gave_up for other in stage.steps
        )

    def _perform(self, step: PlannedStep, stage: Stage) -> None:
        if step.is_child:
            self._perform_child(step)
            return
        if self.state(step) in UNSETTLED:
            self.runner.look_up(step)
        tries = 0
        while self.state(step) in ("pending", "begun") and self._may_send(stage):
            tries += 1
            try:
                self.runner.apply(step)
                why = "it is done in part"
            except UnknownOutcome as unknown:
                self.runner.look_up(step)
                why = self.running.told(unknown)
            if tries == _TRIES:
                self._raise_unless_done(step, why)

    def _raise_unless_done(self, step: PlannedStep, why: str) -> None:
        """Raise what it means that a step was sent as often as it is ever sent."""
        if self.state(step) == "pending":
            error = f"It was sent {_TRIES} times and has not happened: {why}"
            self.runner.set(step, "failed", error)
            raise StepFailed(error) from None
        if self.state(step) == "begun":
            raise UnknownOutcome(f"It was continued {_TRIES} times and is still not done: {why}")

    def _perform_child(self, step: PlannedStep) -> None:
        parameters = self._child_parameters(step)
        attempt = self.runner.begin(step, "apply")
        try:
            child = self.children.drawn(self.running, self.run, step, parameters, self.plan)
            state = child.execute()
            summary = self.children.finish(self.running, child, state)
        except CutOff:
            raise
        except RunbookError as error:  # its plan was refused, or could not be drawn
            told = self.running.told(error)
            self.runner.end(step, attempt, "failed", "failed", error=told)
            raise
        if state == "interrupted":
            self.runner.end(step, attempt, "interrupted", "unknown", error=summary)
            raise Interrupted(summary)
        if state != "succeeded":
            self.runner.end(step, attempt, "failed", "failed", error=summary)
            raise StepFailed(summary)
        self.runner.end(step, attempt, "done", "done", result={"run": child.run, "said": summary})
        self.running.reporter.ended(self.runner.name(step), step.sentence, "done", summary)

    def _child_parameters(self, step: PlannedStep) -> dict[str, Any]:
        try:
            parameters: dict[str, Any] = self.runner.resolved(step)["parameters"]
        except StepFailed as error:
            self.runner.set(step, "failed", str(error))
            raise
        return parameters

    def _conclude(self) -> RunState:
        self.raise_if_lost()
        if all(self.state(step) == "done" for step in self.plan.steps()):
            return "succeeded"
        if self.running.stop.kind == "cancel":
            return self.give_up()
        if self.running.stop.requested or self.paused:
            return "interrupted"
        if self.plan.parks:
            return self.park()
        return "interrupted" if self.is_open() else self.fail({"on_failure"})
