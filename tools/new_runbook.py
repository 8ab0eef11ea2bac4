"""Write the skeleton of a runbook that changes something, for its author to fill in.

python tools/new_runbook.py server.power_cycle

It appends the look-up, the step and the runbook to the subject's module, which is made if the
subject is new; adds an example, a test and a line in CHANGES.md; and generates what is generated.
Each place where the author is asked for something says FILL IN; a test finds those that are left.
"""

from __future__ import annotations

import argparse
import ast
import keyword
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "lib"), str(TOP / "tools")]

import skeletons  # noqa: E402 - found by the line above

EXAMPLES = Path("tests", "data", "examples.yaml")
CHANGES = Path("CHANGES.md")
MARK = skeletons.MARK
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*\.[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LONGEST = 50
_ENTRY = re.compile(r"^([a-z_]+\.[a-z_.]+):", re.MULTILINE)


def main() -> None:
    """Write the skeletons, or say in a sentence why one cannot be and exit with 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", default=[""], help="subject.verb, as server.power_cycle"
    )
    written: dict[str, None] = {}
    for name in parser.parse_args().names:
        if why := refusal(name, TOP):
            print(why, file=sys.stderr)
            sys.exit(2)
        written |= dict.fromkeys(write(name, TOP))
    code = [path for path in written if path.endswith(".py")]
    _tool("-m", "ruff", "check", "--quiet", "--select", "I", "--fix", *code)
    _tool("-m", "black", "--quiet", *code)
    _tool("tools/generate.py")
    print("written:", *written, sep="\n  ")
    print(f"Next: replace each {MARK} in them, as docs/WRITING_RUNBOOKS.md shows.")


def refusal(name: str, top: Path) -> str:
    """Return why there can be no new runbook of this name; nothing if there can."""
    if not name:
        return "Say which runbook: make runbook NAME=server.power_cycle"
    if not _NAME.fullmatch(name):
        return f"{name!r} is not of the form subject.verb, in small letters: server.power_cycle"
    if len(name) > _LONGEST:
        return f"{name!r} is longer than {_LONGEST} letters: operators have to type it"
    subject, _, verb = name.partition(".")
    if words := [word for word in (subject, verb) if keyword.iskeyword(word)]:
        return f"{words[0]!r} is a word of Python's own, which no module or function can be called"
    if (top / "actions" / f"{name}.yaml").exists() or _example_at(name, top) is None:
        return f"There is a runbook {name} already: choose another verb"
    module = module_of(subject, verb, top)
    if module.is_file() and module.parent.name == subject:
        return f"There is {module.relative_to(top)} already: choose another verb"
    taken = _defined(module.read_text()) if module.is_file() else set()
    if found := sorted(taken & set(skeletons.functions(subject, verb))):
        return f"{module.relative_to(top)} has a {found[0]} already: choose another verb"
    return "" if _test_of(name, top) else f"There are tests of {name} already, in tests/unit"


def write(name: str, top: Path) -> list[str]:
    """Write the skeleton below ``top``; return the files, relative to it."""
    subject, _, verb = name.partition(".")
    module, test = module_of(subject, verb, top), _test_of(name, top)
    assert test is not None
    old = module.read_text() if module.is_file() else skeletons.new_module(subject)
    module.write_text(_with_imports(old, subject) + skeletons.runbook(subject, verb, _defined(old)))
    test.write_text(skeletons.test(subject, verb))
    _insert_example(name, top)
    _insert_change(name, top)
    return [str(path.relative_to(top)) for path in (module, test)] + [str(EXAMPLES), str(CHANGES)]


def module_of(subject: str, verb: str, top: Path) -> Path:
    """Return the file for a runbook: its subject's module, or one of its own in a package."""
    folder = top / "lib" / "workflows"
    return (
        folder / subject / f"{verb}.py" if (folder / subject).is_dir() else folder / f"{subject}.py"
    )


def _test_of(name: str, top: Path) -> Path | None:
    """Return the file for the runbook's test; None if there is one."""
    path = top / "tests" / "unit" / f"test_workflows_{name.replace('.', '_')}.py"
    return None if path.exists() else path


def _defined(text: str) -> set[str]:
    """Return what a module calls its own at its top: functions, classes, imported names."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _with_imports(text: str, subject: str) -> str:
    """Return a module with the imports that a skeleton needs; ruff sorts them and joins them."""
    present = _defined(text)
    missing = [
        f"from {module} import {name}" if module else f"import {name}"
        for module, name in skeletons.imports(subject, present)
    ]
    tree = ast.parse(text)
    after = max(
        (node.end_lineno or 0 for node in tree.body if _opens(node)),
        default=0,
    )
    lines = text.splitlines()
    return "\n".join([*lines[:after], *missing, *lines[after:]]) + "\n"


def _opens(node: ast.stmt) -> bool:
    """Return whether a statement belongs to a module's beginning: its docstring, its imports."""
    return isinstance(node, (ast.Import, ast.ImportFrom)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _example_at(name: str, top: Path) -> int | None:
    """Return where among the examples one of this name belongs; None if there is one."""
    text = (top / EXAMPLES).read_text()
    entries = list(_ENTRY.finditer(text))
    if name in {entry[1] for entry in entries}:
        return None
    return next((entry.start() for entry in entries if entry[1] > name), len(text))


def _insert_example(name: str, top: Path) -> None:
    path, at = top / EXAMPLES, _example_at(name, top)
    text = path.read_text()
    path.write_text(f"{text[:at]}{name}: {skeletons.example(name.partition('.')[0])}\n{text[at:]}")


def _insert_change(name: str, top: Path) -> None:
    """Add a line to the end of the newest version's."""
    path = top / CHANGES
    head, newest, *older = re.split(r"(?m)^(?=## )", path.read_text())
    newest = f"{newest.rstrip()}\n- `{name}`: {MARK} what it does, for operators who upgrade.\n"
    between = "\n" if older else ""
    path.write_text("".join([head, newest, between, *older]))


def _tool(*command: str) -> None:
    """Run one of our tools; what it complains of is its own to say."""
    done = subprocess.run([sys.executable, *command], cwd=TOP, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
