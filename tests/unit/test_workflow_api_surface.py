"""The public surface is what it is on purpose, and costs nothing to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, get_origin

import workflow_api

LIB = Path(__file__).parents[2] / "lib"
HEAVY = {
    "alembic",
    "asyncio",
    "jinja2",
    "keystoneauth1",
    "openstack",
    "requests",
    "sqlalchemy",
    "state",
    "tenacity",
    "yaml",
}


def test_exported_members() -> None:
    assert workflow_api.__all__ == [
        "Ambiguous",
        "Attempt",
        "Begun",
        "CloudError",
        "Context",
        "Duration",
        "End",
        "Held",
        "Interrupted",
        "LeaseLost",
        "NotFound",
        "OnFailure",
        "ParameterGroup",
        "Paused",
        "Plan",
        "Ref",
        "Refused",
        "Requester",
        "Result",
        "RunRequest",
        "RunbookError",
        "StepFailed",
        "Table",
        "Undo",
        "UnknownOutcome",
        "UserError",
        "clean",
        "count",
        "humanize",
        "listed",
        "near",
        "picked",
        "step",
        "utc",
        "workflow",
    ]


def test_every_member_says_what_it_is() -> None:
    for name in workflow_api.__all__:
        member: Any = getattr(workflow_api, name)
        if get_origin(member) is not None:  # an alias of literals says it by itself
            continue
        # Not one that is inherited: that would be of something else.
        assert member.__dict__.get("__doc__") if inspect.isclass(member) else member.__doc__, name
        for inner, function in vars(member).items() if inspect.isclass(member) else ():
            if inspect.isfunction(function) and not inner.startswith("_"):
                assert function.__doc__, f"{name}.{inner}"


def test_every_failure_is_of_one_tree() -> None:
    errors = [
        member
        for name in workflow_api.__all__
        if inspect.isclass(member := getattr(workflow_api, name)) and issubclass(member, Exception)
    ]
    assert all(issubclass(error, workflow_api.RunbookError) for error in errors)
    assert len(errors) == 12


def test_what_a_reading_runbook_does_not_import() -> None:
    code = (
        "import sys, workflow_api, engine.dispatch\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(LIB)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) & HEAVY == set()


def test_no_file_is_long() -> None:
    lengths = {p.name: len(p.read_text().splitlines()) for p in (LIB / "workflow_api").glob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines >= 300} == {}
