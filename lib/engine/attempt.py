"""One try at a step, its look-up or its undo: journalled before and after."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from common.errors import (
    CloudError,
    CutOff,
    Interrupted,
    RunbookError,
    StepFailed,
    StopRequested,
    UnknownOutcome,
)
from common.text import clean
from common.tracing import Trace, current, traced
from engine.meaning import ended_badly, ended_well, is_open, meaning_of_bug
from engine.running import Running
from workflow_api.planned import PlannedStep
from workflow_api.ref import as_plain, resolve
from workflow_api.step import Begun

if TYPE_CHECKING:
    from state.records import AttemptKind, StepState
    from state.store import Store
    from workflow_api.step import Records

_VERBS: Mapping[AttemptKind, str] = {
    "apply": "",
    "find": "look up: ",
    "finish": "finish: ",
    "undo": "undo: ",
}
NOBODY_KNOWS = "Nobody can say whether it happened, and it cannot be looked up: check by hand."


class LiveAttempt:
    """What a step sees of the engine: its notes, a voice, and a sleep that can be interrupted."""

    def __init__(
        self, id: str, step: PlannedStep, run: str, running: Running, *, again: bool
    ) -> None:
        self.id, self.run, self.key, self.again = id, run, step.key, again
        self.notes: dict[str, Any] = {}
        self._running = running

    def note(self, **facts: Any) -> None:
        """Journal facts before the change they are about. Raises LeaseLost."""
        self.notes.update(facts)
        self._running.journal.note(*self._running.fence, self.id, self.notes)

    def sending(self) -> None:
        """Say that a change goes out now by other means than an account. Raises LeaseLost."""
        trace = current()
        if trace is None:
            raise RuntimeError("sending() is for the thread in which the step was called")
        trace.sending()

    def say(self, text: str) -> None:
        """Show a line of progress."""
        self._running.reporter.say(text)

    def wait(self, seconds: float, *, between: bool = False) -> None:
        """Sleep; raises Interrupted when the step has to be left (``between``: at once)."""
        self._running.stop.wait(seconds, at_once=between)

    def records(self, kind: Callable[[Store, str, int, str], Records]) -> Records:
        """Return a part of the state store, written under this run's lease alone."""
        return kind(self._running.journal.store, *self._running.fence, self.run)


