"""Runs started as an operator starts them: ``./runbook run`` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

REPOSITORY = Path(__file__).parents[2]
RUNBOOK = REPOSITORY / "runbook"
KINDS = {0: "done", 1: "failed", 2: "refused", 3: "interrupted"}
#: Actions that change nothing, so that they take no dry_run.
READING = re.compile(
    r"run\..*|query\.run|cloud\.check|audit\..*|[\w.]+\.(list|show|search|find.*|report|status)"
)
_RUN_LINE = re.compile(r"^run ([0-9a-f-]{36}): ")
#: Longest that any run of these tests takes, in seconds.
LONGEST = 240.0


@dataclass(frozen=True)
class Ended:
    """How a run ended, as its operator saw it."""

    code: int
    result: dict[str, Any]
    #: Progress, line by line, and whatever else was said.
    lines: list[str]
    #: Everything that was written, for proofs of what was not.
    output: str

    @property
    def kind(self) -> str:
        """``done``, ``failed``, ``refused``, ``interrupted``, or ``killed``."""
        return "killed" if self.code < 0 else KINDS.get(self.code, f"exit {self.code}")

    @property
    def run(self) -> str:
        """The id of the run."""
        return str(self.result["run"])

    @property
    def summary(self) -> str:
        """What the run says of itself in a sentence."""
        return str(self.result.get("summary", ""))

    @property
    def text(self) -> str:
        """All that the run tells its operator at the end."""
        return str(self.result.get("text", ""))

    def __str__(self) -> str:
        return f"{self.kind}: {self.summary}\n{self.output}"


class Started:
    """A run under way in a process of its own."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        self.lines: list[str] = []
        self._answer: list[str] = []
        self._seen = 0
        self._news = threading.Condition()
        self._readers = [
            self._reading(self.process.stderr, self._take_line),
            self._reading(self.process.stdout, self._answer.append),
        ]

    def wait_line(self, pattern: str, timeout: float = 60.0) -> str:
        """Return the next line that ``pattern`` is found in, each line at most once.

        Raises TimeoutError, also when the process ends without such a line.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                while self._seen < len(self.lines):
                    self._seen += 1
                    if re.search(pattern, self.lines[self._seen - 1]):
                        return self.lines[self._seen - 1]
                left = deadline - time.monotonic()
                if left <= 0 or not self._readers[0].is_alive():
                    said = "\n".join(self.lines)
                    raise TimeoutError(f"no line with {pattern!r}; the run said:\n{said}")
                self._news.wait(min(left, 0.2))

    @property
    def run(self) -> str:
        """The id of the run, as soon as it is said."""
        with self._news:
            found = [match[1] for line in self.lines if (match := _RUN_LINE.match(line))]
        if found:
            return found[0]
        match = _RUN_LINE.match(self.wait_line(_RUN_LINE.pattern))
        assert match
        return match[1]

    @property
    def is_running(self) -> bool:
        """Whether the process is there (suspended or not)."""
        return self.process.poll() is None

    def kill(self) -> bool:
        """Send SIGKILL and wait; return whether that is what ended the process."""
        self.process.kill()
        return self.process.wait(30) == -signal.SIGKILL

    def suspend(self) -> None:
        """Stop the process where it is; returns when the kernel has done so."""
        self.process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] not in "TtZ":
            time.sleep(0.005)

    def go_on(self) -> None:
        """Let a suspended process go on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, timeout: float = LONGEST) -> Ended:
        """Wait for the end and return it; the process is killed and TimeoutError raised after."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            said = "\n".join(self.lines)
            raise TimeoutError(f"no end within {timeout} s; the run said:\n{said}") from None
        for reader in self._readers:
            reader.join(10)
        answer = "".join(self._answer)
        result = json.loads(answer) if code >= 0 and answer.startswith("{") else {}
        return Ended(code, result, self.lines, "\n".join([*self.lines, answer]))

    def _reading(self, stream: TextIO | None, take: Any) -> threading.Thread:
        assert stream is not None

        def read() -> None:
            with stream:
                for line in stream:
                    take(line)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def _take_line(self, line: str) -> None:
        with self._news:
            self.lines.append(line.rstrip("\n"))
            self._news.notify_all()


@dataclass
class Operator:
    """Someone with a configuration, a home folder and ``./runbook``."""

    home: Path
    config: dict[str, Any]
    command: list[str] = field(default_factory=lambda: [sys.executable, str(RUNBOOK)])
    _started: list[Started] = field(default_factory=list)

    def start(self, action: str, /, **parameters: Any) -> Started:
        """Start a run and return at once. An action that changes something does so."""
        if not READING.fullmatch(action):
            parameters = {"dry_run": False, **parameters}
        self.home.mkdir(parents=True, exist_ok=True)
        path = self.home / "openstack_ops.yaml"
        if not path.exists():
            path.touch(0o600)
        path.write_text(yaml.safe_dump(self.config))
        words = [f"{name}={_word(value)}" for name, value in parameters.items()]
        command = [*self.command, "run", action, *words, "--json"]
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "OPENSTACK_OPS_CONFIG": str(path),
            "PYTHONUNBUFFERED": "1",
        }
        started = Started(command, environ)
        self._started.append(started)
        return started

    def run(self, action: str, /, **parameters: Any) -> Ended:
        """Run an action to its end."""
        return self.start(action, **parameters).end()

    def done(self, action: str, /, **parameters: Any) -> Ended:
        """Run an action that has to succeed."""
        ended = self.run(action, **parameters)
        assert ended.kind == "done", ended
        return ended

    def refused(self, action: str, /, *said: str, **parameters: Any) -> Ended:
        """Run an action that has to be refused with a message that has all of ``said`` in it."""
        ended = self.run(action, **parameters)
        assert ended.kind == "refused", ended
        missing = [words for words in said if words not in ended.summary]
        assert not missing, f"{missing} not in: {ended.summary}"
        return ended

    def dry_run(self, action: str, /, **parameters: Any) -> Ended:
        """Ask for a plan."""
        return self.done(action, dry_run=True, **parameters)

    def with_config(self, home: str, **changes: Any) -> Operator:
        """Return a colleague with a home of that name and a configuration that differs so."""
        return Operator(self.home.parent / home, {**self.config, **changes})

    def written(self) -> Iterator[str]:
        """Yield whatever this operator's runs have written into files, the configuration apart."""
        for path in sorted(self.home.rglob("*")):
            if path.is_file() and path.name != "openstack_ops.yaml":
                yield path.read_bytes().decode("utf-8", "replace")

    def leave(self) -> None:
        """Kill whatever still runs."""
        for started in self._started:
            if started.is_running:
                started.kill()


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
