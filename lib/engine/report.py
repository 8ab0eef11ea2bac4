"""Telling a plan or a run as a result: what was done, what failed, what was left, what is next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from common.duration import humanize
from common.result import Result
from common.table import Table
from common.text import count, utc
from workflow_api.plan import Plan
from workflow_api.planned import PlannedStep, Stage

if TYPE_CHECKING:
    from engine.reporter import Reporter
    from engine.stop import Stop
    from state.journal import Journal
    from state.records import RunRecord, StepRecord

NOT_UNDONE = "it was done and could not be undone: "
BEGUN = "it was done in part: "


class Child(msgspec.Struct, frozen=True):
    """A child run's plan as a dry run drew it, with the children that it has itself."""

    plan: Plan
    children: Mapping[str, Child]


Children = Mapping[str, Child]


def changes(plan: Plan, children: Children) -> int:
    """Return how many changes a plan makes with its children, as far as they could be drawn."""
    inner = sum(changes(child.plan, child.children) for child in children.values())
    return plan.changes() + inner


def planned(run: str, plan: Plan, children: Children, holders: Iterable[str]) -> Result:
    """Return what a dry run answers: the plan, and how to carry it out."""
    total = sum(1 for _ in plan.steps())
    held = list(holders)
    lines = [f"Plan: {plan.title}", *(f"On {where}" for where in plan.where), ""]
    lines += list(_lines(plan, children)) if total else ["  nothing to do"]
    for entry in plan.left:
        lines.append(f"  left     {entry['what']}: {entry['why']}")
    for entry in plan.skipped:
        lines.append(f"  skipped  {entry['what']}: {entry['why']}")
    lines += ["", *plan.notes] if plan.notes else []
    lines += ["", *held] if held else []
    lines += ["", f"Nothing was changed. Carry out exactly this plan with: run.apply run={run}"]
    return Result(
        run=run,
        summary=f"dry run: {plan.title}: {count(total, 'step')}, "
        f"{count(changes(plan, children), 'change')}; apply with run.apply run={run}",
        skipped=list(plan.skipped),
        left=list(plan.left),
        rows=in_order_of_rows(list(_rows(plan, children)), plan),
        text="\n".join(lines) + "\n",
    )


def _lines(plan: Plan, children: Children, indent: str = "  ") -> Iterable[str]:
    for number, stage in enumerate(plan.stages, 1):
        if len(stage.steps) > 1:
            yield f"{indent}{number}. {_together(stage)}:"
        for step in stage.steps:
            alone = len(stage.steps) == 1
            yield f"{indent}{number}. {step.sentence}" if alone else f"{indent}   - {step.sentence}"
            if step.is_child:
                deeper = indent + ("   " if alone else "     ")
                yield from _lines_of_child(plan, step, children.get(step.key), deeper)


def _together(stage: Stage) -> str:
    per = "" if stage.at_most_per is None else f", at most {stage.at_most_per} of one group"
    steps = count(len(stage.steps), "step")
    return f"{steps}, at most {stage.at_most} at once{per}; on failure {stage.on_failure}"


def _lines_of_child(
    plan: Plan, step: PlannedStep, child: Child | None, indent: str
) -> Iterable[str]:
    if child is None:
        yield f"{indent}(it is drawn when it is reached: an earlier step has to end first)"
        return
    if step.key not in plan.drawn:
        yield f"{indent}(as it would be now; it is drawn again when it is reached)"
    # One step that is drawn by now would say the same again.
    if step.key not in plan.drawn or not _says_it_all(child.plan, step):
        yield from _lines(child.plan, child.children, indent)
    yield from (f"{indent}left: {e['what']}: {e['why']}" for e in child.plan.left)
    yield from (f"{indent}skipped: {e['what']}: {e['why']}" for e in child.plan.skipped)
    yield from (f"{indent}{note}" for note in child.plan.notes)


def _says_it_all(plan: Plan, step: PlannedStep) -> bool:
    """Return whether the sentence of the step that runs a plan says all that its steps say."""
    return plan.title == step.sentence and sum(1 for _ in plan.steps()) == 1


