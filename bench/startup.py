"""How much CPU it takes to begin: the dispatcher's import, and a reading action's first request.

Each figure is the median over several fresh processes of the CPU time (user and system) that a
process has used when it gets there, less that of a bare interpreter. `import openstack` of the
same run stands beside them. The cloud is a socket on loopback that notes when it is first asked.
Bytecode is written and used, as where the pack is installed, whatever this shell says of it.

    python bench/startup.py [--runs 11]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bytecode import with_bytecode

TOP = Path(__file__).resolve().parents[1]
LIMITS_MS = {"dispatcher": 60, "reading action": 160}

# A stand-in for the one name the dispatcher imports of StackStorm, so that its cost is left out.
_ACTION = """
import sys, types
for name in ("st2common", "st2common.runners", "st2common.runners.base_action"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["st2common.runners.base_action"].Action = object
sys.path.insert(0, {actions!r})
import workflow_actions
from workflow_api import dispatch, stackstorm
"""

# The first request ends the measurement: the connection is refused after the clock was read.
_READING = """
import socket, sys, time
connect = socket.socket.connect
def first(self, address):
    import os
    print(time.process_time())
    sys.stdout.flush()
    os._exit(0)
socket.socket.connect = first
sys.path.insert(0, {lib!r})
from workflow_api.dispatch import dispatch
dispatch("server.list", {{}}, {config!r})
"""

_CONFIG = {
    "clouds": [
        {
            "name": "bench",
            "auth_type": "password",
            "auth": {
                "auth_url": "http://127.0.0.1:9/v3",
                "username": "u",
                "password": "p",
                "project_name": "p",
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
        }
    ]
}


def main() -> None:
    """Measure, print a table, and exit with 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="fresh processes a figure")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    ended = "\nimport time; print(time.process_time())"
    lib, actions = str(TOP / "lib"), str(TOP / "actions" / "src")
    programs = {
        "bare python": ended,
        "import openstack": "import openstack" + ended,
        "dispatcher": _ACTION.format(actions=actions) + ended,
        "reading action": _READING.format(lib=lib, config=_CONFIG),
    }
    # Taken in turn, so that a slow moment of the machine falls on all of them.
    seen: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.runs + 1):
            for name, program in programs.items():
                seen[name].append(_cpu_ms(program, folder))
    medians = {name: statistics.median(values[1:]) for name, values in seen.items()}
    bare = medians["bare python"]
    figures = {name: value - bare for name, value in medians.items() if name != "bare python"}
    missed = [name for name, limit in LIMITS_MS.items() if figures[name] > limit]
    if options.json:
        print(json.dumps({"cpu_ms": figures, "limit_ms": LIMITS_MS, "missed": missed}))
    else:
        print(f"{'CPU above bare python (' + format(bare, '.0f') + ' ms)':38} median    limit")
        for name, value in figures.items():
            limit = f"{LIMITS_MS[name]:5} ms" if name in LIMITS_MS else ""
            print(f"{name:38} {value:4.0f} ms {limit}")
    sys.exit(bool(missed))


def _cpu_ms(program: str, folder: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=with_bytecode(folder),
    )
    return float(done.stdout.split()[-1]) * 1000


if __name__ == "__main__":
    main()