class StepRunner:
    """Performs single steps of one run and knows the state of each."""

    def __init__(self, run: str, running: Running) -> None:
        self.run, self.running = run, running
        self.states: dict[str, StepState] = {}
        self.results: dict[str, Any] = {}
        # How far those are that are begun.
        self.reached: dict[str, Any] = {}
        self.tried: set[str] = set()
        for record in running.journal.steps(run):
            self.states[record.key] = record.state
            if record.attempts:
                self.tried.add(record.key)
            if record.state == "done":
                self.results[record.key] = record.result
            if record.state == "begun":
                self.reached[record.key] = record.result

    def apply(self, step: PlannedStep) -> None:
        """Send the step's change once, or go on with what is begun of it.

        Raises StepFailed or another RunbookError if it surely did not happen, UnknownOutcome if
        nobody can say, Interrupted if it was left under way.
        """
        self._call(step, "apply", step.definition.function)

    def look_up(self, step: PlannedStep) -> None:
        """Find out what became of an earlier attempt: is it done, begun, pending again or failed?

        Raises UnknownOutcome if nobody can say.
        """
        find = step.definition.find
        if find is not None:
            self._call(step, "find", find)
        elif step.definition.repeatable:
            self.set(step, "pending", "")
        else:
            self.set(step, "unknown", NOBODY_KNOWS)
            raise UnknownOutcome(NOBODY_KNOWS)

    def finish(self, step: PlannedStep) -> None:
        """Bring what is begun of a step to its end, because nobody goes on with it.

        Raises StepFailed if it came to nothing, another RunbookError if it is still begun.
        """
        assert step.definition.finish is not None, "what has no finish is left as it is"
        self._call(step, "finish", step.definition.finish)

    def undo(self, step: PlannedStep) -> None:
        """Put back what the step did, from its data."""
        assert step.definition.undo is not None, "a plan refuses to undo a step that has no undo"
        self._call(step, "undo", step.definition.undo)

    def set(self, step: PlannedStep, state: StepState, error: str) -> None:
        """Journal a state that was set without an attempt."""
        fence = self.running.fence
        self.running.journal.set_step(*fence, self.run, step.key, state, error)
        self.states[step.key] = state

    def resolved(self, step: PlannedStep) -> dict[str, Any]:
        """Return the step's data with what earlier steps returned; raises StepFailed."""
        try:
            data: dict[str, Any] = resolve(step.data, self.results)
        except (KeyError, TypeError, IndexError) as missing:
            raise StepFailed(
                f"It needs {clean(missing)} of an earlier step, which is not there."
            ) from None
        return data

    def begin(self, step: PlannedStep, kind: AttemptKind) -> LiveAttempt:
        """Journal that an attempt begins and say so."""
        journal = self.running.journal
        again = step.key in self.tried
        attempt = LiveAttempt(str(uuid.uuid4()), step, self.run, self.running, again=again)
        if kind in ("find", "finish"):
            # What was noted before the change is what the look-up goes by. An earlier try's notes
            # stand until a later one has noted otherwise: it may have ended before it could.
            for earlier in journal.attempts(self.run, step.key):
                if earlier.kind == "apply":
                    attempt.notes.update(earlier.notes)
        try:
            journal.begin_attempt(*self.running.fence, self.run, step.key, attempt.id, kind)
        except StopRequested as asked:
            raise self.running.heed(asked) from None
        if kind == "apply":
            self.states[step.key] = "running"
            self.tried.add(step.key)
        self.running.reporter.started(self.name(step), _VERBS[kind] + step.sentence)
        return attempt

    def name(self, step: PlannedStep) -> str:
        """Return what tells the step from all others of the process, those of child runs too."""
        return f"{self.run}/{step.key}"

    def end(
        self,
        step: PlannedStep,
        attempt: LiveAttempt,
        state: str,
        becomes: StepState | None = None,
        *,
        result: Any = None,
        error: str | None = None,
        request_ids: list[str] | None = None,
    ) -> None:
        """Journal how an attempt ended and what that makes of its step, in one transaction."""
        if becomes == "begun" and result is None:  # what went wrong does not undo what was reached
            result = self.reached.get(step.key)
        self.running.journal.end_attempt(
            *self.running.fence,
            attempt.id,
            state,
            request_ids=request_ids or [],
            error=error,
            step=(self.run, step.key, becomes, result) if becomes else None,
            undone=(self.run, step.key) if state == "undone" else None,
        )
        if becomes:
            self.states[step.key] = becomes
        if becomes == "done":
            self.results[step.key] = result
        if becomes == "begun":
            self.reached[step.key] = result

    def _call(self, step: PlannedStep, kind: AttemptKind, what: Callable[..., Any]) -> None:
        data, was = self._resolved(step, kind), self.states[step.key]
        attempt = self.begin(step, kind)
        trace = Trace(attempt.id, self.running.lease.fence, changes=kind != "find" and step.changes)
        try:
            with traced(trace):
                accounts = self._accounts(step)
                result = step.definition.call(what, attempt, accounts, data)
                begun = isinstance(result, Begun)
                if begun and step.definition.find is None:
                    raise TypeError(f"{step.name} is begun, and has no find to look how far it is")
                result = as_plain(result.result if isinstance(result, Begun) else result)
        except CutOff:
            raise
        except StopRequested as asked:  # by a part of the step
            heeded = self.running.heed(asked)
            raise self._end_badly(step, attempt, kind, heeded, trace, was) from None
        except RunbookError as error:
            raise self._end_badly(step, attempt, kind, error, trace, was) from None
        except (Exception, SystemExit) as error:
            bug = meaning_of_bug(kind, step, trace, was)(self.running.bug(error))
            raise self._end_badly(step, attempt, kind, bug, trace, was) from None
        state, becomes = ended_well(kind, result, begun, was)
        if kind == "undo" and becomes == "done":
            result = self.reached.get(step.key)
        self.end(step, attempt, state, becomes, result=result, request_ids=trace.request_ids)
        said = result.get("said", "") if isinstance(result, dict) and kind != "undo" else ""
        self.running.reporter.ended(self.name(step), step.sentence, state, said)

    def _end_badly(
        self,
        step: PlannedStep,
        attempt: LiveAttempt,
        kind: AttemptKind,
        error: RunbookError,
        trace: Trace,
        was: StepState,
    ) -> RunbookError:
        """Journal a failed attempt; return the error as what it means for the step.

        ``was`` is the state of the step before: what is begun is not taken back by a refusal to
        go on with it.
        """
        if kind == "find" and not isinstance(error, (StepFailed, Interrupted)):
            # A look-up that was not answered says nothing about the step.
            error = UnknownOutcome(f"It could not be looked up: {error}")
        elif kind == "apply" and isinstance(error, CloudError) and is_open(error, trace):
            error = UnknownOutcome(str(error))
        state, becomes = ended_badly(kind, error, was)
        told = self.running.told(error)
        self.end(step, attempt, state, becomes, error=told, request_ids=trace.request_ids)
        return error

    def _accounts(self, step: PlannedStep) -> Mapping[str, Any]:
        return {
            argument: self.running.account(kind, step.accounts[argument])
            for argument, kind in step.definition.accounts.items()
        }

    def _resolved(self, step: PlannedStep, kind: AttemptKind) -> dict[str, Any]:
        try:
            return self.resolved(step)
        except StepFailed as error:
            if kind == "apply":  # it cannot be begun; an undo or look-up says nothing of the step
                self.set(step, "failed", str(error))
            raise
