"""Telling a plan or a run as a result: what was done, what failed, what was left, what is next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workflow_api.duration import humanize
from workflow_api.plan import Plan
from workflow_api.result import Result
from workflow_api.table import Table
from workflow_api.text import count

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord, StepRecord


def planned(run: str, plan: Plan, children: dict[str, Plan], holders: Iterable[str]) -> Result:
    """Return what a dry run answers: the plan, and how to carry it out."""
    total = sum(1 for _ in plan.steps())
    held = list(holders)
    lines = [f"Plan: {plan.title}", ""]
    lines += list(_lines(plan, children))
    for entry in plan.left:
        lines.append(f"  left     {entry['what']}: {entry['why']}")
    for entry in plan.skipped:
        lines.append(f"  skipped  {entry['what']}: {entry['why']}")
    lines += ["", *plan.notes] if plan.notes else []
    lines += ["", *held] if held else []
    lines += ["", f"Nothing was changed. Carry out exactly this plan with: run.apply run={run}"]
    changes = plan.changes() + sum(child.changes() for child in children.values())
    return Result(
        run=run,
        summary=f"dry run: {plan.title}: {count(total, 'step')}, {count(changes, 'change')}; "
        f"apply with run.apply run={run}",
        skipped=list(plan.skipped),
        left=list(plan.left),
        rows=[
            {
                "stage": number + 1,
                "at_most": stage.at_most,
                "step": step.key,
                "what": step.sentence,
                "changes": step.changes,
            }
            for number, stage in enumerate(plan.stages)
            for step in stage.steps
        ],
        text="\n".join(lines) + "\n",
    )


def _lines(plan: Plan, children: dict[str, Plan], indent: str = "  ") -> Iterable[str]:
    for number, stage in enumerate(plan.stages, 1):
        if len(stage.steps) > 1:
            yield (
                f"{indent}{number}. {count(len(stage.steps), 'step')}, at most {stage.at_most} "
                f"at once; on failure {stage.on_failure}:"
            )
            yield from (f"{indent}     - {step.sentence}" for step in stage.steps)
            continue
        step = stage.steps[0]
        yield f"{indent}{number}. {step.sentence}"
        if child := children.get(step.key):
            yield f"{indent}   (as it would be now; it is drawn again when it is reached)"
            yield from _lines(child, {}, indent + "   ")


def finished(journal: Journal, run: RunRecord, plan: Plan, state: str, reason: str) -> Result:
    """Return what a run answers that ended in ``state``."""
    steps = journal.steps(run.id)
    changing = {step.key for step in plan.steps() if step.changes}
    result = Result(run=run.id, skipped=list(plan.skipped), left=list(plan.left))
    for step in steps:
        row = _row(step)
        result.rows.append(row)
        if step.state == "done" and step.key in changing and not step.undone:
            result.changed.append(row)
        elif step.state in ("failed", "unknown", "running"):
            result.failed.append({**row, "why": step.error or "nobody knows whether it happened"})
        elif step.state == "done" and step.undone:
            result.left.append({"what": step.sentence, "why": "it was undone"})
        elif step.state in ("pending", "skipped"):
            result.left.append({"what": step.sentence, "why": step.error or "it was not started"})
    result.summary = _summary(run, plan, steps, state, reason)
    result.text = _text(result)
    return result


def _row(step: StepRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "what": step.sentence,
        "state": "undone" if step.undone else step.state,
        "seconds": round(step.seconds, 1) if step.seconds is not None else None,
        "step": step.key,
    }
    if isinstance(step.result, dict):
        row.update({key: value for key, value in step.result.items() if key not in row})
    if step.error:
        row["error"] = step.error
    return row


def _summary(run: RunRecord, plan: Plan, steps: list[StepRecord], state: str, reason: str) -> str:
    done = sum(step.state == "done" for step in steps)
    bad = [step for step in steps if step.state in ("failed", "unknown", "running")]
    took = f" in {humanize(run.now - run.started_at)}" if run.started_at else ""
    parts = [f"{plan.title}: {state}: {done} of {count(len(steps), 'step')} done{took}"]
    if bad:
        parts.append(f"{count(len(bad), 'step')} failed")
    if plan.left:
        parts.append(f"{len(plan.left)} left as they were")
    text = ", ".join(parts)
    if reason and state in ("interrupted", "cancelled"):
        text += f" ({reason})"
    if state == "interrupted":
        text += f". Go on with run.resume run={run.id}, or give it up with run.cancel run={run.id}"
    elif bad:
        first = f"{bad[0].sentence}: {bad[0].error}"
        text += f". {first}" + ("" if len(bad) == 1 else f" (and {len(bad) - 1} more)")
    return text


def _text(result: Result) -> str:
    table = Table(("state", "seconds", "what", "said"), result.rows).render()
    lines = [result.summary, "", table.rstrip()] if result.rows else [result.summary]
    for row in result.failed:
        lines.append(f"failed   {row['what']}: {row['why']}")
    for row in result.left:
        lines.append(f"left     {row['what']}: {row['why']}")
    for row in result.skipped:
        lines.append(f"skipped  {row['what']}: {row['why']}")
    return "\n".join(lines) + "\n"
