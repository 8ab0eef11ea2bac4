"""What a look at an installation found: one row of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
