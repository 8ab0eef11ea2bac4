"""Starting and stopping background processes that outlive the command that started them.

A process is recorded as its pid *and* the moment it started, so that a pid which the kernel has
given to somebody else since is never taken for ours, let alone killed. Each gets a session of its
own: whatever it forks can be found again, and ends with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devcloud.work import tail

ZOMBIE = "Z"


@dataclass(frozen=True)
class Stat:
    """What /proc says of one process."""

    pid: int
    state: str
    session: int
    started: int


@cache
def boot_id() -> str:
    """Names this boot of the machine: pids and start times are only unique within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def stat(pid: int) -> Stat | None:
    """The process with that pid, or None if there is none (a zombie is none)."""
    try:
        # the name in parentheses may itself hold spaces and parentheses
        columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if columns[0] == ZOMBIE:
        return None
    return Stat(pid, columns[0], session=int(columns[3]), started=int(columns[19]))


def everyone() -> Iterator[Stat]:
    """All processes there are."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := stat(int(entry))):
            yield process


@dataclass(frozen=True)
class Process:
    """A background process by name, with its record in `<run>` and its log in `<log>`."""

    name: str
    run: Path
    log: Path

    @property
    def record(self) -> Path:
        return self.run / f"{self.name}.json"

    @property
    def log_file(self) -> Path:
        return self.log / f"{self.name}.log"

    def recorded(self) -> dict | None:
        """What was written down when it was last started, if it was in this boot."""
        try:
            record = json.loads(self.record.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return record if record["boot"] == boot_id() else None

    def pid(self) -> int | None:
        """Its pid if it is alive, else None."""
        record = self.recorded()
        now = record and stat(record["pid"])
        return now.pid if now and now.started == record["started"] else None

    def members(self) -> list[int]:
        """It and all it has forked, also what outlived it."""
        record = self.recorded()
        if record is None:
            return []
        leader = stat(record["pid"])
        if leader and leader.started != record["started"]:
            return []  # the pid is somebody else's now, and so is the session of that number
        return [
            process.pid
            for process in everyone()
            if process.session == record["pid"] and process.started >= record["started"]
        ]

    def memory(self) -> int:
        """Bytes it and its children hold, shared pages divided among their sharers."""
        return sum(_proportional_memory(pid) for pid in self.members())

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Start it, record it, and return its pid. Remains of an earlier life are ended first."""
        self.end_remains()
        with self.log_file.open("ab") as log:
            child = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = stat(child.pid)
        record = {
            "pid": child.pid,
            "started": started.started if started else 0,
            "boot": boot_id(),
        }
        draft = self.record.with_suffix(".new")
        draft.write_text(json.dumps(record))
        draft.replace(self.record)
        _reap_quietly(child)
        return child.pid

    def stop(self, seconds: float) -> None:
        """TERM it, wait, then KILL it and whatever it left behind."""
        pid = self.pid()
        if pid:
            _signal(pid, signal.SIGTERM)
            end = time.monotonic() + seconds
            while self.pid() and time.monotonic() < end:
                time.sleep(0.05)
        self.end_remains()
        self.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """KILL it and all it has forked at once, as a power cut would."""
        self.end_remains()
        self.record.unlink(missing_ok=True)

    def end_remains(self) -> None:
        """KILL every member there is; returns when they are gone."""
        while members := self.members():
            for pid in members:
                _signal(pid, signal.SIGKILL)
            time.sleep(0.02)

    def last_words(self, lines: int = 20) -> str:
        """The end of its log."""
        return tail(self.log_file, lines)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _reap_quietly(child: subprocess.Popen) -> None:
    """It outlives us on purpose: keep Popen from warning that nobody waited for it."""
    child.returncode = 0


def _proportional_memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
