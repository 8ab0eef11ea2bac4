"""What the end of an attempt means: its own state in the journal, and that of its step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.errors import (
    CloudError,
    Interrupted,
    Paused,
    RunbookError,
    StepFailed,
    UnknownOutcome,
)
from common.tracing import Trace
from workflow_api.planned import PlannedStep

if TYPE_CHECKING:
    from state.records import AttemptKind, StepState


def ended_well(
    kind: AttemptKind, result: Any, begun: bool, was: StepState
) -> tuple[str, StepState | None]:
    """Return the state of an attempt that ended well, and of its step."""
    if kind == "undo":
        # What was done in part and is undone is settled like what was done as a whole.
        return "undone", "done" if was == "begun" else None
    if begun:
        return "begun", "begun"
    return ("absent", "pending") if kind == "find" and result is None else ("done", "done")


def meaning_of_bug(
    kind: AttemptKind, step: PlannedStep, trace: Trace, was: StepState
) -> type[StepFailed] | type[UnknownOutcome]:
    """Say whether a step that broke off with a bug can have changed something.

    Accounts count what is sent through them. A step without one sends by means of its own.
    """
    if kind in ("find", "finish") or was == "begun" or trace.sent:
        return UnknownOutcome
    return StepFailed if step.definition.accounts or not step.changes else UnknownOutcome


def is_open(error: CloudError, trace: Trace) -> bool:
    """Whether an error after a change was sent may be about what came after it, as a poll."""
    return bool(trace.sent) and error.may_pass


def ended_badly(
    kind: AttemptKind, error: RunbookError, was: StepState
) -> tuple[str, StepState | None]:
    """Return the state of an attempt that ended badly, and of its step."""
    if kind == "undo":
        return "failed", None
    if kind == "finish" or (kind == "apply" and was == "begun"):
        if isinstance(error, StepFailed):
            return "failed", "failed"
        return ("interrupted" if isinstance(error, Interrupted) else "failed"), "begun"
    if isinstance(error, Paused):
        return "interrupted", "pending"
    if isinstance(error, Interrupted):
        return "interrupted", "unknown"
    if isinstance(error, UnknownOutcome):
        return "unknown", "unknown"
    return "failed", "failed"
