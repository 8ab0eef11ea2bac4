"""Who may import whom: downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
LIB = TOP / "lib"
PACKAGES = sorted(p.name for p in LIB.iterdir() if p.is_dir() and p.name != "__pycache__")

# The small types of workflow_api, for everybody; the rest of it runs plans and calls.
TYPES = {
    "__init__",
    "context",
    "duration",
    "errors",
    "exports",
    "former_steps",
    "files",
    "humane",
    "layout",
    "picking",
    "plan",
    "redaction",
    "ref",
    "result",
    "rows",
    "secret_forms",
    "step",
    "strict_yaml",
    "table",
    "text",
    "view",
    "tracing",
    "unreadable",
    "version",
    "workflow",
}
SMALL = {path.stem for path in (LIB / "workflow_api").glob("*.py")} & TYPES
DISPATCH = {path.stem for path in (LIB / "workflow_api").glob("*.py")} - TYPES
OUTSIDE = {"query_api", "openstack_api", "email_api"}
# package -> packages it may import. workflow_api is split in two: types and dispatch.
MAY = {
    "types": {"types"},
    "accounts": {"accounts", "types"},
    "state": {"state", "types"},
    "query_api": {"query_api", "accounts", "types"},
    "openstack_api": {"openstack_api", "accounts", "types"},
    "email_api": {"email_api", "accounts", "types"},
    "workflows": {
        "workflows",
        "query_api",
        "openstack_api",
        "email_api",
        "accounts",
        "state",
        "types",
    },
    "dispatch": {"dispatch", "workflows", "state", "accounts", "types"},
    "local_runner": {"local_runner", "dispatch", "accounts", "types"},
}
# Names of types only, for annotations: no import when the code runs.
HEAVY = {
    "openstack": {"openstack_api", "accounts"},
    "sqlalchemy": {"state"},
    "alembic": {"state"},
    "rich": {"local_runner"},
    "typer": {"local_runner"},
    "jinja2": {"email_api"},
    "jsonschema": {"local_runner"},
    "email_validator": {"email_api"},
    "smtplib": {"email_api"},
    "st2common": set(),
}


def layer(module: Path) -> str:
    package = module.relative_to(LIB).parts[0]
    if package != "workflow_api":
        return package
    return "dispatch" if module.stem in DISPATCH else "types"


def layer_of_import(name: str) -> str | None:
    first, _, rest = name.partition(".")
    if first not in PACKAGES:
        return None
    if first != "workflow_api":
        return first
    return "dispatch" if rest.partition(".")[0] in DISPATCH else "types"


def imports(module: Path) -> Iterator[tuple[str, int]]:
    """Yield what the module imports when it runs, wherever in it that stands."""
    tree = ast.parse(module.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


MODULES = sorted(LIB.rglob("*.py"))


@cache
def all_imports() -> list[tuple[Path, str, int]]:
    return [(module, *found) for module in MODULES for found in imports(module)]


def test_every_package_has_its_place() -> None:
    assert SMALL == TYPES, "a module that is gone, or was renamed"
    assert set(PACKAGES) == set(MAY) - {"types", "dispatch"} | {"workflow_api"}


def test_imports_go_downwards_only() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module, name, line in all_imports()
        if layer_of_import(name) not in (None, *MAY[layer(module)])
    ]
    assert wrong == []


def test_no_two_files_import_each_other() -> None:
    """Neither directly nor over others, imports inside functions included."""
    named = {dotted(module): module for module in MODULES}
    graph: dict[str, set[str]] = {name: set() for name in named}
    for module, name, _ in all_imports():
        target = name if name in named else name.rpartition(".")[0]
        if target in named and target != dotted(module):
            graph[dotted(module)].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"files import each other: {' -> '.join(error.args[1])}")


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(LIB).with_suffix("").parts).removesuffix(".__init__")


def test_heavy_libraries_are_imported_where_they_belong() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module, name, line in all_imports()
        if (allowed := HEAVY.get(name.partition(".")[0])) is not None
        and module.relative_to(LIB).parts[0] not in allowed
    ]
    assert wrong == []


def test_outside_systems_do_not_know_each_other() -> None:
    for one in OUTSIDE:
        assert not (MAY[one] & OUTSIDE) - {one}


def test_no_file_is_long() -> None:
    long = {
        str(path.relative_to(TOP)): lines
        for folder in ("lib", "actions", "devcloud", "bench", "tools")
        for path in (TOP / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 330
    }
    assert not long
