"""`make runbook` writes what is sound, and fails its test until it is filled in; none is left."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from generate import TOP
from new_runbook import refusal
from skeletons import MARK

#: Where a skeleton is written to; docs/ and tools/ speak of its mark.
FILLED = ("lib", "actions", "tests/unit", "tests/data")
#: What a copy of the pack has to have for its tools and tests to run there.
NEEDED = ("lib", "actions", "aliases", "docs", "tests", "tools", "CHANGES.md", "README.md")
NEEDED += ("config.schema.yaml", "openstack_ops.yaml.example", "pyproject.toml")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the pack in which a runbook can be added."""
    hidden = shutil.ignore_patterns("__pycache__")
    for name in NEEDED:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, tmp_path / name, ignore=hidden)
        else:
            shutil.copy2(TOP / name, tmp_path / name)
    return tmp_path


def run(top: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a copy of the pack."""
    return subprocess.run(
        [sys.executable, *command], cwd=top, capture_output=True, text=True, timeout=240
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command succeeded; its output stands in the assertion if not."""
    return done.returncode == 0 or pytest.fail(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("server.power_cycle", id="a known subject in a module"),
        pytest.param("hypervisor.evacuate", id="a known subject in a package"),
        pytest.param("volume.extend_much", id="a subject that is not looked up yet"),
        pytest.param("fire_drill.hold", id="a new subject"),
    ],
)
def test_a_skeleton_is_sound_and_its_test_fails_until_it_is_filled_in(
    copy: Path, name: str
) -> None:
    assert succeeded(run(copy, "tools/new_runbook.py", name))
    module, test = name.partition(".")[0], f"tests/unit/test_workflows_{name.replace('.', '_')}.py"
    assert succeeded(run(copy, "tools/generate.py", "--check"))
    assert succeeded(run(copy, "-m", "black", "--check", "lib/workflows", test))
    assert succeeded(run(copy, "-m", "ruff", "check", "lib/workflows", test))
    assert succeeded(
        run(copy, "-c", f"import sys; sys.path[:0] = ['lib']; import workflows.{module}")
    )
    assert (copy / "actions" / f"{name}.yaml").is_file()
    newest = (copy / "CHANGES.md").read_text().split("\n## ")[1]
    assert newest.splitlines()[-1].startswith(f"- `{name}`: {MARK}")
    assert run(copy, "tools/new_runbook.py", name).returncode == 2, "a second time"

    tried = run(copy, "-m", "pytest", "-q", test)

    assert tried.returncode == 1, tried.stdout
    assert f"NotImplementedError: {MARK}" in tried.stdout


def test_runbooks_of_one_subject_stand_side_by_side(copy: Path) -> None:
    """What a skeleton brings along for its subject is brought once."""
    before = (copy / "CHANGES.md").read_text()
    for name in ("fire_drill.hold", "fire_drill.announce"):
        assert succeeded(run(copy, "tools/new_runbook.py", name))
    text = (copy / "lib" / "workflows" / "fire_drill.py").read_text()
    assert (text.count("class FireDrill("), text.count("\n@workflow(")) == (1, 2)
    assert succeeded(run(copy, "-m", "ruff", "check", "lib/workflows"))
    added = [line for line in (copy / "CHANGES.md").read_text().splitlines() if MARK in line]
    after = (copy / "CHANGES.md").read_text()
    for line in added:
        after = after.replace(f"{line}\n", "")
    assert (len(added), after) == (2, before)


@pytest.mark.long
@pytest.mark.parametrize("name", ["server.power_cycle", "fire_drill.hold"])
def test_a_skeleton_has_types(copy: Path, name: str) -> None:
    assert succeeded(run(copy, "tools/new_runbook.py", name))
    assert succeeded(run(copy, "-m", "mypy", f"lib/workflows/{name.partition('.')[0]}.py"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "Say which runbook"),
        ("server", "'server' is not of the form subject.verb"),
        ("Server.stop", "'Server.stop' is not of the form subject.verb"),
        ("server.power-cycle", "is not of the form subject.verb"),
        ("email.campaign.stop", "is not of the form subject.verb"),
        ("server.stop; true", "is not of the form subject.verb"),
        ("server.stop", "There is a runbook server.stop already"),
        ("server.import", "'import' is a word of Python's own"),
        ("server.snapshot", "lib/workflows/server.py has a find_snapshot already"),
        (f"server.{'x' * 60}", "is longer than 50 letters"),
    ],
)
def test_what_cannot_be_a_runbook_is_refused_in_a_sentence(name: str, why: str) -> None:
    assert why in refusal(name, TOP)


def test_nothing_waits_to_be_filled_in() -> None:
    paths = [path for folder in FILLED for path in (TOP / folder).rglob("*")]
    paths = [
        path for path in [*paths, TOP / "CHANGES.md"] if path.suffix in (".py", ".yaml", ".md")
    ]
    assert len(paths) > 300
    waiting = {
        f"{path.relative_to(TOP)}:{number}": line.strip()
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"\b{MARK}\b", line)
    }
    assert waiting == {}
