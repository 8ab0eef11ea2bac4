"""A process that dispatches one toy runbook and can be killed at a chosen moment.

Forked off, or started as ``victim.py <stop-at> <config> <workflow> <parameters>``, all but the
first and third as JSON. At its ``stop-at``-th moment (0: never), or at the first whose name begins
like that, it says ``at <moment>`` and waits there for a line, or for SIGKILL.
Moments lie before and after everything that is journalled and everything that changes the world.
At its end it prints how it ended as JSON, with the moments that it came by.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "tests")]

# All that is imported late, so that a process that is forked off need not read it.
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: E402,F401

import engine.runs  # noqa: E402,F401
from engine.dispatch import dispatch  # noqa: E402
from state.journal import Journal  # noqa: E402
from support import sample_parts  # noqa: E402,F401 - it registers more steps
from support.runs import Silent, for_real  # noqa: E402
from support.sample_runbooks import WORLD, World  # noqa: E402
from workflow_api import Requester  # noqa: E402

_JOURNALLED = (
    "create",
    "begin_run",
    "take",
    "claim",
    "store_plan",
    "begin_attempt",
    "note",
    "end_attempt",
    "set_step",
    "finish",
    "reopen",
)
_number = itertools.count(1)
_passed: list[str] = []
_lock = threading.Lock()


def _moments(stop_at: str) -> Callable[[str], None]:
    """Return what is called at each moment; ``stop_at`` is the number of one, or how it begins."""

    def moment(where: str) -> None:
        with _lock:
            number = next(_number)
            _passed.append(where)
        if stop_at == str(number) or where.startswith(stop_at):
            print(f"at {where}", flush=True)
            sys.stdin.readline()

    return moment


def _watched(name: str, moment: Callable[[str], None]) -> Callable[..., Any]:
    original = getattr(Journal, name)

    def around(self: Journal, *args: Any, **more: Any) -> Any:
        moment(f"before {name}")
        answer = original(self, *args, **more)
        moment(f"after {name}")
        return answer

    return around


def main(stop_at: str, config: str, workflow: str, parameters: str) -> None:
    """Dispatch and say how it ended."""
    moment = _moments(stop_at)
    for name in _JOURNALLED:
        setattr(Journal, name, _watched(name, moment))
    World.pause = staticmethod(moment)  # type: ignore[assignment]
    kind, result = dispatch(
        workflow,
        for_real(workflow, json.loads(parameters)),
        json.loads(config),
        requester=Requester(user="victim", origin="test"),
        reporter=Silent(),
    )
    print(json.dumps({"kind": kind, "result": result, "passed": _passed}), flush=True)


def fork(pipe: Connection, world: str, *given: str) -> None:
    """Be such a process that was forked off, with a pipe instead of its streams."""
    os.environ[WORLD] = world
    with os.fdopen(os.dup(pipe.fileno())) as told, os.fdopen(os.dup(pipe.fileno()), "w") as says:
        sys.stdin, sys.stdout = told, says
        main(*given)


if __name__ == "__main__":
    main(*sys.argv[1:])
