"""What several files of the repository say alike: Pythons, dependencies, targets, the address."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
PACK = TOP / "pack.yaml"
PYTHONS = ["3.10", "3.11", "3.12"]
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
MINOR = OLDEST.partition(".")[2]
IN_WORDS = f"{', '.join(PYTHONS[:-1])} or {NEWEST}"
#: Each place that names the supported Pythons, or the oldest, and how it has to.
NAMED = [
    ("Makefile", f"for version in {' '.join(PYTHONS)}; do"),
    ("Makefile", f"(3, {MINOR}) <= sys.version_info[:2] <= (3, {NEWEST.partition('.')[2]})"),
    ("Makefile", f"Python {IN_WORDS} is needed"),
    ("Makefile", f"--python-version {OLDEST} "),
    ("README.md", f"with Python {IN_WORDS}:"),
    ("docs/INSTALL.md", f"on Python {IN_WORDS};"),
    ("docs/INSTALL.md", f"needs Python {IN_WORDS} and"),
    ("CONTRIBUTING.md", f"Python {', '.join(PYTHONS[:-1])} and {NEWEST} are supported"),
    ("constraints.txt", f"for Python {', '.join(PYTHONS[:-1])} and {NEWEST}"),
    ("pyproject.toml", f'target-version = ["py3{MINOR}"]'),
    ("pyproject.toml", f'target-version = "py3{MINOR}"'),
    ("pyproject.toml", f'python_version = "{OLDEST}"'),
    ("runbook", f"sys.version_info < (3, {MINOR})"),
    ("actions/src/workflow_actions.py", f"sys.version_info < (3, {MINOR})"),
    ("actions/src/workflow_actions.py", f"Python {OLDEST} or newer"),
    ("pack.yaml", f"works is {OLDEST},"),
    ("tools/exchange.py", f'"python{OLDEST}"'),
]
WORKFLOW: dict[str, Any] = yaml.safe_load((TOP / ".github/workflows/test.yaml").read_text())
HOOKS = yaml.safe_load((TOP / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
REQUIREMENTS = sorted(path.name for path in TOP.glob("requirements*.txt"))


@pytest.mark.parametrize(("name", "words"), NAMED)
def test_supported_pythons_are_the_same_everywhere(name: str, words: str) -> None:
    assert words in (TOP / name).read_text()


def test_pack_metadata_says_what_it_can_of_pythons() -> None:
    metadata = yaml.safe_load((TOP / "pack.yaml").read_text())
    assert metadata["python_versions"] == sorted({version.partition(".")[0] for version in PYTHONS})


def required(name: str) -> dict[str, Requirement]:
    """Return what a file of requirements names itself, by canonical name."""
    lines = (TOP / name).read_text().splitlines()
    found = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    return {canonicalize_name(one.name): one for one in found}


def pinned(python: str) -> dict[str, str]:
    """Return the versions that the constraints allow on a Python under Linux."""
    where = {"python_full_version": f"{python}.5", "python_version": python}
    where |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    where |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    found: dict[str, str] = {}
    for one in required_lines():
        if one.marker is None or one.marker.evaluate(where):
            name = canonicalize_name(one.name)
            assert name not in found, f"{name} has two versions on {python}"
            found[name] = str(one.specifier).removeprefix("==")
    return found


def required_lines() -> list[Requirement]:
    lines = (TOP / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", REQUIREMENTS)
def test_constraints_pin_every_requirement_within_its_range(name: str, python: str) -> None:
    versions = pinned(python)
    for package, requirement in required(name).items():
        assert package in versions, f"{package}: run `make constraints`"
        assert requirement.specifier.contains(versions[package]), f"{package}: `make constraints`"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_range_has_both_ends(name: str) -> None:
    for package, requirement in required(name).items():
        operators = {one.operator for one in requirement.specifier}
        assert operators in ({">=", "<"}, {"=="}), package


def test_requirements_build_on_each_other() -> None:
    order = ["", "-local", "-tests", "-dev"]
    for below, above in pairwise(order):
        text = (TOP / f"requirements{above}.txt").read_text()
        assert f"-r requirements{below}.txt\n" in text
    assert set(REQUIREMENTS) == {f"requirements{one}.txt" for one in order}


def test_what_make_installs_is_pinned() -> None:
    installs = re.findall(r"/pip install .*", (TOP / "Makefile").read_text())
    assert installs
    assert all("-c constraints.txt" in line for line in installs)


def commands() -> list[str]:
    return [
        step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step
    ]


def test_ci_makes_the_tests_and_the_checks_of_the_exchange() -> None:
    targets = {command.split()[-1] for command in commands() if "make " in command}
    assert {"test", "test-fast", "exchange"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(), re.MULTILINE), target
    assert WORKFLOW["jobs"]["fast"]["strategy"]["matrix"]["python"] == PYTHONS


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hooks_are_the_tools_of_the_virtualenv(hook: dict[str, Any]) -> None:
    program, *words = hook["entry"].split()
    known = required("requirements-dev.txt")
    assert program == ".venv/bin/python" or Path(program).name in known
    for word in words:
        assert not word.endswith(".py") or (TOP / word).is_file()


def test_the_address_stands_in_one_place() -> None:
    address = yaml.safe_load(PACK.read_text())["email"]
    for path in (*TOP.glob("*.*"), *(TOP / "docs").glob("*.md"), *(TOP / "lib").rglob("*.py")):
        if path.suffix in (".example", ".md", ".py", ".toml", ".txt", ".yaml") and path != PACK:
            assert address not in path.read_text(), path


@pytest.mark.long
@pytest.mark.parametrize(
    ("asked", "reason"),
    [((), "ask for it with -m cloud"), (("-m", "cloud"), "ask for it with -m crash")],
)
def test_what_needs_a_cloud_or_minutes_is_skipped_with_its_reason(
    asked: tuple[str, ...], reason: str
) -> None:
    """The Exchange runs all of tests/, where no OpenStack can be brought up."""
    name = "tests/cloud/test_crash.py" if asked else "tests/cloud/test_devcloud.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked, name],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert reason in done.stdout
    assert re.fullmatch(r"\d+ skipped.*", done.stdout.splitlines()[-1]), done.stdout


def test_nothing_that_is_kept_is_a_link_or_what_is_made_here() -> None:
    """A virtualenv's link that is kept takes the place of the virtualenv wherever it is pulled."""
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=TOP, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no clone")
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []
    words = ["git", "ls-files", "-ci", "--exclude-standard"]
    assert subprocess.check_output(words, cwd=TOP, text=True) == ""


@pytest.mark.long
def test_no_function_has_more_than_a_dozen_parameters() -> None:
    many = {}
    for path in sorted((TOP / "lib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = [each.arg for each in arguments if each.arg != "self"]
                if len(names) > 12:
                    many[f"{path.name}:{node.name}"] = len(names)
    assert not many, "what belongs together is a struct"


@pytest.mark.long
def test_support_has_no_tests_of_its_own() -> None:
    """Cases that several modules run stand in tests/cases, and use support; never the reverse."""
    wrong = []
    for path in sorted((TOP / "tests" / "support").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            is_cases = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cases")
            if is_test or is_cases:
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
