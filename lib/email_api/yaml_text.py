"""Reading YAML that somebody wrote by hand, as plain JSON and nothing else."""

from __future__ import annotations

import datetime
import math
from typing import Any

from workflow_api.table import brief
from workflow_api.text import clean

# More is no list of variables: aliases can make a few lines into millions of values.
_DEEPEST, _MOST = 20, 200_000
_PLAIN = "write texts, numbers, true or false, dates, lists and mappings"


class Unreadable(Exception):
    """What is wrong with a YAML text, as a part of a sentence, and in which line if it is known."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why, self.line = why, line


def plain_yaml(text: str) -> Any:
    """Return what a YAML or JSON text says, dates and times as ISO 8601 has them.

    Raises Unreadable for what is not YAML, or has something that JSON does not have.
    """
    import yaml

    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = clean(getattr(error, "problem", None) or "not YAML")
        raise Unreadable(why, mark.line + 1 if mark else 0) from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except Exception as error:  # the 30th of February, and whatever else a value cannot be made of
        raise Unreadable(f"a value is not right: {clean(error)}") from None
    return _Reading().plain(read, 0)


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
