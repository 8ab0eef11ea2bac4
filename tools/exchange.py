"""Make the checks of StackStorm Exchange's CI, from this repository's own files.

python tools/exchange.py [check ...]; without names, all of them, cheapest first.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft3Validator, Draft202012Validator, FormatChecker

TOP = Path(__file__).resolve().parents[1]
#: The Exchange compiles packs on this one; where it is not installed, the running Python does.
OLDEST_PYTHON = "python3.10"
#: Folders of this repository that hold no part of the pack.
_NOT_OURS = {"build", "__pycache__"}

_NUMBER = r"(0|[1-9][0-9]*)"
_SEMVER = rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9a-z.-]+)?(\+[0-9a-z.-]+)?$"
_RANGE = r"^((>=|<=|>|<|=) *[0-9]+\.[0-9]+\.[0-9]+ *,? *)+$"
_TEXT = {"type": "string", "minLength": 1}
#: What StackStorm wants of pack.yaml, and the Exchange's index of a pack that it lists.
METADATA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "description", "version", "author", "email", "python_versions"],
    "properties": {
        "ref": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "name": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "description": _TEXT,
        "keywords": {"type": "array", "items": _TEXT},
        "version": {"type": "string", "pattern": _SEMVER},
        "stackstorm_version": {"type": "string", "pattern": _RANGE},
        "python_versions": {
            "type": "array",
            "items": {"enum": ["2", "3"]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "author": _TEXT,
        "email": {"type": "string", "format": "email"},
        "contributors": {"type": "array", "items": {"type": "string", "maxLength": 100}},
        "dependencies": {"type": "array", "items": _TEXT},
    },
}
#: What stands in the text of the only licence that the Exchange takes.
LICENCE = ("Apache License", "Version 2.0", "www.apache.org/licenses/LICENSE-2.0")


@dataclass(frozen=True)
class Check:
    """One check: ``problems`` takes the pack's folder and names what the Exchange would refuse."""

    name: str
    wants: str
    problems: Callable[[Path], Iterable[str]]


def metadata(top: Path) -> Iterator[str]:
    """Yield what StackStorm's rules do not allow in pack.yaml."""
    validator = Draft202012Validator(METADATA, format_checker=FormatChecker())
    for error in validator.iter_errors(_yaml(top / "pack.yaml")):
        yield f"pack.yaml: {error.json_path.removeprefix('$.')}: {error.message}"


def changes(top: Path) -> Iterator[str]:
    """Yield the version of pack.yaml if CHANGES.md has nothing of it."""
    version = _yaml(top / "pack.yaml").get("version")
    if not re.search(rf"^## {re.escape(str(version))}$", (top / "CHANGES.md").read_text(), re.M):
        yield f"CHANGES.md has no section {version!r}, which is the version in pack.yaml"


def licence(top: Path) -> Iterator[str]:
    """Yield what is missing in LICENSE."""
    path = top / "LICENSE"
    text = path.read_text() if path.is_file() else ""
    yield from (f"LICENSE does not contain {words!r}" for words in LICENCE if words not in text)


def data_files(top: Path) -> Iterator[str]:
    """Yield the YAML and JSON files that do not parse."""
    for suffixes, parse in (((".yaml", ".yml"), yaml.safe_load), ((".json",), json.loads)):
        for path in files(top, *suffixes):
            try:
                parse(path.read_text())
            except (yaml.YAMLError, ValueError) as error:
                yield f"{path.relative_to(top)}: {' '.join(str(error).split())}"


def example(top: Path) -> Iterator[str]:
    """Yield where the example configuration is not valid against the schema."""
    # StackStorm marks required properties one by one, as JSON schema draft 3 does.
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": _yaml(top / "config.schema.yaml"),
    }
    for path in sorted(top.glob("*.yaml.example")):
        for error in Draft3Validator(schema).iter_errors(_yaml(path)):
            yield f"{path.name}: {error.json_path.removeprefix('$.')}: {error.message}"


