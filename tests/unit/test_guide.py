"""The author's guide: its code runs, what it claims holds, its action is as it says."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

GUIDE = Path(__file__).parents[2] / "docs" / "WRITING_RUNBOOKS.md"
COMMON = {"dry_run", "max_changes", "ticket", "trigger_id"}
RUNNER = {"timeout", "env", "debug", "log_level", "content_version"}
IDENTITY = {"workflow", "requested_by", "deadline"}


def blocks(language: str) -> list[tuple[int, str]]:
    """Return the fenced blocks of a language with the line on which each begins."""
    text = GUIDE.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start()].count("\n") + 1, match[1]) for match in found]


@pytest.fixture(scope="module")
def namespace() -> dict[str, Any]:
    """Everything that the guide defines, after all of it has run as one module."""
    module = ModuleType("workflows.rack")
    for line, code in blocks("python"):
        padded = "\n" * line + code  # so that a traceback shows the guide's own lines
        exec(compile(padded, str(GUIDE), "exec", dont_inherit=True), vars(module))
    return vars(module)


def test_every_block_runs(namespace: dict[str, Any]) -> None:
    assert {"list_racks", "close_rack", "close", "test_the_plan"} <= set(namespace)


def test_the_step_can_be_looked_up_and_undone_twice(namespace: dict[str, Any]) -> None:
    register = namespace["Register"].from_config(None, None)

    class Attempt:
        def sending(self) -> None:
            pass

    was = {"open": True, "reason": ""}
    assert namespace["find_closed"](register, "r2", "dust") is None
    namespace["close_rack"](Attempt(), register, "r2", "dust", was)
    assert namespace["find_closed"](register, "r2", "dust") == {"notice": "r2: dust"}
    for _ in range(2):
        namespace["reopen"](Attempt(), register, "r2", was)
        assert register.read()["racks"]["r2"] == was


def test_the_reference_raises_while_planning(namespace: dict[str, Any]) -> None:
    plan = namespace["Plan"]("Test")
    ref = plan.add(namespace["close_rack"], rack="r1", reason="x", was={})["notice"]
    for use in (lambda: f"{ref}", lambda: ref == "x", lambda: bool(ref)):
        with pytest.raises(TypeError, match="known only when the plan runs"):
            use()


def test_the_action_is_that_of_the_function(namespace: dict[str, Any]) -> None:
    ((_, text),) = blocks("yaml")
    action = yaml.safe_load(text)
    _context, *rest = inspect.signature(namespace["close"]).parameters.values()
    parameters = action["parameters"]
    assert set(parameters) == {p.name for p in rest} | COMMON | RUNNER | IDENTITY
    assert (action["runner_type"], action["entry_point"]) == (
        "python-script",
        "src/workflow_actions.py",
    )
    assert parameters["workflow"]["default"] == action["name"] == "rack.close"
    for parameter in rest:
        given = parameters[parameter.name].get("default", parameter.empty)
        if parameter.name != "register":
            assert given == parameter.default
            assert parameters[parameter.name].get("required", False) == (
                parameter.default is parameter.empty
            )
    visible = [p for name, p in parameters.items() if name not in RUNNER]
    assert [p["position"] for p in visible] == list(range(1, len(visible) + 1))
    for name in (RUNNER | IDENTITY) - {"timeout", "log_level"}:
        assert parameters[name]["immutable"] is True
    assert action["description"] == inspect.getdoc(namespace["close"])


def test_it_speaks_of_nothing_that_is_not_there() -> None:
    import workflow_api

    code = "\n".join(code for _, code in blocks("python"))
    imported = re.findall(r"^from workflow_api import (.+)$", code, re.MULTILINE)
    names = {name.strip() for line in imported for name in line.split(",")}
    assert names <= set(workflow_api.__all__)
    assert "workflow_api" in sys.modules
