"""How a run ends: what is open is looked up, what is begun is finished or undone, and then said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Protocol

from common.errors import CutOff, Interrupted, Paused, RunbookError
from engine.attempt import NOBODY_KNOWS, StepRunner
from engine.running import Running
from workflow_api.plan import Plan
from workflow_api.planned import PlannedStep

if TYPE_CHECKING:
    from engine.executor import Engine
    from state.records import RunState

# How often the main thread looks up from waiting, so that Python can run signal handlers.
_GLANCE = 0.2
# What became of steps in these states must be looked up; one that is begun is known to be in part.
OPEN = ("running", "unknown")
UNSETTLED = (*OPEN, "begun")
# When the undo of a step is done that holds only for as long as its run goes on.
_ALWAYS = "always"
# Nothing more is done about steps in these states, unless they are undone.
_ENDED = ("done", "failed", "skipped")


class Children(Protocol):
    """Where the runs are that are steps of another."""

    def drawn(
        self,
        running: Running,
        parent: str,
        step: PlannedStep,
        parameters: dict[str, Any],
        within: Plan,
    ) -> Engine:
        """Return the child's engine, drawing and storing its plan if that was not done yet.

        ``within`` is the parent's plan, which may have the child's with it.
        """

    def stored(self, running: Running, parent: str, step: PlannedStep) -> Engine | None:
        """Return the child's engine if its plan was drawn."""

    def finish(self, running: Running, engine: Engine, state: RunState) -> str:
        """Journal that a child run ended and return its summary."""


