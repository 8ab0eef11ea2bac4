"""Leases: who acts for a run, and the fence that keeps everybody else's writes out.

Everything a run writes goes through :meth:`Leases.fenced`, which commits only while the run's
lease holds by the database's clock. So a process that was suspended and comes back, or one whose
run another process has taken over, can neither start a step nor record one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, bindparam, func, literal, or_, select, update

from common.errors import Held, LeaseLost, NotFound, StopRequested, UserError
from state import requests
from state.clock import db_now
from state.records import EXPIRED, STATE, RequestRecord, RunRecord, Verb, read_run, select_runs
from state.retries import retried
from state.schema import runs
from state.store import Store

if TYPE_CHECKING:
    from workflow_api.context import Requester

# Made once: it stands before every write of a run, and making it costs more than running it.
_HELD = (
    select(runs.c.id, literal(False).label("is_to_stop"))
    .where(
        runs.c.id == bindparam("root"),
        runs.c.generation == bindparam("current"),
        runs.c.state == "running",
        runs.c.lease_until > db_now(),
    )
    .with_for_update()
)
_HELD_TO_BEGIN = _HELD.with_only_columns(runs.c.id, requests.STOP_IS_OPEN.label("is_to_stop"))


class Leases:
    """The part of the journal that says who may act for a run."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @contextmanager
    def fenced(self, root: str, generation: int, *, begins: bool = False) -> Iterator[Connection]:
        """Run one transaction that is committed only while this generation's lease holds.

        One that ``begins`` a change raises StopRequested while a request to stop the run is open:
        a run that somebody has asked to stop begins nothing, whoever carries it out.
        """
        with self.store.transaction() as tx:
            # The row stays locked until the commit, so that nobody takes the run over in between,
            # whatever the clock says by then. (SQLite has one writer anyway.)
            asked = _HELD_TO_BEGIN if begins else _HELD
            held = tx.execute(asked, {"root": root, "current": generation}).first()
            if held is None:
                raise self.store.lost() if self.store.is_another(tx) else LeaseLost(root)
            if held.is_to_stop and (stop := requests.open_stop(tx, root)):
                raise StopRequested(stop.said)
            yield tx

    @retried
    def take(
        self,
        run_id: str,
        holder: str,
        seconds: float,
        *,
        states: Sequence[str],
        asked: tuple[Verb, Requester] | None = None,
        left: RunRecord | None = None,
    ) -> int:
        """Become the one who acts for a run, and return the new generation.

        ``asked`` is what is to be done with it and by whose wish, for the journal. Only a run in
        one of ``states`` can be taken, and one that is running only once its lease has expired or,
        whatever the database's clock says, as it was seen when it was found to be ``left``. Raises
        Held if somebody else has it, UserError if it is in another state.
        """
        free = [runs.c.state != "running", EXPIRED]
        if left is not None:
            same = runs.c.generation == left.generation, runs.c.lease_until == left.lease_until
            free.append(and_(*same))
        with self.store.transaction() as tx:
            taken = tx.execute(
                update(runs)
                .where(
                    runs.c.id == run_id,
                    # A child run has no lease of its own.
                    runs.c.parent.is_(None),
                    STATE.element.in_(states),
                    or_(*free),
                )
                .values(
                    state="running",
                    generation=runs.c.generation + 1,
                    holder=holder,
                    lease_until=db_now() + seconds,
                    started_at=func.coalesce(runs.c.started_at, db_now()),
                    ended_at=None,
                )
            )
            if taken.rowcount == 1 and asked is not None:
                requests.record(tx, run_id, *asked)
            found = tx.execute(select_runs().where(runs.c.id == run_id)).first()
        if found is None:
            raise NotFound("run", run_id, where="the journal")
        run = read_run(found)
        if taken.rowcount == 1:
            return run.generation
        if run.parent is not None:
            raise UserError(f"Run {run.id} is a step of {run.parent}: go on with that one.")
        if run.alive:
            raise Held("It", run.id, run.workflow, unfinished=False)
        raise UserError(f"Run {run.id} is {run.state}, so there is nothing to go on with.")

    @retried
    def renew(self, run_id: str, generation: int, seconds: float) -> str | None:
        """Extend the lease; return why the run is to stop, if it is. Raises LeaseLost."""
        with self.fenced(run_id, generation) as tx:
            tx.execute(
                update(runs).where(runs.c.id == run_id).values(lease_until=db_now() + seconds)
            )
            asked = requests.open_stop(tx, run_id)
            return asked.said if asked else None

    @retried
    def request_stop(self, run_id: str, by: Requester) -> bool:
        """Ask whoever holds the run, now or later, to stop it; return whether it could be asked.

        It cannot where the run has ended. The request lives until the run has ended by it: no
        step is begun from now on, and whoever takes the run over gives it up.
        """
        with self.store.transaction() as tx:
            return requests.record_stop(tx, run_id, by)

    @retried
    def stop_requested(self, run_id: str) -> RequestRecord | None:
        """Return the request to stop a run by which it has not ended yet, or None."""
        with self.store.reading() as tx:
            return requests.open_stop(tx, run_id)

    @retried
    def requests_of(self, run_ids: Iterable[str]) -> dict[str, list[RequestRecord]]:
        """Return what was asked of each of the runs, in the order in which it was asked."""
        with self.store.reading() as tx:
            return requests.of_runs(tx, run_ids)
