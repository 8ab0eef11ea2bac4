"""Processes that run a toy runbook, are stopped at a moment, and are killed there or go on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from support.forks import forked
from support.runs import House
from support.sample_runbooks import WORLD
from support.victim import fork


class Victim:
    """A process that runs a toy runbook on this house and world (see victim.py).

    It is forked off, and has imported everything; or, if it is ``fresh``, begins as a new one with
    this environment.
    """

    def __init__(
        self,
        house: House,
        world: Path,
        name: str,
        stop_at: str | int = 0,
        *,
        fresh: bool = False,
        **parameters: Any,
    ) -> None:
        given = (str(stop_at), json.dumps(house.config), name, json.dumps(parameters))
        self._process: subprocess.Popen[bytes] | ForkServerProcess
        if fresh:
            self._pipe, theirs = multiprocessing.Pipe()
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("victim.py")), *given],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                env={**os.environ, WORLD: str(world)},
            )
            theirs.close()
        else:
            self._process, self._pipe = forked(fork, str(world), *given)
        self._lines = os.fdopen(os.dup(self._pipe.fileno()))

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._lines.close()
        self._pipe.close()

    def read(self) -> str:
        """Return the next line that it prints."""
        return self._lines.readline().rstrip("\n")

    def wait_for(self, beginning: str) -> None:
        """Wait until it stands at the moment that was chosen."""
        line = self.read()
        assert line.startswith(f"at {beginning}"), line

    def go_on(self) -> None:
        """Let it go on from the moment where it waits."""
        os.write(self._pipe.fileno(), b"\n")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end, at most so long; return whether it has come."""
        if isinstance(self._process, ForkServerProcess):
            self._process.join(seconds)
            return self._process.exitcode is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def kill(self) -> None:
        """Kill it, if it has not ended, as nothing can be prepared for."""
        self._process.kill()
        self.wait()

    def answer(self) -> dict[str, Any]:
        """Wait for its end and return how it says it ended."""
        answer: dict[str, Any] = json.loads(self.read())
        self.wait()
        return answer

    def kill_when_stopped(self) -> dict[str, Any] | None:
        """Kill it where it stops; return its answer if it came to its end before that."""
        line = self.read()
        if not line.startswith("at "):
            return dict(json.loads(line))
        self.kill()
        return None
