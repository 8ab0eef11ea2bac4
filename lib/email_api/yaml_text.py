"""Reading YAML that somebody wrote by hand, as plain JSON and nothing else."""

from __future__ import annotations

import datetime
import math
from typing import Any

from common.strict_yaml import Unreadable, load
from common.view import brief

__all__ = ["Unreadable", "plain_yaml"]

# More is no list of variables: aliases can make a few lines into millions of values.
_DEEPEST, _MOST = 20, 200_000
_PLAIN = "write texts, numbers, true or false, dates, lists and mappings"


def plain_yaml(text: str) -> Any:
    """Return what a YAML or JSON text says, dates and times as ISO 8601 has them.

    Raises Unreadable for what is not YAML, or has something that JSON does not have.
    """
    return _Reading().plain(load(text), 0)


class _Reading:
    def __init__(self) -> None:
        self._values = 0

    def plain(self, value: Any, depth: int) -> Any:
        """Return a value as JSON has it."""
        self._values += 1
        if depth > _DEEPEST or self._values > _MOST:
            raise Unreadable("it is nested too deeply, or refers to itself")
        if isinstance(value, dict):
            if odd := [name for name in value if not isinstance(name, str)]:
                raise Unreadable(f"a name has to be a text, and {brief(repr(odd[0]), 60)} is none")
            return {name: self.plain(inner, depth + 1) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.plain(inner, depth + 1) for inner in value]
        if isinstance(value, (datetime.date, datetime.datetime)):
            return value.isoformat()
        if isinstance(value, float) and not math.isfinite(value):
            raise Unreadable(f"{value} is no number: {_PLAIN}")
        if value is None or isinstance(value, (str, int, float)):
            return value
        raise Unreadable(f"{brief(repr(value), 60)} cannot be written in a mail: {_PLAIN}")
