"""What a look of the sensors costs: requests, CPU and memory, in a large cloud on loopback.

A poll is a process of its own, as StackStorm's sensor starts it: requests and CPU (user and system)
are those of one that has looked twice before and finds nothing new, the login, the state store and
the start of Python included. That is done for hypervisor_state, and for server_state, of whose
servers five in a hundred are in ERROR or BUILD. Memory is the most that such a process had. Growth
is that of the resident memory, and of the objects, of one process over so many polls by
hypervisor_state; in fewer than some hundred, what is kept for good passes for growth.

The rival's sensor of hypervisors sends four requests for each one (reckoned by its code: the
hypervisor, its service, its servers, its uptime).

    python bench/sensors.py [--polls 1000]

Exit status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "lib")]

from bench_config import bench_config  # noqa: E402 - beside this file
from watched_cloud import watched_cloud  # noqa: E402

from accounts.config import load  # noqa: E402
from observing.polling import Poller  # noqa: E402

HYPERVISORS, SERVERS = 1000, 20_000
RIVAL_A_HYPERVISOR = 4
MOST_REQUESTS = {"hypervisor_state": 8, "server_state": 12}
MOST_CPU = 1.0
MOST_MIB = 128
MOST_GROWTH = 0.02
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from observing.child import main; sys.exit(main())"
)


@dataclass
class Figure:
    """One figure beside its limit, and beside the rival's if that is known."""

    what: str
    rival: str
    limit: float
    ours: float
    unit: str

    @property
    def missed(self) -> bool:
        """Whether the limit is missed."""
        return self.ours > self.limit

    def __str__(self) -> str:
        limit, ours = f"{self.limit:g} {self.unit}", f"{self.ours:.3g} {self.unit}"
        return f"{self.what:34}{self.rival:>10}{limit:>14}{ours:>14}" + "  missed" * self.missed


def main() -> None:
    """Measure, print a table, and exit with 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polls", type=int, default=1000, help="over which memory may not grow")
    options = parser.parse_args()
    with watched_cloud(HYPERVISORS, SERVERS) as cloud, tempfile.TemporaryDirectory() as folder:
        config = bench_config(cloud.url, Path(folder))
        figures = []
        for name, most in MOST_REQUESTS.items():
            polls = []
            for _ in range(5):
                cloud.reset()
                polls.append(_poll(name, config))
            rival = f"{RIVAL_A_HYPERVISOR * HYPERVISORS}" if name == "hypervisor_state" else "-"
            requests = sum(cloud.counts().values())
            figures.append(Figure(f"{name}: requests a poll", rival, most, requests, ""))
            cpu, memory = map(statistics.median, zip(*polls[2:], strict=True))
            figures.append(Figure(f"{name}: CPU a poll", "-", MOST_CPU, cpu, "s"))
            figures.append(Figure(f"{name}: memory a poll", "-", MOST_MIB, memory, "MiB"))
        figures += _growth(config, options.polls)
    size = f"{HYPERVISORS} hypervisors, {SERVERS} servers"
    print(f"{size:34}{'rival':>10}{'limit':>14}{'ours':>14}")
    print("\n".join(map(str, figures)))
    sys.exit(any(one.missed for one in figures))


def _poll(name: str, config: dict[str, Any]) -> tuple[float, float]:
    """Poll once in a process of its own, and confirm what it tells.

    Returns the CPU seconds of that process, and the most memory that it had in MiB.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _CHILD, str(TOP / "lib")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"observer": name, "config": config, "holder": "bench"}
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    told = []
    for line in process.stdout:
        answer = json.loads(line)
        if "event" in answer:
            told.append(answer["event"]["payload"]["id"])
        elif said := answer.get("end", {}).get("said"):
            raise SystemExit(f"{name}: {said}")
        else:
            break
    if told:
        process.stdin.write(json.dumps({"dispatched": told}) + "\n")
        process.stdin.flush()
        process.stdout.readline()
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"{name}: the poll ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _growth(config: dict[str, Any], polls: int) -> list[Figure]:
    """Return by which shares the memory and the objects of this process grow over so many polls.

    Compared are the second tenth of the polls, when all that is kept is there, and the last one.
    """
    poller = Poller("hypervisor_state", load(config), "bench", bug=_raise)
    memory, objects = [], []
    for _ in range(polls):
        (polled,) = poller.poll()
        if polled.error:
            raise SystemExit(polled.error)
        poller.confirm([event.id for event in polled.events])
        memory.append(_resident())
        objects.append(len(gc.get_objects()))
    poller.close()
    tenth = max(1, polls // 10)
    figures = []
    for what, seen in (("memory", memory), ("objects", objects)):
        before = statistics.median(seen[tenth : 2 * tenth])
        share = 100 * (statistics.median(seen[-tenth:]) - before) / before
        limit, told = 100 * MOST_GROWTH, f"growth of {what} in {polls} polls"
        figures.append(Figure(told, "-", limit, max(0.0, share), "%"))
    return figures


def _resident() -> int:
    """Return the resident memory of this process, in KiB."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return int(line.split()[1])


def _raise(error: BaseException) -> str:
    raise error


if __name__ == "__main__":
    main()
