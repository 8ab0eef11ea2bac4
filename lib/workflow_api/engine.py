"""Carrying out a stored plan: bounded parallel stages, each step journalled around its change.

The order of things for one step is what makes a run safe to kill: the attempt is committed, then
its change is sent, then its result is committed. Whoever finds an attempt that was begun and not
ended asks the step's ``find`` what became of it before anything is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Protocol

from workflow_api.attempt import NOBODY_KNOWS, Running, StepRunner
from workflow_api.errors import Interrupted, LeaseLost, RunbookError, StepFailed, UnknownOutcome
from workflow_api.plan import Plan, PlannedStep, Stage

if TYPE_CHECKING:
    from state.records import RunState

# How often a change is sent that was looked up and had not happened.
_TRIES = 3
# How often the main thread looks up from waiting, so that Python can run signal handlers.
_GLANCE = 0.2
_OPEN = ("running", "unknown")


class Children(Protocol):
    """Where the runs are that are steps of another."""

    def drawn(
        self, running: Running, parent: str, step: PlannedStep, parameters: dict[str, Any]
    ) -> Engine:
        """Return the child's engine, drawing and storing its plan if that was not done yet."""

    def stored(self, running: Running, parent: str, step: PlannedStep) -> Engine | None:
        """Return the child's engine if its plan was drawn."""

    def finish(self, running: Running, engine: Engine, state: RunState) -> str:
        """Journal that a child run ended and return its summary."""