class Ending:
    """One plan of one run, and all that is done about it once nothing new is started."""

    def __init__(self, run: str, plan: Plan, running: Running, children: Children) -> None:
        self.run, self.plan, self.running, self.children = run, plan, running, children
        self.runner = StepRunner(run, running)
        self.gave_up: set[str] = set()
        # Whether a step waits for its time.
        self.paused = False
        self._announced = False

    def give_up(self) -> RunState:
        """Cancel: look up what is not settled, finish what is begun, undo what the plan says.

        Returns ``interrupted`` if something could not be settled, or was not undone yet.
        """
        self.announce()
        self.running.stop.extend()
        policies = {"on_cancel", "on_failure", _ALWAYS}
        self._at_once(lambda step: self._settle(step, policies))
        self.raise_if_lost()
        if self.is_open() or self._must_be_finished(policies):
            return "interrupted"
        return "cancelled" if self.undo(policies) else "interrupted"

    def undo(self, policies: Iterable[str]) -> bool:
        """Undo, last first, the steps that are done and that the plan says to undo.

        Returns whether all of it was at least tried: False if a stop came in between.
        """
        self.announce()
        wanted = set(policies)
        undone = {r.key for r in self.running.journal.steps(self.run) if r.undone}
        left: list[PlannedStep] = []

        def undo_one(step: PlannedStep) -> None:
            try:
                if step.is_child:
                    child = self.children.stored(self.running, self.run, step)
                    if child and not child.undo(wanted):
                        left.append(step)
                elif step.undo in wanted and self._is_there(step) and step.key not in undone:
                    self.runner.undo(step)
            except Interrupted:
                left.append(step)
                raise

        for step in reversed(list(self.plan.steps())):
            self.guarded(step, undo_one, about="undo: ")
        self.raise_if_lost()
        return not left

    def is_open(self) -> bool:
        """Whether the outcome of a step is unknown and a later look-up can still settle it."""
        return any(
            self.state(step) in OPEN and (step.is_child or step.definition.find is not None)
            for step in self.plan.steps()
        )

    def state(self, step: PlannedStep) -> str:
        """Return the state of a step as it is journalled."""
        return self.runner.states[step.key]

    def _is_there(self, step: PlannedStep) -> bool:
        return self.state(step) in ("done", "begun")

    def announce(self) -> None:
        """Say what is to be done, and how much of it earlier processes have done."""
        if self._announced:
            return
        self._announced = True
        steps = list(self.plan.steps())
        ended = [self.runner.name(step) for step in steps if self.state(step) in _ENDED]
        self.running.reporter.began(self.run, self.plan.title, len(steps), ended)

    def fail(self, policies: Collection[str]) -> RunState:
        """End a run that goes no further: what is begun is finished or undone before it says so.

        Returns ``interrupted`` where that could not be done, or where nothing has failed.
        """
        policies = {*policies, _ALWAYS}
        self._at_once(lambda step: self._finish(step, policies))
        self.raise_if_lost()
        states = [self.state(step) for step in self.plan.steps()]
        if all(state == "done" for state in states):
            return "succeeded"
        failed = any(state in ("failed", "unknown") for state in states)
        if not failed or self._must_be_finished(policies):
            return "interrupted"
        return "failed" if self.undo(policies) else "interrupted"

    def park(self) -> RunState:
        """Park a run with a failed or unknown step so that it can be resumed.

        A run that is a step of another one has failed for that one.
        """
        state = self.fail({"on_park"})
        goes_on = self._is_root or self.is_open()
        return "interrupted" if state == "failed" and goes_on else state

    def take_up(self) -> None:
        """Go on with a run that was parked: what had failed, or was always undone, is done anew."""
        steps = list(self.plan.steps()) if self.plan.parks else []
        if any(self.state(step) in ("failed", *OPEN) for step in steps):
            parked = [step.key for step in steps if step.undo == "on_park"]
            anew = [step.key for step in steps if step.undo == _ALWAYS]
            again = self.running.journal.take_up(*self.running.fence, self.run, parked, anew)
            self.runner.states |= dict.fromkeys(again, "pending")

    @property
    def _is_root(self) -> bool:
        return self.run == self.running.lease.root

    def _settle(self, step: PlannedStep, policies: Collection[str]) -> None:
        """Look up a step before the run is given up, and finish it if it is begun."""
        if step.is_child:
            self._settle_child(step)
        elif step.changes and step.definition.find is None:
            # Not even one that may be repeated: nobody is going to repeat it.
            self.runner.set(step, "unknown", NOBODY_KNOWS)
        else:
            self.runner.look_up(step)
            self._finish(step, policies)

    def _finish(self, step: PlannedStep, policies: Collection[str]) -> None:
        if self._is_to_be_finished(step, policies):
            if self.running.stop.requested:  # it is begun now, so it gets its own time
                self.running.stop.extend()
            self.runner.finish(step)

    def _is_to_be_finished(self, step: PlannedStep, policies: Collection[str]) -> bool:
        """Whether a step is begun, and neither is going to be undone nor can be left so."""
        if self.state(step) != "begun" or step.is_child or step.undo in policies:
            return False
        return step.definition.finish is not None

    def _must_be_finished(self, policies: Collection[str]) -> bool:
        return any(self._is_to_be_finished(step, policies) for step in self.plan.steps())

    def _at_once(self, action: Callable[[PlannedStep], None]) -> None:
        """Do ``action`` about every step that is not settled, as many at once as a stage has."""
        for stage in self.plan.stages:
            wanted = [step for step in stage.steps if self.state(step) in UNSETTLED]
            with ThreadPoolExecutor(stage.at_most, thread_name_prefix="settle") as pool:
                running = {pool.submit(self.guarded, step, action) for step in wanted}
                while running:
                    running = still_running(running)

    def _settle_child(self, step: PlannedStep) -> None:
        child = self.children.stored(self.running, self.run, step)
        if child is None:
            self.runner.set(step, "pending", "")
            return
        state = child.give_up()
        summary = self.children.finish(self.running, child, state)
        if state != "interrupted":
            self.runner.set(step, "failed", summary)

    def guarded(
        self, step: PlannedStep, action: Callable[[PlannedStep], None], about: str = ""
    ) -> None:
        """Do ``action``; a failure that concerns only this step ends here, journalled and said."""
        try:
            action(step)
        except CutOff as error:
            self.running.stop.cut_off(error)
        except RunbookError as error:
            self.gave_up.add(step.key)
            if isinstance(error, Paused):
                self.paused = True
                self.running.pause(error)
            state = "left" if isinstance(error, Interrupted) else self.state(step)
            if about and state != "left":
                state = "failed"
            told = self.running.told(error)
            name = self.runner.name(step)
            self.running.reporter.ended(name, about + step.sentence, state, told)

    def raise_if_lost(self) -> None:
        """Raise CutOff if this process may not, or cannot, journal anything more of the run."""
        if self.running.stop.lost is not None:
            raise self.running.stop.lost


def still_running(running: set[Future[None]]) -> set[Future[None]]:
    """Wait for one of them for a moment, and return those that have not ended."""
    ended, running = wait(running, timeout=_GLANCE, return_when=FIRST_COMPLETED)
    for future in ended:
        future.result()
    return running
