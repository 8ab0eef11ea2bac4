"""One try at a step, its look-up or its undo: journalled before and after."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workflow_api.errors import (
    CloudError,
    Interrupted,
    LeaseLost,
    RunbookError,
    StepFailed,
    UnknownOutcome,
)
from workflow_api.plan import PlannedStep
from workflow_api.ref import as_plain, resolve
from workflow_api.text import clean
from workflow_api.tracing import Trace, current, traced

if TYPE_CHECKING:
    from state.journal import Journal
    from state.ledger import Ledger
    from state.records import AttemptKind, StepState
    from workflow_api.lease import Lease
    from workflow_api.reporter import Reporter
    from workflow_api.stop import Stop

NOBODY_KNOWS = "Nobody can say whether it happened, and it cannot be looked up: check by hand."


@dataclass
class Running:
    """What all plans of one root run share: its lease, its stop, its accounts, its voice.

    ``account`` turns a type and a configured name into an account; ``bug`` logs an unexpected
    exception and returns a sentence with its id; ``redact`` takes secrets out of a text.
    """

    journal: Journal
    lease: Lease
    stop: Stop
    reporter: Reporter
    account: Callable[[type, str], Any]
    bug: Callable[[BaseException], str]
    redact: Callable[[str], str] = str
    said_stopping: bool = False

    def told(self, error: BaseException) -> str:
        """Return an error as the line that is journalled and shown."""
        return self.redact(clean(error))

    @property
    def fence(self) -> tuple[str, int]:
        """The root run and the generation that every journal entry is checked against."""
        return self.lease.root, self.lease.generation


class LiveAttempt:
    """What a step sees of the engine: its notes, a voice, and a sleep that can be interrupted."""

    def __init__(self, id: str, step: PlannedStep, run: str, running: Running) -> None:
        self.id, self.run, self.key = id, run, step.key
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

    def ledger(self) -> Ledger:
        """Return the ledger of mail campaigns, written under this run's lease alone."""
        from state.ledger import Ledger  # only mail asks for it

        return Ledger(self._running.journal.store, *self._running.fence, self.run)


class StepRunner:
    """Performs single steps of one run and knows the state of each."""

    def __init__(self, run: str, running: Running) -> None:
        self.run, self.running = run, running
        self.states: dict[str, StepState] = {}
        self.results: dict[str, Any] = {}
        for record in running.journal.steps(run):
            self.states[record.key] = record.state
            if record.state == "done":
                self.results[record.key] = record.result

    def apply(self, step: PlannedStep) -> None:
        """Send the step's change once.

        Raises StepFailed or another RunbookError if it surely did not happen, UnknownOutcome if
        nobody can say, Interrupted if it was left under way.
        """
        self._call(step, "apply", step.definition.function)

    def look_up(self, step: PlannedStep) -> None:
        """Find out what became of an earlier attempt: the step is done, pending again or failed.

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

    def undo(self, step: PlannedStep) -> None:
        """Put back what the step did, from its data."""
        assert step.definition.undo is not None, "a plan refuses to undo a step that has no undo"
        self._call(step, "undo", step.definition.undo)

    def set(self, step: PlannedStep, state: StepState, error: str) -> None:
        """Journal a state that no attempt led to."""
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
        journal, attempt = self.running.journal, LiveAttempt(
            str(uuid.uuid4()), step, self.run, self.running
        )
        if kind == "find":
            # What was noted before the change is what the look-up goes by. An earlier try's notes
            # stand until a later one has noted otherwise: it may have ended before it could.
            for earlier in journal.attempts(self.run, step.key):
                if earlier.kind == "apply":
                    attempt.notes.update(earlier.notes)
        journal.begin_attempt(*self.running.fence, self.run, step.key, attempt.id, kind)
        if kind == "apply":
            self.states[step.key] = "running"
        verb = {"apply": "", "find": "look up: ", "undo": "undo: "}[kind]
        self.running.reporter.started(step.key, verb + step.sentence)
        return attempt

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

    def _call(self, step: PlannedStep, kind: AttemptKind, what: Callable[..., Any]) -> None:
        data = self._resolved(step, kind)
        attempt = self.begin(step, kind)
        trace = Trace(attempt.id, self.running.lease.fence, changes=kind != "find" and step.changes)
        try:
            with traced(trace):
                accounts = self._accounts(step)
                result = as_plain(step.definition.call(what, attempt, accounts, data))
        except LeaseLost:
            raise
        except RunbookError as error:
            raise self._end_badly(step, attempt, kind, error, trace) from None
        except (Exception, SystemExit) as error:
            bug = _meaning_of_bug(kind, step, trace)(self.running.bug(error))
            raise self._end_badly(step, attempt, kind, bug, trace) from None
        self._end_well(step, attempt, kind, result, trace)

    def _end_well(
        self, step: PlannedStep, attempt: LiveAttempt, kind: AttemptKind, result: Any, trace: Trace
    ) -> None:
        state, becomes = _MEANING_WELL[kind, kind == "find" and result is None]
        self.end(step, attempt, state, becomes, result=result, request_ids=trace.request_ids)
        said = result.get("said", "") if isinstance(result, dict) else ""
        self.running.reporter.ended(step.key, step.sentence, state, said)

    def _end_badly(
        self,
        step: PlannedStep,
        attempt: LiveAttempt,
        kind: AttemptKind,
        error: RunbookError,
        trace: Trace,
    ) -> RunbookError:
        """Journal a failed attempt; return the error as what it means for the step."""
        if kind == "find" and not isinstance(error, (StepFailed, Interrupted)):
            # A look-up that was not answered says nothing about the step.
            error = UnknownOutcome(f"It could not be looked up: {error}")
        elif kind == "apply" and isinstance(error, CloudError) and _is_open(error, trace):
            error = UnknownOutcome(str(error))
        state, becomes = _meaning_badly(kind, error)
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


# (kind of attempt, whether a look-up found nothing) -> state of the attempt and of the step
_MEANING_WELL: Mapping[tuple[str, bool], tuple[str, StepState | None]] = {
    ("apply", False): ("done", "done"),
    ("find", False): ("done", "done"),
    ("find", True): ("absent", "pending"),
    ("undo", False): ("undone", None),
}


def _meaning_of_bug(
    kind: AttemptKind, step: PlannedStep, trace: Trace
) -> type[StepFailed] | type[UnknownOutcome]:
    """Say whether a step that broke off with a bug can have changed something.

    Accounts count what is sent through them. A step without one sends by means of its own.
    """
    if kind == "find" or trace.sent:
        return UnknownOutcome
    return StepFailed if step.definition.accounts or not step.changes else UnknownOutcome


def _is_open(error: CloudError, trace: Trace) -> bool:
    """Whether an error after a change was sent may be about what came after it, as a poll."""
    if not trace.sent:
        return False
    return error.status is None or error.status >= 500 or error.status in (408, 429)


def _meaning_badly(kind: AttemptKind, error: RunbookError) -> tuple[str, StepState | None]:
    if kind == "undo":
        return "failed", None
    if isinstance(error, Interrupted):
        return "interrupted", "unknown"
    if isinstance(error, UnknownOutcome):
        return "unknown", "unknown"
    return "failed", "failed"
