"""The examples of docs/QUERY.md: commands, and programs in Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "QUERY.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return the words after ``./runbook run`` of each command: an action and its parameters."""
    found = []
    for text in _blocks("console"):
        for line in text.replace("\\\n", "").splitlines():
            runner, verb, *words = shlex.split(line)
            assert (runner, verb) == ("./runbook", "run"), line
            found.append(words)
    return found


def programs() -> list[str]:
    """Return each program; it expects ``clouds``."""
    return _blocks("python")


def conditions() -> list[str]:
    """Return each line of the blocks that show the language of conditions."""
    return [line for text in _blocks("text") for line in text.splitlines()]


def _blocks(language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(PAGE.read_text()) if kind == language]
