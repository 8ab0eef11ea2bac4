"""Where the claims of a runbook go: into the journal in a run, into the report in a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from common.errors import Held
from engine.running import Running

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord


class HeldClaims(msgspec.Struct):
    """Claims of a run that is carried out."""

    running: Running

    def claim(self, things: Mapping[str, str]) -> None:
        """Take all of the subjects or none; raises Held."""
        self.running.journal.claim(*self.running.fence, things)


class ReportedClaims(msgspec.Struct):
    """Claims of a dry run: nothing is taken, holders are remembered for the report."""

    journal: Journal
    _held: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    _runs: dict[str, RunRecord] = msgspec.field(default_factory=dict)

    def claim(self, things: Mapping[str, str]) -> None:
        """Remember who holds any of the subjects."""
        from state.claims import shown

        for subject, run in self.journal.holders(things).items():
            self._runs[run.id] = run
            self._held.setdefault(run.id, {})[subject] = shown(subject, things[subject])

    @property
    def holders(self) -> list[str]:
        """A sentence for each run that holds something."""
        return [
            f"Note: {_held_by(self._runs[run], list(held.values()))}"
            for run, held in self._held.items()
        ]


def _held_by(run: RunRecord, things: list[str]) -> Held:
    more = len(things) - 1
    some = f"{things[0]} (and {more} more)" if more else things[0]
    return Held(some, run.id, run.workflow, unfinished=not run.alive, shown=some)
