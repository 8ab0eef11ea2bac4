"""Sensors of the pack, run as StackStorm's container runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

_TOP = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).resolve().parent


class SensorProcess:
    """A sensor that runs. ``refuse`` is why its triggers cannot be dispatched, if they cannot."""

    def __init__(self, module: str, class_name: str, config: dict[str, Any]) -> None:
        self.refuse = ""
        self.dispatched: list[dict[str, Any]] = []
        path = [str(_TOP / "sensors" / "src"), str(_HERE / "st2_standin")]
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "sensor_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        )
        self.log: list[str] = []
        self._threads = [
            threading.Thread(target=one, daemon=True) for one in (self._hear, self._read)
        ]
        self._write(json.dumps({"module": module, "class": class_name, "config": config}))
        for thread in self._threads:
            thread.start()

    def kill(self) -> None:
        """Kill it, as a power cut would; what it has started has to end by itself."""
        self._process.kill()
        self._process.wait(10)
        for thread in self._threads:
            thread.join(10)

    def _hear(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            if not self.refuse:
                self.dispatched.append(said)
            self._write(self.refuse)

    def _read(self) -> None:
        assert self._process.stderr
        self.log.extend(iter(self._process.stderr.readline, ""))

    def _write(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
