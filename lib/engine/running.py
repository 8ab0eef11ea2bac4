"""What all plans of one root run share while one process carries them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import Interrupted, Paused, StopRequested
from common.text import clean

if TYPE_CHECKING:
    from engine.lease import Lease
    from engine.reporter import Reporter
    from engine.stop import Stop
    from state.journal import Journal


@dataclass
class Running:
    """What all plans of one root run share: its lease, its stop, its accounts, its voice.

    ``account`` turns a type and a configured name into an account; ``bug`` logs an unexpected
    exception and returns a sentence with its id; ``redact`` takes secrets out of a text.
    """

    journal: Journal
    lease: Lease
    stop: Stop
    reporter: Reporter
    account: Callable[[type, str], Any]
    bug: Callable[[BaseException], str]
    redact: Callable[[str], str] = str
    said_stopping: bool = False
    #: When the first of the steps that wait for their time can go on, by the wall clock.
    go_on_at: float | None = None

    def told(self, error: BaseException) -> str:
        """Return an error as the line that is journalled and shown."""
        return clean(self.redact(str(error)))

    def heed(self, asked: StopRequested) -> Interrupted:
        """Stop the run as somebody asked; return what ends the step that was about to begin."""
        self.stop.request("cancel", asked.reason)
        return Interrupted(str(asked))

    def pause(self, error: Paused) -> None:
        """Remember when a run goes on whose step's time has not come."""
        self.go_on_at = min(error.at, self.go_on_at or error.at)

    @property
    def fence(self) -> tuple[str, int]:
        """The root run and the generation that every journal entry is checked against."""
        return self.lease.root, self.lease.generation
