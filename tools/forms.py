"""The YAML of an action: what is its own, and the order and words that all actions share.

What every action of a kind has alike (``dry_run``, ``output``, who asks, the runner's own) stands
here once. The rest is an action's own: made from tables (search_actions.py) or written by hand in
its file, from which it is read back here. A form is in one order everywhere: what it is about,
``dry_run``, what bounds it, the rest, where the answer goes, the ticket and the trigger.
"""

from __future__ import annotations

import json
import textwrap
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from common.table import FORMS
from engine.parameters import ALWAYS, CHANGING, READING
from workflow_api.workflow import RunRequest, workflow_named

Given = dict[str, Any]
_WIDTH = 100
_STRING: Given = {"type": "string"}
# What says which things an action is about, beside whatever is required.
_ABOUT = {
    *("cloud", "clouds", "cloud_a", "cloud_b", "resource", "where", "match", "kinds", "what"),
    *("roles", "ports", "protocols", "flavors", "older_than", "projects", "all_projects"),
    *("window", "effect", "replacement", "which", "state", "workflow_name", "step"),
    *("subject", "text", "notice"),
}
# In this order.
_BOUNDS = ("max_recipients", "max_parallel", "max_changes", "limit", "rows")
# One named object, which is changed at once unless a dry run is asked for.
_ONE_OBJECT = frozenset({"server.migrate", "hypervisor.disable", "hypervisor.enable"})
_RUNNER = ("timeout", "env", "debug", "log_level", "content_version")
# A parameter with an enum must not be immutable: the web form posts the default of each one.
_END = """\
  env:
    immutable: true
    default: {}
  debug:
    immutable: true
    default: false
  log_level:
    description: How much the runner logs; there is nothing to choose.
    enum: [INFO]
    default: INFO
  content_version:
    immutable: true
    default: ""
"""


def rewritten(path: Path) -> str:
    """Return what an action's file has to be: its own parameters in the common order and words."""
    action = yaml.safe_load(path.read_text())
    common = {*CHANGING, *READING, *ALWAYS, "workflow", *_RUNNER}
    workflow = workflow_named(action["name"])
    known = {*workflow.parameters, *workflow.accounts}
    own = {
        name: {key: value for key, value in given.items() if key != "position"}
        for name, given in action["parameters"].items()
        if name not in common or name in known
    }
    return written(action["name"], action["description"], own, action["parameters"]["timeout"])


def written(name: str, description: str, own: Mapping[str, Given], timeout: Given) -> str:
    """Return the text of an action's YAML."""
    form = _in_order({**own, **_common(name)})
    lines = [
        "---",
        f"name: {name}",
        *_described(description, ""),
        "enabled: true",
        "runner_type: python-script",
        "entry_point: src/workflow_actions.py",
        "parameters:",
    ]
    # From 1: the web form takes a position of 0 for none.
    for position, (parameter, given) in enumerate(form.items(), 1):
        lines += [f"  {parameter}:", *_lines({**given, "position": position})]
    lines += ["  timeout:", *_lines(timeout)]
    return "\n".join(lines) + "\n" + _END


def _in_order(form: Mapping[str, Given]) -> dict[str, Given]:
    return dict(sorted(form.items(), key=lambda entry: _place(*entry)))


def _place(name: str, given: Given) -> tuple[int, int]:
    """Return where a parameter stands in a form; those of one place keep their order."""
    if given.get("immutable"):
        return 6, 0
    if name in ("ticket", "trigger_id"):
        return 5, 0
    if name in READING:
        return 4, 0
    if name in _BOUNDS:
        return 2, _BOUNDS.index(name)
    if name == "dry_run":
        return 1, 0
    return (0, 0) if given.get("required") or name in _ABOUT else (3, 0)


# -- what actions have alike -------------------------------------------------------------------


def _common(name: str) -> dict[str, Given]:
    workflow = workflow_named(name)
    if workflow.changes:
        return {**_changing(name), **_identity(name)}
    if typing.get_type_hints(workflow.function)["return"] is RunRequest:
        return _identity(name)
    return {**_answer(), **_identity(name)}


def _changing(name: str) -> dict[str, Given]:
    shows = f"shows the plan and {'sends' if name.startswith('email.') else 'changes'} nothing"
    dry = f"On unless you untick it: {shows}."
    if name in _ONE_OBJECT:
        dry = f"Off unless you tick it: then it {shows}."
    bound = "Refuse a plan with more changes than this; limits.max_changes if empty."
    ticket = "The ticket or change this is done for; kept in the journal."
    trigger = "For rules: the trigger instance, which starts nothing twice."
    return {
        "dry_run": {"description": dry, "type": "boolean", "default": name not in _ONE_OBJECT},
        "max_changes": {"description": bound, "type": "integer", "minimum": 0},
        "ticket": {"description": ticket, **_STRING},
        "trigger_id": {"description": trigger, **_STRING},
    }


def _answer() -> dict[str, Given]:
    path = "Also write the whole table to this absolute path on the action runner."
    form = "The form of the text in the result."
    return {
        "output": {"description": form, **_STRING, "enum": list(FORMS), "default": "text"},
        "output_file": {"description": path, **_STRING},
    }


def _identity(name: str) -> dict[str, Given]:
    said = {
        "workflow": ("The workflow behind this action.", name),
        "requested_by": ("Who asks, as StackStorm says.", "{{ action_context.user }}"),
        "deadline": ("The timeout, so that a run stops in time.", "{{ timeout }}"),
    }
    return {
        parameter: {"description": text, **_STRING, "immutable": True, "default": default}
        for parameter, (text, default) in said.items()
    }


# -- as YAML -----------------------------------------------------------------------------------


def _lines(given: Given) -> Iterator[str]:
    for key, value in given.items():
        if key == "description":
            yield f"    description: {_scalar(value)}"
        elif isinstance(value, dict):
            yield f"    {key}:"
            yield from (f"      {inner}: {_scalar(one)}" for inner, one in value.items())
        elif key == "enum":
            yield from _enum(value)
        else:
            yield f"    {key}: {_scalar(value)}"


def _enum(values: list[str]) -> list[str]:
    line = f"    enum: [{', '.join(values)}]"
    if len(line) <= _WIDTH:
        return [line]
    return ["    enum:", *(f"      - {value}" for value in values)]


def _described(text: str, indent: str) -> list[str]:
    line = f"{indent}description: {_scalar(text)}"
    if len(line) <= _WIDTH:
        return [line]
    inner = indent + "  "
    folded = textwrap.wrap(text, _WIDTH - len(inner), break_on_hyphens=False)
    return [f"{indent}description: >-", *(inner + part for part in folded)]


def _scalar(value: Any) -> str:
    """Return a value as YAML, without quotes where they change nothing."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        if yaml.safe_load(f"key: {value}") == {"key": value}:
            return value
    except yaml.YAMLError:
        pass
    return json.dumps(value, ensure_ascii=False)