def compiles(top: Path) -> Iterator[str]:
    """Yield the Python files that the oldest Python which is here does not compile."""
    program = (
        "import sys\n"
        "for path in sys.stdin.read().splitlines():\n"
        "    try: compile(open(path, 'rb').read(), path, 'exec')\n"
        "    except (SyntaxError, ValueError) as error: print(path, error, sep=': ')\n"
    )
    named = "\n".join(map(str, files(top, ".py")))
    done = subprocess.run(
        [oldest_python(), "-c", program], input=named, capture_output=True, text=True, check=True
    )
    yield from done.stdout.splitlines()


def oldest_python() -> str:
    """Return the interpreter that compiles: one that is there but does not start is none."""
    found = shutil.which(OLDEST_PYTHON)
    works = found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0
    return found if found and works else sys.executable


def module(*command: str, path: tuple[str, ...] = ()) -> Callable[[Path], Iterable[str]]:
    """Return a check by a module of Python; ``path`` is all that it finds besides packages."""

    def problems(top: Path) -> Iterable[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(top / at) for at in path)}
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=top,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = done.stdout.splitlines()
        return (said or [f"{command[0]} ended with {done.returncode}"]) if done.returncode else ()

    return problems


#: mypy --strict judges by declared types what pylint guesses of the library; the Exchange's CI
#: does not look at lib/.
_GUESSES = "no-member,no-value-for-parameter,unsubscriptable-object,used-before-assignment"
_REGISTERED = ("actions", "aliases", "config", "entry_point")
CHECKS = (
    Check("metadata", "pack.yaml by StackStorm's rules, with a semantic version", metadata),
    Check("changes", "a section of CHANGES.md for the version", changes),
    Check("licence", "the Apache License 2.0", licence),
    Check("data files", "every YAML and JSON file parses", data_files),
    Check("example", "the example configuration is valid against config.schema.yaml", example),
    Check("compile", "every Python file compiles", compiles),
    Check(
        "flake8",
        "the Exchange's rules but those that black breaks (.flake8 says which)",
        module("flake8", *("actions", "lib", "tests", "tools", "bench", "devcloud")),
    ),
    Check(
        "pylint actions",
        "pylint -E, as the Exchange runs it: without lib/ on the path",
        module("pylint", "-E", "actions/src", path=("tests/support/st2_standin",)),
    ),
    Check(
        "pylint lib",
        "pylint -E of the library, but what it guesses of types",
        module("pylint", "-E", f"--disable={_GUESSES}", "lib", path=("lib",)),
    ),
    Check(
        "registration",
        "every action, alias and configuration key is one that StackStorm registers",
        module("pytest", "-q", *(f"tests/contract/test_{name}.py" for name in _REGISTERED)),
    ),
    Check(
        "tests",
        "the tests as the Exchange runs them: all of tests/, with these folders on the path",
        module(
            *("pytest", "-q", "-n", "6", "--dist", "worksteal", "tests/"),
            path=("lib", "sensors", "actions", "actions/lib", "etc"),
        ),
    ),
)


def files(top: Path, *suffixes: str) -> list[Path]:
    """Return the pack's files with one of these suffixes; hidden folders hold none."""
    found = []
    for folder, inner, names in os.walk(top):
        inner[:] = sorted(n for n in inner if not n.startswith(".") and n not in _NOT_OURS)
        found += [Path(folder, name) for name in sorted(names) if name.endswith(suffixes)]
    return found


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def main() -> int:
    """Run the named checks and say of each how it ended; 1 if any found a problem."""
    names = [check.name for check in CHECKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", nargs="*", help=f"one of: {', '.join(names)}")
    wanted = parser.parse_args().check or names
    if unknown := sorted(set(wanted) - set(names)):
        parser.error(f"no check {', '.join(unknown)}; there are: {', '.join(names)}")
    print(f"compiling with {oldest_python()}; cloud tests are skipped", flush=True)
    count = 0
    for check in (one for one in CHECKS if one.name in wanted):
        problems = list(check.problems(TOP))
        count += bool(problems)
        print(f"{'FAILED' if problems else 'passed'}  {check.name}: {check.wants}", flush=True)
        for problem in problems:
            print(f"        {problem}")
    print(f"{len(wanted) - count} of {len(wanted)} checks passed")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
