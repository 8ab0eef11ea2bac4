"""Where the claims of a runbook go: into the journal in a run, into the report in a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflow_api.attempt import Running
from workflow_api.errors import Held

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord


@dataclass
class HeldClaims:
    """Claims of a run that is carried out."""

    running: Running

    def claim(self, subjects: Sequence[str]) -> None:
        """Take all of the subjects or none; raises Held."""
        self.running.journal.claim(*self.running.fence, subjects)


@dataclass
class ReportedClaims:
    """Claims of a dry run: nothing is taken, holders are remembered for the report."""

    journal: Journal
    _held: dict[str, list[str]] = field(default_factory=dict)
    _runs: dict[str, RunRecord] = field(default_factory=dict)

    def claim(self, subjects: Sequence[str]) -> None:
        """Remember who holds any of the subjects."""
        for subject, run in self.journal.holders(subjects).items():
            self._runs[run.id] = run
            held = self._held.setdefault(run.id, [])
            if subject not in held:
                held.append(subject)

    @property
    def holders(self) -> list[str]:
        """A sentence for each run that holds something."""
        return [
            f"Note: {Held(_some(held), run, self._runs[run].workflow, unfinished=not alive)}"
            for run, held in self._held.items()
            for alive in [self._runs[run].alive]
        ]


def _some(subjects: Sequence[str]) -> str:
    more = len(subjects) - 1
    return f"{subjects[0]} (and {more} more)" if more else subjects[0]
