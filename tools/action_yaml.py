"""The text of an action's YAML file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Given = dict[str, Any]
_WIDTH = 100
# libyaml's where it is there: thousands of values are read.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A parameter with an enum must not be immutable: the web form posts the default of each one.
_END = """\
  env:
    immutable: true
    default: {}
  debug:
    immutable: true
    default: false
  log_level:
    description: How much the runner logs; fixed.
    enum: [INFO]
    default: INFO
  content_version:
    immutable: true
    default: ""
"""


def written(name: str, description: str, form: Mapping[str, Given], timeout: Given) -> str:
    """Return the text of an action's YAML, with the parameters in the order of ``form``."""
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
        if yaml.load(f"key: {value}", _LOADER) == {"key": value}:  # noqa: S506 - a safe one
            return value
    except yaml.YAMLError:
        pass
    return json.dumps(value, ensure_ascii=False)
