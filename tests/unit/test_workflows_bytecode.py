"""Whether the library is compiled at every start: asked in processes that start as runners do."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from health import bytecode

LIBRARY = bytecode.LIBRARY
ASK = "import health.bytecode as b; print(b.compiled_anew())"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of the part of the library that is asked, nothing of it compiled."""
    to = tmp_path / "a pack" / "lib"
    (to / "health").mkdir(parents=True)
    for name in ("__init__.py", "bytecode.py"):
        shutil.copy(LIBRARY / "health" / name, to / "health")
    return to


def asked(library: Path, *flags: str, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *flags, "-c", ASK],
        env={**kept, "PYTHONPATH": str(library), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_where_python_keeps_it_there_is_nothing_to_say(library: Path) -> None:
    assert asked(library) == "None"
    assert list((library / "health" / "__pycache__").iterdir())


def test_where_it_may_not_keep_it_that_is_said(library: Path) -> None:
    assert asked(library, "-B") == "PYTHONDONTWRITEBYTECODE is set"
    assert asked(library, PYTHONDONTWRITEBYTECODE="1") == "PYTHONDONTWRITEBYTECODE is set"


def test_what_compileall_has_left_is_enough_until_the_text_changes(library: Path) -> None:
    assert compileall.compile_dir(library, quiet=1)
    assert asked(library, "-B") == "None"
    (library / "health" / "bytecode.py").open("a").write("# changed\n")
    assert asked(library, "-B") == "PYTHONDONTWRITEBYTECODE is set"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_cannot_be_written(library: Path) -> None:
    (library / "health").chmod(0o500)
    assert asked(library) == f"this user cannot write {library / 'health'}"


def test_a_folder_of_another_user(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(bytecode, "_loaded", lambda: [library / "health" / "bytecode.py"])
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert bytecode.compiled_anew() == f"this user cannot write {library / 'health'}/__pycache__"


def test_the_command_is_one_that_works(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "LIBRARY", library)
    subprocess.run(["sh", "-c", bytecode.command()], check=True)
    assert asked(library, "-B") == "None"


def test_every_module_of_the_library_is_looked_at_and_no_other() -> None:
    loaded = bytecode._loaded()
    assert {LIBRARY / "health" / "bytecode.py", LIBRARY / "health" / "__init__.py"} <= {*loaded}
    assert all(path.is_relative_to(LIBRARY) for path in loaded)
