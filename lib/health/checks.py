"""What a look at an installation found: one row of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workflow_api import Table, count

OK, WARN, BAD, OPEN = "ok", "WARN", "BAD", "not checkable"


@dataclass(frozen=True)
class Check:
    """One row: BAD is a problem, WARN may be intended, OPEN cannot be told from here."""

    name: str
    result: str
    detail: str
    advice: str = ""

    def row(self) -> dict[str, Any]:
        """Return the row of the table."""
        return {
            "check": self.name,
            "result": self.result,
            "detail": self.detail,
            "advice": self.advice,
        }

    @property
    def told(self) -> str:
        """The check as a sentence, for those who do not see the table."""
        return f"{self.name}: {self.detail.rstrip('.')}. {self.advice}".strip()


def table(checks: Sequence[Check], of: str, title: str) -> Table:
    """Return the checks as a table that says in its first line what is wrong, ``of`` what."""
    bad = [check for check in checks if check.result == BAD]
    warnings = [check for check in checks if check.result == WARN]
    said = count(len(bad), "problem") if bad else "no problems"
    if warnings:
        said += f", {count(len(warnings), 'warning')}"
    lines = [check.told for check in bad] + [f"warning: {check.told}" for check in warnings]
    return Table(
        ("check", "result", "detail"),
        [check.row() for check in checks],
        title,
        summary="\n  ".join([f"{count(len(checks), 'check')} of {of}: {said}", *lines]),
        good=not bad,
        extra=("advice",),
    )
