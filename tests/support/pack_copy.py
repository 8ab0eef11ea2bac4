"""A copy of the pack, to which a test adds a runbook as an author does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]

#: What a checkout has that is not of the pack: the state of tools, of devcloud and of CI.
_LOCAL = (".git", ".venv*", ".devcloud", ".ci-state", ".*_cache", ".hypothesis", ".coverage*")
_LOCAL += ("__pycache__", "build")


class PackCopy:
    """The files of the pack in another folder, and Python run there."""

    def __init__(self, top: Path) -> None:
        self.top = top
        shutil.copytree(TOP, top, ignore=shutil.ignore_patterns(*_LOCAL), dirs_exist_ok=True)

    def read(self, name: str) -> str:
        """Return a file's text."""
        return (self.top / name).read_text()

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.top / name).write_text(text)

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.top,
            env={**os.environ, "PYTHONPATH": "lib:tests", **environ},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def done(self, *command: str, **environ: str) -> str:
        """Run Python there, which has to succeed; return what it wrote."""
        done = self.run(*command, **environ)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def differences(self) -> set[str]:
        """Return which files differ from the pack's own, or are new."""
        known = (
            path.relative_to(self.top)
            for path in self.top.rglob("*")
            if path.is_file() and not {"__pycache__"} & set(path.parts)
        )
        hidden = (name for name in known if name.parts[0][0] != ".")
        return {str(name) for name in hidden if _bytes(TOP / name) != _bytes(self.top / name)}


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
