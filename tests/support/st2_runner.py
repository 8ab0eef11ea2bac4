"""Executions of actions as StackStorm's python runner makes them, without StackStorm.

Its flags, its order of paths, unbuffered output and the environment of an action are the real
ones, and so is what it has imported of other libraries by then. StackStorm's own modules are a
small stand-in, unless the real ``st2common`` can be imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.st2_action import DELIMITER

TOP = Path(__file__).parents[2]
ENTRY = TOP / "actions" / "src" / "workflow_actions.py"
_SUPPORT = TOP / "tests" / "support"


@dataclass(frozen=True)
class Execution:
    """How an execution ended: ``stdout`` is what StackStorm shows as output."""

    status: bool | None
    result: Any
    stdout: str
    stderr: str
    exit_code: int

    @property
    def success(self) -> bool:
        """Whether StackStorm calls it succeeded."""
        return self.exit_code == 0 and self.status is not False


def command(
    parameters: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
    *,
    entry: Path = ENTRY,
    virtualenv: Path = Path(sys.prefix),
) -> list[str]:
    """Return the command line that the runner starts an action with."""
    flags = {
        "pack": "openstack_ops",
        "file-path": str(entry),
        "user": "stanley",
        "parent-args": "[]",
        "parameters": json.dumps(parameters),
        **({"config": json.dumps(config)} if config else {}),
        "log-level": "INFO",
    }
    python = str(virtualenv / "bin" / "python")
    script = str(_SUPPORT / "st2_action.py")
    return [python, "-u", script, *(f"--{name}={value}" for name, value in flags.items())]


def environment(
    *,
    common_libs: bool = False,
    first: Iterable[Path] = (),
    virtualenv: Path = Path(sys.prefix),
) -> dict[str, str]:
    """Return the environment of an action; ``first`` are paths before all others."""
    (lib,) = (virtualenv / "lib").glob("python3.*")
    st2 = [] if _is_real_st2_there() else [_SUPPORT / "st2_standin"]
    common = [TOP / "lib"] if common_libs else []
    paths = [*first, *common, lib, lib / "site-packages", TOP / "actions" / "lib", *st2]
    return {
        "PATH": f"{virtualenv / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "ST2_ACTION_PACK_NAME": "openstack_ops",
        "ST2_ACTION_EXECUTION_ID": "5f0000000000000000000001",
    }


def execute(
    parameters: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
    *,
    entry: Path = ENTRY,
    common_libs: bool = False,
    first: Iterable[Path] = (),
) -> Execution:
    """Run an action to its end; what it writes is read as the runner reads it."""
    done = subprocess.run(
        command(parameters, config, entry=entry),
        capture_output=True,
        cwd="/",
        env=environment(common_libs=common_libs, first=first),
        timeout=60,
    )
    return read(done.stdout, done.stderr, done.returncode)


def read(stdout: bytes, stderr: bytes, exit_code: int) -> Execution:
    """Part the output of an action from its result; raises ValueError where the runner does."""
    before, *rest = stdout.split(DELIMITER)
    if not rest:
        return Execution(None, "None", before.decode(), stderr.decode(), exit_code)
    if len(rest) != 2:
        raise ValueError(f"the output has {len(rest)} delimiters")
    answer, after = json.loads(rest[0]), rest[1]
    shown = (before + after).decode()
    return Execution(answer["status"], answer["result"], shown, stderr.decode(), exit_code)


def _is_real_st2_there() -> bool:
    """Return whether ``st2common`` can be imported, and not as the stand-in of another test."""
    found = importlib.util.find_spec("st2common")
    return found is not None and str(_SUPPORT) not in str(found.origin)
