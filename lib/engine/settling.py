"""Deciding by a person's word what became of a step that the cloud will never tell."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from common.errors import UserError
from common.result import Result
from common.text import clean, listed
from engine.run_lease import UNFINISHED, acting, unheld
from engine.session import Session
from workflow_api.planned import CHILD

if TYPE_CHECKING:
    from state.records import RunRecord, StepRecord, StepState

Outcome = Literal["done", "not_done"]
_BECOMES: dict[Outcome, StepState] = {"done": "done", "not_done": "pending"}
_LONGEST_REASON = 1000


def settled(
    session: Session, run_id: str, wanted: str | None, outcome: Outcome, reason: str
) -> Result:
    """Journal that a step of an interrupted run is done or not, by whose word and why.

    ``wanted`` is the step's key or sentence or a part of them; None is the only one that is open.
    Nothing is asked of a cloud and nothing is sent. Raises UserError if the run is worked on or
    over, or if the step is not open.
    """
    journal = session.journal
    run = journal.run(run_id)
    why = clean(reason).strip()
    if not 1 <= len(why) <= _LONGEST_REASON:
        raise UserError(f"reason must have 1 to {_LONGEST_REASON} characters, not {len(why)}.")
    root = unheld(session, run.root)
    if root.plan is None or run.plan is None:
        raise UserError(f"Run {run.id} ended before it was planned: no step of it is open.")
    with acting(session, root, UNFINISHED, "settle") as running:
        # Chosen under the lease: until then somebody else may have settled it.
        try:
            step = _chosen(run, wanted, journal.steps(run.id))
            _refuse_child(session, run, step)
            user = session.requester.user
            word = "done" if outcome == "done" else "not done"
            said = f"settled as {word} by {user}: {why}"
            notes = {
                "by": user,
                "origin": session.requester.origin,
                "execution_id": session.requester.execution_id,
                "reason": why,
                "was": step.state,
            }
            attempt, becomes = str(uuid.uuid4()), _BECOMES[outcome]
            journal.settle_step(*running.fence, run.id, step.key, attempt, becomes, said, notes)
        finally:
            summary = root.summary or "it was interrupted"
            journal.finish(*running.fence, root.id, "interrupted", summary=summary)
    stop_requested = journal.stop_requested(root.id)
    return _answer_for(
        root, step, said, journal.steps(run.id), stop_requested=stop_requested is not None
    )


def _refuse_child(session: Session, run: RunRecord, step: StepRecord) -> None:
    """Raise UserError if the step is a run of its own, which has the step that is open."""
    if not step.key.startswith(f"{CHILD}:"):
        return
    for child in session.journal.children(run.id):
        if child.parent_step == step.key and child.plan is not None:
            raise UserError(
                f"{step.sentence!r} is a run of its own.",
                advice=f"Settle the step that is open there: run.settle run={child.id}.",
            )


def _chosen(run: RunRecord, wanted: str | None, steps: Sequence[StepRecord]) -> StepRecord:
    """Return the step that is meant; raises UserError unless it is exactly one that is open."""
    from state.records import UNSETTLED

    open_ones = [step for step in steps if step.state in UNSETTLED]
    if not open_ones:
        raise UserError(
            f"No step of run {run.id} is open.", advice=f"Go on with run.resume run={run.root}."
        )
    keys = listed(step.key for step in open_ones)
    if not wanted and len(open_ones) > 1:
        raise UserError(f"{len(open_ones)} steps are open: {keys}.", advice="Say which one.")
    exact = [step for step in steps if wanted in (step.key, step.sentence)]
    like = [step for step in open_ones if wanted and wanted in f"{step.key} {step.sentence}"]
    found = exact or like if wanted else open_ones
    if len(found) != 1:
        what = "several" if found else "no"
        raise UserError(
            f"{clean(wanted)!r} is the name of {what} step that is open.",
            advice=f"Those of run {run.id} that are open are {keys}.",
        )
    if found[0] not in open_ones:
        raise UserError(
            f"{found[0].sentence!r} is {found[0].state}: it needs nobody's word.",
            advice=f"Those of run {run.id} that are open are {keys}.",
        )
    return found[0]


def _answer_for(
    root: RunRecord,
    step: StepRecord,
    said: str,
    steps: Sequence[StepRecord],
    *,
    stop_requested: bool,
) -> Result:
    """Return what was settled and what to do next, also if a stop was requested."""
    from state.records import UNSETTLED

    left = [s for s in steps if s.state in UNSETTLED]
    more = f" Open is still: {listed(s.sentence for s in left)}." if left else ""
    then = f"Go on with run.resume run={root.id}, or give it up with run.cancel run={root.id}."
    if stop_requested:
        then = f"It was asked to stop before: run.cancel run={root.id} ends it."
    summary = f"{step.sentence}: {said}. Nothing was sent.{more} {then}"
    row = {"what": step.sentence, "step": step.key, "state": step.state, "said": said}
    return Result(root.id, summary, changed=[row], rows=[row], text=f"{summary}\n")
