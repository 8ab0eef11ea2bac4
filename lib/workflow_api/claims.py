"""Where the claims of a runbook go: into the journal in a run, into the report in a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflow_api.attempt import Running
from workflow_api.errors import Held

if TYPE_CHECKING:
    from state.journal import Journal


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
    holders: list[str] = field(default_factory=list)

    def claim(self, subjects: Sequence[str]) -> None:
        """Remember who holds any of the subjects."""
        for subject, run in self.journal.holders(subjects).items():
            note = f"Note: {Held(subject, run.id, run.workflow, unfinished=not run.alive)}"
            if note not in self.holders:
                self.holders.append(note)