class Engine:
    """Carries out one plan of one run."""

    def __init__(self, run: str, plan: Plan, running: Running, children: Children) -> None:
        self.run, self.plan, self.running, self.children = run, plan, running, children
        self.runner = StepRunner(run, running)
        self._gave_up: set[str] = set()

    def execute(self) -> RunState:
        """Carry out what is not done yet and return the state in which the run ends.

        Raises LeaseLost if another process may have taken the run over.
        """
        self.running.reporter.began(self.run, self.plan.title, len(list(self.plan.steps())))
        for stage in self.plan.stages:
            complete = self._run_stage(stage)
            if self.running.stop.requested:
                break
            if not complete and stage.on_failure == "stop":
                break
        return self._conclude()

    def give_up(self) -> RunState:
        """Cancel: settle by look-up what is open, then undo what the plan says to undo.

        Returns ``interrupted`` if something open could not be settled, or was not undone yet.
        """
        self.running.stop.extend()
        for step in self.plan.steps():
            if self._state(step) in _OPEN:
                self._guarded(step, self._settle)
        self._raise_if_lost()
        if self.is_open():
            return "interrupted"
        return "cancelled" if self.undo({"on_cancel", "on_failure"}) else "interrupted"

    def undo(self, policies: Iterable[str]) -> bool:
        """Undo, last first, the steps that are done and that the plan says to undo.

        Returns whether all of it was at least tried: False if a stop came in between.
        """
        wanted = set(policies)
        undone = {r.key for r in self.running.journal.steps(self.run) if r.undone}
        left: list[PlannedStep] = []

        def undo_one(step: PlannedStep) -> None:
            try:
                if step.is_child:
                    child = self.children.stored(self.running, self.run, step)
                    if child and not child.undo(wanted):
                        left.append(step)
                elif self._state(step) == "done" and step.undo in wanted and step.key not in undone:
                    self.runner.undo(step)
            except Interrupted:
                left.append(step)
                raise

        for step in reversed(list(self.plan.steps())):
            self._guarded(step, undo_one, about="undo: ")
        self._raise_if_lost()
        return not left

    def is_open(self) -> bool:
        """Whether the outcome of a step is unknown and a later look-up can still settle it."""
        return any(
            self._state(step) in _OPEN and (step.is_child or step.definition.find is not None)
            for step in self.plan.steps()
        )

    def _state(self, step: PlannedStep) -> str:
        return self.runner.states[step.key]

    def _run_stage(self, stage: Stage) -> bool:
        """Run a stage; return whether everything in it is done."""
        waiting = [step for step in stage.steps if self._state(step) in (*_OPEN, "pending")]
        # What an earlier process left open is looked up first, whatever else has failed.
        waiting.sort(key=lambda step: self._state(step) == "pending")
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(max_workers=stage.at_most, thread_name_prefix="step") as pool:
            while waiting or running:
                while (
                    waiting and len(running) < stage.at_most and self._may_go_on(stage, waiting[0])
                ):
                    step = waiting.pop(0)
                    running.add(pool.submit(self._guarded, step, lambda s: self._perform(s, stage)))
                if not running:
                    break
                self._say_stopping()
                ended, running = wait(running, timeout=_GLANCE, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
        return all(self._state(step) == "done" for step in stage.steps)

    def _say_stopping(self) -> None:
        stop = self.running.stop
        if stop.requested and not self.running.said_stopping:
            self.running.said_stopping = True
            self.running.reporter.say(f"Stopping: {stop.reason}; running steps are being finished.")

    def _may_go_on(self, stage: Stage, step: PlannedStep) -> bool:
        if self.running.stop.requested:
            return False
        if self._state(step) in _OPEN or stage.on_failure == "continue":
            return True
        return not any(
            self._state(other) == "failed" or other.key in self._gave_up for other in stage.steps
        )

    def _perform(self, step: PlannedStep, stage: Stage) -> None:
        if step.is_child:
            self._perform_child(step)
            return
        if self._state(step) in _OPEN:
            self.runner.look_up(step)
        tries = 0
        while self._state(step) == "pending" and self._may_go_on(stage, step):
            tries += 1
            try:
                self.runner.apply(step)
            except UnknownOutcome as unknown:
                self.runner.look_up(step)
                if tries == _TRIES and self._state(step) == "pending":
                    said = self.running.told(unknown)
                    error = f"It was sent {tries} times and has not happened: {said}"
                    self.runner.set(step, "failed", error)
                    raise StepFailed(error) from None

    def _perform_child(self, step: PlannedStep) -> None:
        parameters = self._child_parameters(step)
        attempt = self.runner.begin(step, "apply")
        try:
            child = self.children.drawn(self.running, self.run, step, parameters)
            state = child.execute()
            summary = self.children.finish(self.running, child, state)
        except LeaseLost:
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
        self.running.reporter.ended(step.key, step.sentence, "done", summary)

    def _child_parameters(self, step: PlannedStep) -> dict[str, Any]:
        try:
            parameters: dict[str, Any] = self.runner.resolved(step)["parameters"]
        except StepFailed as error:
            self.runner.set(step, "failed", str(error))
            raise
        return parameters

    def _settle(self, step: PlannedStep) -> None:
        """Look up an open step before the run is given up."""
        if step.is_child:
            self._settle_child(step)
        elif step.changes and step.definition.find is None:
            # Not even one that may be repeated: nobody is going to repeat it.
            self.runner.set(step, "unknown", NOBODY_KNOWS)
        else:
            self.runner.look_up(step)

    def _settle_child(self, step: PlannedStep) -> None:
        child = self.children.stored(self.running, self.run, step)
        if child is None:
            self.runner.set(step, "pending", "")
            return
        state = child.give_up()
        summary = self.children.finish(self.running, child, state)
        if state != "interrupted":
            self.runner.set(step, "failed", summary)

    def _guarded(
        self, step: PlannedStep, action: Callable[[PlannedStep], None], about: str = ""
    ) -> None:
        """Do ``action``; a failure that concerns only this step ends here, journalled and said."""
        try:
            action(step)
        except LeaseLost:
            self.running.stop.request("lost", "its lease was lost")
        except RunbookError as error:
            self._gave_up.add(step.key)
            state = "left" if isinstance(error, Interrupted) else self._state(step)
            if about and state != "left":
                state = "failed"
            told = self.running.told(error)
            self.running.reporter.ended(step.key, about + step.sentence, state, told)

    def _raise_if_lost(self) -> None:
        if self.running.stop.kind == "lost":
            raise LeaseLost(self.running.lease.root)

    def _conclude(self) -> RunState:
        self._raise_if_lost()
        if all(self._state(step) == "done" for step in self.plan.steps()):
            return "succeeded"
        if self.running.stop.kind == "cancel":
            return self.give_up()
        if self.running.stop.requested or self.is_open():
            return "interrupted"
        return "failed" if self.undo({"on_failure"}) else "interrupted"
