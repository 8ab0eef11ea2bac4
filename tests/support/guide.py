"""docs/WRITING_RUNBOOKS.md: its blocks, and a pack in which somebody has followed it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from skeletons import MARK
from support.pack_copy import TOP, PackCopy

GUIDE = TOP / "docs" / "WRITING_RUNBOOKS.md"
NAME = "server.power_cycle"
MODULE = "lib/workflows/server/power_cycle.py"
TEST = "tests/unit/test_workflows_server_power_cycle.py"


class Block(NamedTuple):
    """A fenced block: its language, the file that it belongs into, and where it stands."""

    language: str
    file: str
    line: int
    text: str


def blocks(language: str) -> list[Block]:
    """Return the blocks of a language in order."""
    page = GUIDE.read_text()
    found = re.finditer(rf"^```{language}( \S+)?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [
        Block(language, (match[1] or "").strip(), page.count("\n", 0, match.start(2)), match[2])
        for match in found
    ]


def program() -> str:
    """Return the blocks to be tried in a Python, on the lines on which the guide has them."""
    lines = [""] * (GUIDE.read_text().count("\n") + 1)
    for block in blocks("python"):
        if not block.file:
            own = block.text.splitlines()
            lines[block.line : block.line + len(own)] = own
    return "\n".join(lines)


def followed(top: Path) -> PackCopy:
    """Return a copy of the pack to which the guide's runbook was added as the guide says.

    Skips the test where somebody has followed it already.
    """
    if (TOP / "actions" / f"{NAME}.yaml").exists():
        pytest.skip(f"{NAME} is in this pack already, and held by its own tests")
    pack = PackCopy(top)
    pack.done("tools/new_runbook.py", NAME)
    assert MARK in pack.read(MODULE)
    pack.write(MODULE, "\n\n".join(_into(MODULE)))
    (test,) = _into(TEST)
    pack.write(TEST, test)
    (change,) = (block.text for block in blocks("text") if block.file == "CHANGES.md")
    pack.write("CHANGES.md", re.sub(rf"^.*{MARK}.*\n", change, pack.read("CHANGES.md"), flags=re.M))
    pack.done("tools/generate.py")
    return pack


def _into(file: str) -> list[str]:
    return [block.text for block in blocks("python") if block.file == file]
