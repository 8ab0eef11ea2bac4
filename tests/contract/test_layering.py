"""Who may import whom: downwards only."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
LIB = TOP / "lib"
PACKAGES = sorted(p.name for p in LIB.iterdir() if p.is_dir() and p.name != "__pycache__")

QUERY = ("language", "wire", "resources", "execution", "lookups")
OUTSIDE = {
    "query_api",
    "openstack_api",
    "email_api",
    "icinga_api",
    "alertmanager_api",
    "ssh_api",
    "webhook_api",
    "notification_api",
}
_BASE = {"common", "state", "accounts"}
# What several runbooks share: one folder a thing, each with what it may import of the others.
_SHARED = {
    "protection": set[str](),
    "health": set[str](),
    "owners": set[str](),
    "searches": set[str](),
    "monitoring": set[str](),
    "waiting": set[str](),
    "keeping": {"protection", "waiting"},
    "verbs": {"protection", "keeping", "waiting"},
    "flavors": {"protection"},
    "images": {"keeping", "protection", "waiting"},
    "audits": {"keeping"},
    "migration": {"protection", "waiting"},
    "hypervisors": {"keeping", "migration", "verbs"},
    "brakes": {"hypervisors"},
    "maintenance": {"brakes", "campaigns", "hypervisors", "remote"},
    "campaigns": {"owners", "protection"},
    "bulk": {"searches"},
    "remote": set[str](),
    "observers": {"audits", "hypervisors"},
}
# folder -> folders it may import beside itself. A folder of query_api may import those before it.
MAY: dict[str, set[str]] = {
    "common": set(),
    "state": {"common"},
    "accounts": {"common"},
    "workflow_api": _BASE,
    **{
        f"query_api.{one}": {"common", "accounts", *(f"query_api.{below}" for below in QUERY[:n])}
        for n, one in enumerate(QUERY)
    },
    "openstack_api": {"common", "accounts"},
    "email_api": {"common", "accounts"},
    "icinga_api": {"common", "accounts"},
    "alertmanager_api": {"common", "accounts"},
    "ssh_api": {"common", "accounts"},
    "webhook_api": {"common", "accounts"},
    "notification_api": {"common", "accounts"},
    **{one: {*_BASE, "workflow_api", *OUTSIDE, *others} for one, others in _SHARED.items()},
    "workflows": {*_BASE, "workflow_api", *OUTSIDE, *_SHARED},
    "engine": {*_BASE, "workflow_api"},  # a runbook's module it imports by the action's name
    "observing": {*_BASE, "observers", "notification_api"},
    "rules": {"common"},
    "local_runner": {*_BASE, "workflow_api", "engine", "observers", "observing", "rules"},
}
# Names of types only, for annotations: no import when the code runs.
HEAVY = {
    "openstack": {"openstack_api", "accounts"},
    "sqlalchemy": {"state"},
    "alembic": {"state"},
    "rich": {"local_runner"},
    "typer": {"local_runner"},
    "jinja2": {"email_api", "rules"},
    "jsonschema": {"local_runner"},
    "email_validator": {"email_api"},
    "smtplib": {"email_api"},
    "paramiko": {"ssh_api"},
    "kombu": {"notification_api"},
    "amqp": set(),
    "st2common": set(),
}


def folder(name: str) -> str | None:
    """Return the folder of the house that a module is in; None if it is none of ours."""
    first, _, rest = name.partition(".")
    if first not in PACKAGES:
        return None
    inner = rest.partition(".")[0]
    return f"{first}.{inner}" if first == "query_api" and inner in QUERY else first


def may(one: str, other: str) -> bool:
    allowed = {one, *MAY[one]}
    return other in allowed or other.partition(".")[0] in allowed


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


def test_every_folder_has_its_place() -> None:
    assert {*PACKAGES} == {one.partition(".")[0] for one in MAY}
    inner = {p.name for p in (LIB / "query_api").iterdir() if p.is_dir() and p.name[0] != "_"}
    assert inner == {*QUERY}


def test_imports_go_downwards_only() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module, name, line in all_imports()
        if (here := folder(dotted(module))) and (there := folder(name)) and not may(here, there)
    ]
    assert wrong == []


def test_folders_stand_one_above_the_other() -> None:
    """No two folders may import each other, whatever the table above comes to say."""
    graph = {one: {other for other in MAY if other != one and may(one, other)} for one in MAY}
    TopologicalSorter(graph).prepare()


def test_the_page_says_which_shared_folders_use_others() -> None:
    page = (TOP / "docs" / "ARCHITECTURE.md").read_text()
    (note,) = re.findall(r"^- Some shared folders use others: (.*)\.$", page, re.MULTILINE)
    said = {}
    for clause in note.split("; "):
        one, *others = re.findall(r"`(\w+)/`", clause)
        said[one] = {*others}
    assert said == {one: others for one, others in _SHARED.items() if others}


def test_runbooks_see_the_engine_through_workflow_api_alone() -> None:
    assert not {"engine", "local_runner"} & MAY["workflows"]


def test_no_folder_is_called_as_an_installed_module() -> None:
    """lib/ stands first on the path under StackStorm: a lib/requests would break every client."""
    installed = {*sys.stdlib_module_names, *packages_distributions()}
    assert not {*PACKAGES} & installed


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
    for one in MAY:
        if one.partition(".")[0] in OUTSIDE:
            others = {other.partition(".")[0] for other in MAY[one]} & OUTSIDE
            assert others <= {one.partition(".")[0]}


#: Files of more than 300 lines, none of more than 330, and why they are one.
LONG = {
    "lib/notification_api/consuming.py": "one broker from the login to the acknowledgement",
    "lib/notification_api/facts.py": "one table of where the facts of notifications stand",
    "lib/state/runs.py": "each statement on the table of runs, which one lease fences",
    "lib/accounts/cloud.py": "the one type that runbooks ask for a cloud by",
    "lib/migration/placement_check.py": "the one question whether servers fit elsewhere",
}


def test_no_file_is_long() -> None:
    long = {
        str(path.relative_to(TOP)): lines
        for folder in ("lib", "actions", "devcloud", "bench", "tools")
        for path in (TOP / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert long.keys() - LONG.keys() == set(), "part it, or say above why it is one"
    assert all((TOP / name).exists() for name in LONG)
    assert max(long.values()) <= 330


def test_a_cloud_in_memory_is_for_tests_of_the_query_alone() -> None:
    """Runbooks, sessions and the engine meet HTTP (docs/decisions.md)."""
    tests = [path for path in (TOP / "tests").rglob("*.py") if "__pycache__" not in path.parts]
    using = {path for path in tests if re.search(r"import .*\bMemoryCloud\b", path.read_text())}
    assert len(using) > 5
    stray = [
        path.name
        for path in using
        if not path.name.startswith("test_query_api_") and path.name != "synthetic_cloud.py"
    ]
    assert stray == []
    own = {
        found
        for path in tests
        for found in re.findall(r"^class (\w+)\((?:\w+, )*Cloud\b", path.read_text(), re.MULTILINE)
    }
    assert own == {"MemoryCloud"}, "another transport: let a MemoryCloud or a FakeCloud answer"
