"""Runbooks about runs: list, show, apply, resume, cancel."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from workflow_api import Context, RunRequest, Table, count, humanize, utc, workflow
from workflow_api.parameters import Name, RunId

if TYPE_CHECKING:
    from state.records import AttemptRecord, RequestRecord, RunRecord, StepRecord

State = Literal["planned", "running", "paused", "succeeded", "failed", "interrupted", "cancelled"]
# What a person says has become of a step.
Outcome = Literal["done", "not_done"]
Limit = Annotated[int, Meta(ge=1, le=1000)]
# Attempts in these states went wrong; run.show tells of so many of them.
_WRONG = ("failed", "unknown", "interrupted")
_MOST_FAILURES = 20
_VERBS = {"find": "look up: ", "finish": "finish: ", "undo": "undo: "}
_DONE = {
    "start": "started",
    "apply": "applied",
    "resume": "resumed",
    "cancel": "cancelled",
    "settle": "settled",
}
_PEOPLE = ("drawn_by", *(f"{done}_by" for done in _DONE.values()))


@workflow("run.list")
def list_runs(
    ctx: Context, state: State | None = None, workflow_name: Name | None = None, limit: Limit = 20
) -> Table:
    """List the newest runs, with who asked for them and how they ended.

    state: Only runs in this state.
    workflow_name: Only runs of this runbook, as hypervisor.drain.
    limit: How many runs to list.
    """
    journal = ctx.open_journal()
    # One more than is shown tells whether there are more.
    found = journal.recent(limit=limit + 1, state=state, workflow=workflow_name)
    runs = found[:limit]
    asked = journal.requests_of([run.id for run in runs])
    rows = [_row(run, asked.get(run.id, [])) for run in runs]
    columns = ("run", "state", "started", "took", "by", "what")
    extra = ("id", "workflow", "summary", *_PEOPLE)
    summary = count(len(rows), "run", more=len(found) > limit)
    return Table(columns, rows, summary=summary, extra=extra)


@workflow("run.show")
def show_run(ctx: Context, run: RunId) -> Table:
    """Show one run with its steps, their attempts, and what can be done with it."""
    journal = ctx.open_journal()
    found = journal.run(run)
    tries, steps = journal.attempts(found.id), journal.steps(found.id)
    rows = [
        {
            "state": "undone" if step.undone else step.state,
            "seconds": round(step.seconds, 1) if step.seconds is not None else None,
            "tries": step.attempts,
            "step": step.sentence,
            "said": step.told,
            "key": step.key,
            "request_ids": [r for a in tries if a.key == step.key for r in a.request_ids],
            "attempts": [a.id for a in tries if a.key == step.key],
        }
        for step in steps
    ]
    title = f"{found.id}: {found.workflow} {_parameters(found)}: {found.shown_state}"
    asked = journal.requests_of([found.id]).get(found.id, [])
    facts = _history(found, asked)
    facts += [f"ticket {found.ticket}"] if found.ticket else []
    facts += [f"it gave way to run {found.gave_way_to}"] if found.gave_way_to else []
    facts += [f"a step of run {found.parent}"] if found.parent else []
    claims = journal.named_claims_of(found.id).values()
    facts += [f"holds {', '.join(claims)}"] if claims else []
    facts += [_next(found, asked)] if _next(found, asked) else []
    facts += _failures(found, steps, tries)
    return Table(
        ("state", "seconds", "tries", "step", "said"),
        rows,
        "\n".join([title, *facts]),
        summary=f"{found.workflow}: {found.shown_state}",
        extra=("key", "request_ids", "attempts"),
    )


@workflow("run.apply")
def apply_run(ctx: Context, run: RunId) -> RunRequest:
    """Carry out a plan that a dry run showed, if it is still the same."""
    return RunRequest("apply", run)


@workflow("run.resume")
def resume_run(ctx: Context, run: RunId) -> RunRequest:
    """Continue an interrupted run; completed steps are not repeated."""
    return RunRequest("resume", run)


@workflow("run.resume_due")
def resume_due(ctx: Context) -> RunRequest:
    """Continue each paused run whose time has come: for a timer rule, every few minutes."""
    return RunRequest("resume_due", "")


@workflow("run.cancel", timeout="1h")
def cancel_run(ctx: Context, run: RunId) -> RunRequest:
    """Stop a run that is in progress, or cancel an interrupted one."""
    return RunRequest("cancel", run)


@workflow("run.settle", timeout="1h")
def settle_run(
    ctx: Context, run: RunId, as_: Outcome, reason: str, step: str | None = None
) -> RunRequest:
    """Decide whether an open step of an interrupted run is done, where the cloud does not tell.

    as: What you found when you looked at the thing itself.
    reason: How you know; kept in the journal with your name.
    step: The step: its key in run.show or a part of its sentence; if empty, the only open one.
    """
    return RunRequest("settle", run, {"step": step, "outcome": as_, "reason": reason})


def _row(run: RunRecord, asked: list[RequestRecord]) -> dict[str, Any]:
    took, people = run.seconds, _people(run, asked)
    later = [
        f"{name.replace('_', ' ')} {who}"
        for name, who in people.items()
        if who and name not in ("drawn_by", "started_by")
    ]
    return {
        # Enough of the id for run.show and its like; the whole one is in the data.
        "run": run.id[:8],
        "id": run.id,
        "workflow": run.workflow,
        "what": run.plan["title"] if run.plan else f"{run.workflow} {_parameters(run)}",
        "state": run.shown_state,
        "started": _time(run, run.started_at or run.created_at),
        "took": humanize(took) if took is not None else None,
        "by": "; ".join([run.requested_by, *later]),
        "summary": run.summary or _parameters(run),
        **people,
    }


def _failures(run: RunRecord, steps: list[StepRecord], tries: list[AttemptRecord]) -> list[str]:
    """Return a line an attempt that went wrong or was settled, by whose ids a cloud's log tells."""
    sentences = {step.key: step.sentence for step in steps}
    wrong = _WRONG if run.alive else (*_WRONG, "running")
    told = [attempt for attempt in tries if attempt.kind == "settle" or attempt.state in wrong]
    lines = []
    for attempt in told[-_MOST_FAILURES:]:
        what = f"{_time(run, attempt.started_at)} {_VERBS.get(attempt.kind, '')}"
        what += sentences.get(attempt.key, attempt.key)
        if attempt.kind == "settle":
            by, why = attempt.notes.get("by"), attempt.notes.get("reason")
            lines.append(f"{what}: settled by {by}: {why}")
            continue
        ids = [f"req-{attempt.id}"] if "cloud" in run.parameters else []
        ids += [one for one in attempt.request_ids if one not in ids]
        requests = f" [{', '.join(ids)}]" if ids else ""
        lines.append(f"{what}: {attempt.state}: {attempt.error or 'it never ended'}{requests}")
    if len(told) > _MOST_FAILURES:
        lines.insert(0, f"the last {_MOST_FAILURES} of {len(told)} attempts that went wrong:")
    return lines