def _rows(plan: Plan, children: Children, run: str | None = None) -> Iterable[dict[str, Any]]:
    """Yield a row a step; a child's rows follow the step that runs it, and name it.

    What was asked for row by row has one for each of these rows, and its steps in the text.
    """
    for number, stage in enumerate(plan.stages, 1):
        for step in stage.steps:
            yield {
                "stage": number,
                "at_most": stage.at_most,
                "step": step.key,
                "what": step.sentence,
                "changes": step.changes,
                "child_of": run,
                **step.about,
                **(_planned_row(children.get(step.key)) if step.about else {}),
            }
            if (child := children.get(step.key)) and not step.about:
                yield from _rows(child.plan, child.children, step.key)


def _planned_row(child: Child | None) -> dict[str, Any]:
    """Return what else is told of a row that is planned: what its own plan has to say."""
    notes = list(child.plan.notes) if child else []
    skipped = [f"{e['what']}: {e['why']}" for e in child.plan.skipped] if child else []
    told = {"notes": notes, "skips": skipped}
    return {"state": "planned", **{name: texts for name, texts in told.items() if texts}}


def in_order_of_rows(rows: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """Return the rows of a plan that was asked for row by row: each row of the request, in order.

    What was left or skipped is one of them, with why. Other plans' rows are as they are.
    """
    if not any(step.about for step in plan.steps()) and not any(
        "row" in entry for entry in (*plan.left, *plan.skipped)
    ):
        return rows
    others = [
        {**entry, "state": state}
        for state, entries in (("left", plan.left), ("skipped", plan.skipped))
        for entry in entries
        if "row" in entry
    ]
    return sorted([*rows, *others], key=lambda row: row.get("row", 0))


def finished(
    journal: Journal,
    run: RunRecord,
    plan: Plan,
    state: str,
    stop: Stop,
    reporter: Reporter,
    go_on_at: float | None = None,
) -> Result:
    """Return what a run answers that ended in ``state``, laid out for the reporter's screen.

    ``go_on_at`` is when it goes on if it is paused, by the wall clock.
    """
    steps = journal.steps(run.id)
    # The newest try says it: what was parked and resumed was undone once.
    undos = {a.key: a for a in journal.attempts(run.id) if a.kind == "undo"}
    undoing = {key: one.error for key, one in undos.items() if one.state != "undone"}
    changing = {step.key for step in plan.steps() if step.changes}
    about = {step.key: step.about for step in plan.steps()}
    rows: list[dict[str, Any]] = []
    result = Result(run=run.id, rows=rows, skipped=list(plan.skipped), left=list(plan.left))
    for step in steps:
        row = {**about.get(step.key, {}), **_row(step)}
        rows.append(row)
        what, why = step.sentence, step.error
        result.left += row.pop("left", ())  # what a step that is done could not do
        if step.state == "done" and step.undone:
            result.left.append({"what": what, "why": step.told})
        elif step.state in ("done", "begun") and step.key in changing:
            result.changed.append(row)
            if step.key in undoing:
                why = f"{NOT_UNDONE}{undoing[step.key] or 'nobody knows why'}"
                result.failed.append({**row, "why": why})
            elif step.state == "begun":
                result.left.append({"what": what, "why": f"{BEGUN}{step.told}"})
        elif step.state in ("failed", "unknown", "running"):
            result.failed.append({**row, "why": why or "nobody knows whether it happened"})
        elif step.state in ("pending", "skipped"):
            result.left.append({"what": what, "why": why or _not_sent(step)})
    rows[:] = in_order_of_rows(rows, plan)
    result.summary = _summary(run, plan, steps, state, stop, go_on_at)
    if was_left_done(result):
        result.summary += ". Not everything could be undone: see what failed"
    result.text = _text(result, reporter)
    return result


def _not_sent(step: StepRecord) -> str:
    return "it was looked up and has not happened" if step.attempts else "it was not started"


def was_left_done(result: Result) -> bool:
    """Whether something was to be undone and could not be."""
    return any(entry["why"].startswith(NOT_UNDONE) for entry in result.failed)


def _row(step: StepRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "what": step.sentence,
        "state": "undone" if step.undone else step.state,
        "seconds": round(step.seconds, 1) if step.seconds is not None else None,
        "step": step.key,
    }
    if isinstance(step.result, dict):
        row.update({key: value for key, value in step.result.items() if key not in row})
    if step.undone:
        row["said"] = step.told
    if step.error:
        row["error"] = step.error
    return row


def _summary(
    run: RunRecord,
    plan: Plan,
    steps: list[StepRecord],
    state: str,
    stop: Stop,
    go_on_at: float | None,
) -> str:
    parked = state == "interrupted" and is_parked(plan, steps)
    shown = "parked" if parked else "paused" if go_on_at is not None else state
    done = sum(step.state == "done" for step in steps)
    bad = [step for step in steps if step.state in ("failed", "unknown", "running")]
    since = run.started_at or run.created_at
    took = f" in {humanize(max(0.0, run.now - since))}"
    if not steps:
        return f"{plan.title}: {shown}: nothing to do"
    parts = [f"{plan.title}: {shown}: {done} of {count(len(steps), 'step')} done{took}"]
    if undone := sum(step.undone for step in steps):
        parts.append(f"{undone} of them undone again")
    if begun := [step for step in steps if step.state == "begun"]:
        more = f" (and {len(begun) - 1} more)" if len(begun) > 1 else ""
        parts.append(f"{len(begun)} in part ({begun[0].told}){more}")
    if failed := sum(step.state == "failed" for step in steps):
        parts.append(f"{failed} failed")
    if failed < len(bad):
        parts.append(f"{len(bad) - failed} with an unknown outcome")
    if plan.left:
        parts.append(f"{len(plan.left)} left as they were")
    text = ", ".join(parts)
    if stop.reason and state in ("interrupted", "cancelled"):
        text += f" ({stop.reason})"
    cancelled = stop.kind == "cancel"
    if bad and (state != "interrupted" or cancelled or parked):
        first = f"{bad[0].sentence}: {bad[0].error}"
        text += f". {first}" + ("" if len(bad) == 1 else f" (and {len(bad) - 1} more)")
    if go_on_at is not None:
        text = f"{text.rstrip('.')}. It goes on at {utc(go_on_at)} by run.resume_due"
    elif state == "interrupted":
        text = f"{text.rstrip('.')}. {what_next(run, steps, cancelled=cancelled)}"
    return text


def is_parked(plan: Plan, steps: Iterable[StepRecord]) -> bool:
    """Return whether a plan that parks has come to a step that failed."""
    return plan.parks and any(step.state == "failed" for step in steps)


def what_next(run: RunRecord, steps: list[StepRecord], *, cancelled: bool = False) -> str:
    """Return what an operator can do about an interrupted run.

    One that was ``cancelled`` just now is not to be cancelled once more at once: what keeps it
    open has to be settled first, by the cloud or by a person.
    """
    unsettled = [step for step in steps if step.state in ("running", "begun", "unknown")]
    if not cancelled:
        return f"Go on with run.resume run={run.id}, or give it up with run.cancel run={run.id}"
    if not unsettled:
        return f"Not everything was undone yet; go on with that by run.resume run={run.id}"
    key = unsettled[0].key
    return (
        "It is given up, and keeps what it claims until that is settled: ask again when the cloud "
        "has come to an end with it, or look for yourself and decide it with "
        f"run.settle run={run.id} step={key} as=done (or as=not_done) reason=..."
    )


def _text(result: Result, reporter: Reporter) -> str:
    lines = [result.summary]
    if result.rows and not reporter.shows_steps:
        table = Table(("state", "seconds", "what", "said"), result.rows)
        lines += ["", table.render(columns=reporter.columns).rstrip()]
    for name in ("failed", "left", "skipped"):
        lines += [f"{name:<8} {row['what']}: {row['why']}" for row in getattr(result, name)]
    return "\n".join(lines) + "\n"
