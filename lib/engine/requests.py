"""What can be asked for of stored runs: of one by its id, or of all that are due."""

from __future__ import annotations

import time
from collections.abc import Callable

from common.errors import CutOff, RunbookError
from common.result import Result
from common.text import count
from engine.locked import held_up
from engine.runs import Answer, Runs


def resume_due(runs: Runs, _: str) -> Answer:
    """Go on with each paused run whose time has come, one after the other.

    One that cannot go on keeps no other one from it. One that another process goes on with by now
    is left to that, and one that a rule has started waits for the end of the lock of operations.
    """
    session, rows, failed, resumed = runs.session, [], [], 0
    for run in session.journal.due(time.time()):
        if session.stop.requested:
            break
        if why := held_up(session, run):
            rows.append({"run": run.id, "what": run.workflow, "said": f"it waits: {why}"})
            continue
        resumed += 1
        try:
            answer = runs.resume(run.id)
            good = answer.success or session.journal.run(run.id).paused
            said = answer.result.summary
        except CutOff:
            raise
        except RunbookError as error:
            good, said = False, str(error)
        row = {"run": run.id, "what": run.workflow, "said": said}
        rows.append(row)
        if not good:
            failed.append({**row, "why": said})
    summary = f"{count(resumed, 'run')} resumed" if rows else "no run is due"
    summary += f", {len(rows) - resumed} held up by ops.lock" if len(rows) > resumed else ""
    summary += f", {len(failed)} not finished" if failed else ""
    text = "\n".join([summary, *(f"{row['run'][:8]}  {row['said']}" for row in rows)])
    result = Result(summary=summary, rows=rows, failed=failed, text=f"{text}\n")
    return Answer("failed" if failed else "done", result)


# What a dispatcher may do with a stored run, by the name in a RunRequest.
REQUESTS: dict[str, Callable[..., Answer]] = {
    "apply": Runs.apply,
    "resume": Runs.resume,
    "resume_due": resume_due,
    "cancel": Runs.cancel,
    "settle": Runs.settle,
}