def _people(run: RunRecord, asked: list[RequestRecord]) -> dict[str, str | None]:
    """Return who did what with a run, by the names of ``_PEOPLE``; several in their order."""
    found: dict[str, list[str]] = {name: [] for name in _PEOPLE}
    if _first(run, asked) == "drawn":
        found["drawn_by"].append(run.requested_by)
    for request in (one for one in asked if not _is_vain(run, one)):
        done = found[f"{_DONE[request.verb]}_by"]
        if request.requested_by not in done:
            done.append(request.requested_by)
    return {name: ", ".join(who) or None for name, who in found.items()}


def _is_vain(run: RunRecord, request: RequestRecord) -> bool:
    """Return whether a plan was to be carried out and was not: it was refused, or a kill came."""
    return request.verb == "apply" and "planned" in (request.settled_as, run.shown_state)


def _first(run: RunRecord, asked: list[RequestRecord]) -> str:
    """Return what the first person did, if it is known: version 0.1.0 did not write it down."""
    verbs = {request.verb for request in asked}
    if "start" in verbs:
        return "started"
    return "drawn" if "apply" in verbs or run.shown_state == "planned" else "asked for"


def _history(run: RunRecord, asked: list[RequestRecord]) -> list[str]:
    """Return a line for each thing that somebody asked of a run: who, from where, when."""
    first = _who(run.requested_by, run.origin, run.execution_id)
    lines = [f"{_first(run, asked)} by {first} at {_time(run, run.created_at)}"]
    for request in asked:
        if request.verb == "start":
            continue
        who = _who(request.requested_by, request.origin, request.execution_id)
        line = f"{_DONE[request.verb]} by {who} at {_time(run, request.requested_at)}"
        if request.is_open_stop:
            line += "; it has not ended yet, and ends by this whoever goes on with it"
        elif _is_vain(run, request):
            line = line.replace("applied", "asked to be applied", 1) + "; it was not carried out"
        elif request.verb == "cancel" and request.settled_as != "cancelled":
            line += f"; it was {request.settled_as} by then"
        lines.append(line)
    return lines


def _who(user: str, origin: str, execution: str | None) -> str:
    return f"{user} (StackStorm execution {execution})" if execution else f"{user} ({origin})"


def _parameters(run: RunRecord) -> str:
    return " ".join(f"{k}={v}" for k, v in run.parameters.items() if v not in (None, []))


def _time(run: RunRecord, moment_of_store: float) -> str:
    wall = run.by_wall_clock(moment_of_store)
    moment = datetime.datetime.fromtimestamp(wall, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _next(run: RunRecord, asked: list[RequestRecord]) -> str:
    """Return what an operator can do with a run in this state."""
    if run.shown_state == "planned":
        return f"carry it out with run.apply run={run.id}"
    if run.shown_state == "interrupted" and run.plan is None:
        return f"it had changed nothing: start it again; run.cancel run={run.id} closes it"
    if run.shown_state == "interrupted" and any(one.is_open_stop for one in asked):
        return (
            f"it was asked to stop: end it with run.cancel run={run.id}; what the cloud never "
            f"settles is decided with run.settle run={run.id}"
        )
    if run.paused and run.go_on_at is not None:
        return f"it goes on at {utc(run.go_on_at)}, by run.resume_due"
    if run.shown_state == "interrupted":
        return (
            f"go on with run.resume run={run.id}, or give it up with run.cancel run={run.id}; what "
            f"the cloud never settles is decided with run.settle run={run.id}"
        )
    if run.shown_state == "running":
        return f"held by {run.holder}; stop it with run.cancel run={run.id}"
    return ""
