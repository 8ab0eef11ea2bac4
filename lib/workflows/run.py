"""Runbooks about runs: list, show, apply, resume, cancel."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Literal

from workflow_api import Context, RunRequest, Table, UserError, count, humanize, workflow

if TYPE_CHECKING:
    from state.records import RunRecord

State = Literal["planned", "running", "succeeded", "failed", "interrupted", "cancelled"]
_MOST = 1000


@workflow("run.list")
def list_runs(
    ctx: Context, state: State | None = None, workflow_name: str | None = None, limit: int = 20
) -> Table:
    """List the newest runs, with who asked for them and how they ended."""
    if not 1 <= limit <= _MOST:
        raise UserError(f"limit is from 1 to {_MOST}, not {limit}.")
    runs = ctx.open_journal().recent(limit=limit, state=state, workflow=workflow_name)
    rows = [_row(run) for run in runs]
    columns = ("run", "state", "started", "took", "by", "what")
    extra = ("id", "workflow", "summary")
    return Table(columns, rows, summary=count(len(rows), "run"), extra=extra)


@workflow("run.show")
def show_run(ctx: Context, run: str) -> Table:
    """Show one run with its steps, their attempts, and what can be done with it."""
    journal = ctx.open_journal()
    found = journal.run(run)
    tries = journal.attempts(found.id)
    rows = [
        {
            "state": "undone" if step.undone else step.state,
            "seconds": round(step.seconds, 1) if step.seconds is not None else None,
            "tries": step.attempts,
            "step": step.sentence,
            "said": step.error or (step.result or {}).get("said"),
            "request_ids": [r for a in tries if a.key == step.key for r in a.request_ids],
            "attempts": [a.id for a in tries if a.key == step.key],
        }
        for step in journal.steps(found.id)
    ]
    title = f"{found.id}: {found.workflow} {_parameters(found)}: {found.shown_state}"
    facts = [f"asked for by {found.requested_by} ({found.origin}) at {_time(found.created_at)}"]
    facts += [f"ticket {found.ticket}"] if found.ticket else []
    facts += [f"a step of run {found.parent}"] if found.parent else []
    facts += [f"holds {', '.join(claims)}"] if (claims := journal.claims_of(found.id)) else []
    facts += [_next(found)] if _next(found) else []
    return Table(
        ("state", "seconds", "tries", "step", "said"),
        rows,
        "\n".join([title, *facts]),
        summary=f"{found.workflow}: {found.shown_state}",
        extra=("request_ids", "attempts"),
    )


@workflow("run.apply")
def apply_run(ctx: Context, run: str) -> RunRequest:
    """Carry out a plan that a dry run showed, if it would still be the same."""
    return RunRequest("apply", run)


@workflow("run.resume")
def resume_run(ctx: Context, run: str) -> RunRequest:
    """Go on with an interrupted run; what is done stays done."""
    return RunRequest("resume", run)


@workflow("run.cancel")
def cancel_run(ctx: Context, run: str) -> RunRequest:
    """Stop a run that is running, or give up an interrupted one."""
    return RunRequest("cancel", run)


def _row(run: RunRecord) -> dict[str, Any]:
    end = run.ended_at or run.now
    return {
        # Enough of the id for run.show and its like; the whole one is in the data.
        "run": run.id[:8],
        "id": run.id,
        "workflow": run.workflow,
        "what": run.plan["title"] if run.plan else f"{run.workflow} {_parameters(run)}",
        "state": run.shown_state,
        "started": _time(run.started_at or run.created_at),
        "took": humanize(end - run.started_at) if run.started_at else None,
        "by": run.requested_by,
        "summary": run.summary or _parameters(run),
    }


def _parameters(run: RunRecord) -> str:
    return " ".join(f"{k}={v}" for k, v in run.parameters.items() if v not in (None, []))


def _time(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _next(run: RunRecord) -> str:
    """Return what an operator can do with a run in this state."""
    if run.shown_state == "planned":
        return f"carry it out with run.apply run={run.id}"
    if run.shown_state == "interrupted":
        return f"go on with run.resume run={run.id}, or give it up with run.cancel run={run.id}"
    if run.shown_state == "running":
        return f"held by {run.holder}; stop it with run.cancel run={run.id}"
    return ""
