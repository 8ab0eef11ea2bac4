"""The example of every action, from tests/data/examples.yaml, and how it is typed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).resolve().parents[1] / "tests" / "data" / "examples.yaml"


def example(name: str) -> dict[str, Any]:
    """Return the parameters of an action's example. Raises KeyError if it has none."""
    return deepcopy(all_examples()[name])


@cache
def all_examples() -> dict[str, dict[str, Any]]:
    """Return the parameters of all examples by action; nobody may change them."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text())
    return found


def typed(parameters: Mapping[str, Any]) -> list[str]:
    """Return parameters as the words of a command line, quoted for a shell."""
    return [f"{name}={shlex.quote(_text(value))}" for name, value in parameters.items()]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list):
        return json.dumps(value) if any("," in one for one in value) else ",".join(value)
    return str(value)
