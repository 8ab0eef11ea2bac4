"""How much CPU it takes to begin, as StackStorm pays it: actions in processes like its runner's.

A figure is the median CPU time (user and system) of fresh processes that run an action to its end,
less that of an action that does nothing. The process is started as the python runner starts one:
its flags and order of paths, unbuffered, in the pack's own virtualenv (see tests/support).
``reading`` logs in to a cloud on loopback and lists its server. Bytecode is written and used, as
where the pack is installed. The limits were
set on a machine on which the bare action took 137 ms of CPU.

    python bench/startup.py [--runs 11] [--virtualenv DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests"))

from bench_config import bench_config  # noqa: E402 - beside this file
from big_cloud import big_cloud  # noqa: E402
from bytecode import with_bytecode  # noqa: E402

from support import st2_runner  # noqa: E402 - found by the line above

LIMITS_MS = {"refused": 60, "reading": 110, "journal": 150}
_BARE = """
from st2common.runners.base_action import Action

class Nothing(Action):
    def run(self, **parameters):
        return True, {}
"""


class Bench:
    """What is started, and where."""

    def __init__(self, folder: Path, virtualenv: Path, url: str) -> None:
        self.folder, self.virtualenv = folder, virtualenv
        self.bare = folder / "bare.py"
        self.bare.write_text(_BARE)
        self.config = bench_config(url, folder)

    def cpu_ms(self, parameters: dict[str, Any], *, bare: bool = False) -> float:
        """Return the CPU time of one execution, in milliseconds."""
        command = st2_runner.command(
            parameters,
            self.config,
            entry=self.bare if bare else st2_runner.ENTRY,
            virtualenv=self.virtualenv,
        )
        paths = st2_runner.environment(virtualenv=self.virtualenv)
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={**with_bytecode(str(self.folder / "bytecode")), **paths},
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or b"Traceback" in said:
            raise SystemExit(said.decode())
        return (used.ru_utime + used.ru_stime) * 1000


@contextmanager
def bench(virtualenv: Path) -> Iterator[Bench]:
    """Make the place in which is measured, with a cloud."""
    with tempfile.TemporaryDirectory() as folder, big_cloud(servers=1) as cloud:
        yield Bench(Path(folder), virtualenv, cloud.url)


def main() -> None:
    """Measure, print a table, and exit with 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="fresh processes a figure")
    parser.add_argument("--virtualenv", type=Path, default=Path(sys.prefix), help="the pack's own")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    listing = {"workflow": "server.list"}
    asked: dict[str, dict[str, Any]] = {
        "bare action": {"parameters": {}, "bare": True},
        "refused": {"parameters": {**listing, "clouds": ["nope"]}},
        "reading": {"parameters": listing},
        "journal": {"parameters": {"workflow": "run.list"}},
    }
    # Taken in turn, so that a slow moment of the machine falls on all of them.
    seen: dict[str, list[float]] = {name: [] for name in asked}
    with bench(options.virtualenv) as place:
        for _ in range(options.runs + 1):
            for name, how in asked.items():
                seen[name].append(place.cpu_ms(**how))
    medians = {name: statistics.median(values[1:]) for name, values in seen.items()}
    bare = medians.pop("bare action")
    figures = {name: value - bare for name, value in medians.items()}
    missed = [name for name, limit in LIMITS_MS.items() if figures[name] > limit]
    if options.json:
        print(json.dumps({"cpu_ms": figures, "limit_ms": LIMITS_MS, "missed": missed}))
    else:
        print(f"{f'CPU above a bare action ({bare:.0f} ms)':38} median    limit")
        for name, value in figures.items():
            print(f"{name:38} {value:4.0f} ms {LIMITS_MS[name]:5} ms")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
