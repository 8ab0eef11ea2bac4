"""Actions and the command work without what is for developers only, as docs/INSTALL.md promises."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples import all_examples
from support.st2_runner import TOP, command, environment, read

INSTALL = (TOP / "docs" / "INSTALL.md").read_text()
FOLDERS = re.search(r"rm -r ([a-z ]+)$", INSTALL, re.MULTILINE)[1].split()

# Every module of the library, and every action with its example up to where it needs a cloud.
EVERY_ACTION = """
import json, pkgutil, sys
from importlib import import_module
from pathlib import Path
lib = Path(sys.argv[1]) / "lib"
sys.path.insert(0, str(lib))
for found in pkgutil.walk_packages([str(lib)]):
    # alembic alone runs its migrations, in a context that it makes.
    if ".migrations." not in found.name:
        import_module(found.name)
from engine.dispatch import dispatch
answers = {}
for name, parameters in json.loads(sys.argv[3]).items():
    kind, result = dispatch(name, parameters, json.loads(sys.argv[2]))
    answers[name] = result["summary"]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack as an operator leaves it."""
    top = tmp_path_factory.mktemp("packs") / "openstack_ops"
    hidden = shutil.ignore_patterns(".*", "__pycache__", "build", *FOLDERS)
    shutil.copytree(TOP, top, ignore=hidden)
    return top


@pytest.fixture
def config(tmp_path: Path) -> dict[str, object]:
    """A configuration without a cloud: no action gets as far as a request."""
    tmp_path.chmod(0o2770)
    return {"state_url": f"sqlite:///{tmp_path}/state.db"}


def test_the_folders_are_named() -> None:
    assert set(FOLDERS) == {"bench", "devcloud", "tests", "tools"}
    assert f"`rm -r {' '.join(FOLDERS)}`" in (TOP / "README.md").read_text()


@pytest.mark.long
def test_every_action_answers(installed: Path, config: dict[str, object]) -> None:
    given = (config, all_examples())
    done = subprocess.run(
        [sys.executable, "-c", EVERY_ACTION, str(installed), *map(json.dumps, given)],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert set(answers) == {path.stem for path in (TOP / "actions").glob("*.yaml")}
    for name, summary in answers.items():
        assert "bug" not in summary, f"{name}: {summary}"
        assert "No module" not in summary, f"{name}: {summary}"
        assert "parameter" not in summary, f"{name}: {summary}"


@pytest.mark.long
def test_an_action_runs_as_stackstorm_starts_it(installed: Path, config: dict[str, object]) -> None:
    entry = installed / "actions" / "src" / "workflow_actions.py"
    done = subprocess.run(
        command({"workflow": "run.list", "limit": 5, "state": None}, config, entry=entry),
        capture_output=True,
        cwd="/",
        env=environment(),
        timeout=60,
    )
    execution = read(done.stdout, done.stderr, done.returncode)
    assert execution.status is True, execution
    assert execution.result["rows"] == []


@pytest.mark.long
def test_the_command_lists_and_shows(installed: Path) -> None:
    for words in (["list"], ["show", "hypervisor.drain"]):
        done = subprocess.run(
            [sys.executable, installed / "runbook", *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "hypervisor.drain" in done.stdout


@pytest.mark.long
def test_nothing_of_it_is_imported() -> None:
    """Also not within functions, which the actions above may not have come to."""
    paths = [*(TOP / "lib").rglob("*.py"), *(TOP / "actions").rglob("*.py")]
    assert len(paths) > 200
    inside = {item.stem for folder in FOLDERS for item in (TOP / folder).iterdir()} | set(FOLDERS)
    inside -= {item.stem for item in (TOP / "lib").iterdir()} | {"__pycache__"}
    found = {str(path): sorted(imported(path.read_text()) & inside) for path in paths}
    assert {path: names for path, names in found.items() if names} == {}


def imported(text: str) -> set[str]:
    """Return the first part of the name of every module that a text imports."""
    names = []
    for node in ast.walk(ast.parse(text)):
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.partition(".")[0] for name in names}
