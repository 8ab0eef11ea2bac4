"""What of a run has gone wrong, for a step of the same run that tells of it."""

from __future__ import annotations

from sqlalchemy import func, select

from state.leases import Leases
from state.retries import retried
from state.schema import steps
from state.store import Store

_WRONG = ("failed", "unknown")


class Failures(Leases):
    """The failures of one run, as the run itself sees them."""

    def __init__(self, store: Store, root: str, generation: int, run: str) -> None:
        super().__init__(store)
        self._run = run

    @retried
    def tries(self) -> int:
        """Return how often, in all, the steps were tried that went wrong."""
        wrong = select(func.sum(steps.c.attempts)).where(
            steps.c.run == self._run, steps.c.state.in_(_WRONG)
        )
        with self.store.reading() as tx:
            return int(tx.execute(wrong).scalar() or 0)

    @retried
    def all(self) -> list[tuple[str, str]]:
        """Return the sentence of each step that failed, or that nobody knows of, with why."""
        wrong = select(steps.c.sentence, steps.c.error).where(
            steps.c.run == self._run, steps.c.state.in_(_WRONG)
        )
        with self.store.reading() as tx:
            rows = tx.execute(wrong.order_by(steps.c.position))
            return [(row.sentence, row.error or "nobody knows why") for row in rows]
