"""What can be asked for of stored runs: of one by its id, or of all that are due."""

from __future__ import annotations

import time
from collections.abc import Callable

from common.errors import CutOff, RunbookError
from common.result import Result
from common.text import count
from engine.runs import Answer, Runs


def resume_due(runs: Runs, _: str) -> Answer:
    """Go on with each paused run whose time has come, one after the other.

    One that cannot go on keeps no other one from it. One that another process goes on with by now
    is left to that.
    """
    session, rows, failed = runs.session, [], []
    for run in session.journal.due(time.time()):
        if session.stop.requested:
            break
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
    summary = f"{count(len(rows), 'run')} resumed" if rows else "no run is due"
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
