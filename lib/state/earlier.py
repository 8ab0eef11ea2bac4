"""What the steps of a run have come to so far, for a step of the same run that goes by it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exists, select

from state.leases import Leases
from state.retries import retried
from state.schema import attempts, steps
from state.store import Store


class Earlier(Leases):
    """The steps of one run and what they noted, as the run itself sees them."""

    def __init__(self, store: Store, root: str, generation: int, run: str) -> None:
        super().__init__(store)
        self._run = run

    @retried
    def is_done(self, key: str) -> bool:
        """Return whether the step of this key is done."""
        is_it = (steps.c.run == self._run, steps.c.key == key, steps.c.state == "done")
        with self.store.reading() as tx:
            return bool(tx.execute(select(exists().where(*is_it))).scalar())

    @retried
    def notes(self, key: str) -> dict[str, Any]:
        """Return what the tries at a step have noted, the latest of each fact."""
        wanted = select(attempts.c.notes).where(attempts.c.run == self._run, attempts.c.key == key)
        found: dict[str, Any] = {}
        with self.store.reading() as tx:
            for noted in tx.execute(wanted.order_by(attempts.c.serial)).scalars():
                found |= noted
        return found
