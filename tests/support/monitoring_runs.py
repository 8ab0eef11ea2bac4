"""Runs against a fake monitoring system: carried out, refused, and killed as a request arrives."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.dispatch import dispatch
from support.fake_cloud_http import Request, Web
from support.runs import Silent, for_real

TOP = Path(__file__).parents[2]
_LEASE = 1.0
_PROGRAM = (
    "import json, sys; from engine.dispatch import dispatch; "
    "dispatch(sys.argv[1], json.loads(sys.argv[2]), json.load(open(sys.argv[3])))"
)
HOSTILE = [
    'x"} or 1=1; {"',
    "\\",
    '"',
    "a\nb",
    "{{ st2kv.system.secret }}",
    "$(reboot) `reboot` ; reboot",
    "<script>alert(1)</script>",
    "\x1b[31mred",
    "İ\u202e\U0001f600",
    "../../etc/passwd",
    "%22&filter=a=b#",
]

Config = dict[str, Any]


def run(config: Config, name: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
    """Run an action; what changes something does so, unless it is told otherwise."""
    return dispatch(name, for_real(name, parameters), config, reporter=Silent())


def done(config: Config, name: str, **parameters: Any) -> dict[str, Any]:
    """Run an action that has to succeed."""
    kind, result = run(config, name, **parameters)
    assert kind == "done", result["text"]
    return result


def refused(config: Config, name: str, **parameters: Any) -> str:
    """Return why an action is refused."""
    kind, result = run(config, name, **parameters)
    assert kind == "refused", result["text"]
    return str(result["summary"])


def killed(
    config: Config, folder: Path, web: Web, pattern: str, name: str, /, **parameters: Any
) -> str:
    """Have a process of its own killed as a request whose line has the pattern arrives.

    Its lease, which is a short one, has expired when the run's id is returned.
    """
    path = folder / "config.json"
    path.write_text(json.dumps({**config, "limits": {"lease": f"{_LEASE}s"}}))
    victim = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, name, json.dumps({"dry_run": False, **parameters}), path],
        env={**os.environ, "PYTHONPATH": str(TOP / "lib")},
        stdout=subprocess.DEVNULL,
    )

    def kill(request: Request) -> None:
        if re.search(pattern, request.line) and victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()

    web.hooks.append(kill)
    try:
        victim.wait(60)
    finally:
        web.hooks.remove(kill)
    assert victim.returncode == -signal.SIGKILL
    time.sleep(_LEASE + 0.1)
    left: Mapping[str, Any] = done(config, "run.list")["rows"][0]
    return str(left["run"])
