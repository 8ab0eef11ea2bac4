"""A file of the pack's own that a user may not read is named, and is not called a bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import unreadable

PACK = unreadable.PACK


def test_a_closed_file_of_the_pack_is_named() -> None:
    error = PermissionError(13, "Permission denied", str(PACK / "actions" / "x.yaml"))
    said = unreadable.own_file(error) or ""
    assert f"(uid {os.geteuid()}) may not read {PACK / 'actions' / 'x.yaml'}" in said
    outer = RuntimeError("x")
    outer.__context__ = error
    assert unreadable.own_file(outer) == said


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/etc/shadow"),
        PermissionError("the lock"),
        ModuleNotFoundError("No module named 'x'"),
        KeyError("x"),
    ],
    ids=repr,
)
def test_anything_else_is_still_a_bug(error: Exception) -> None:
    if isinstance(error, ImportError) and not all(map(unreadable._is_open, unreadable._roots())):
        pytest.skip("this user may not read all that is imported from")
    assert unreadable.own_file(error) is None


CLOSED = """
import os, sys
from engine import unreadable
from local_runner.app import main
sys.path.append(sys.argv[1])
os.setgid(61000); os.setuid(61001)
print(unreadable.own_file(ModuleNotFoundError("x")))
sys.exit(main(["list"], actions=__import__("pathlib").Path(sys.argv[1])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_another_user_in_a_closed_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(PACK / "lib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "This user (uid 61001) may not read " in done.stdout
    assert "bug" not in done.stdout
