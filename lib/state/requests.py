"""What people ask of runs: to carry one out, to go on with it, to stop it; who, when, from where.

A request to stop is a row that is open until the run has ended by it: the transaction that ends
the run settles it, and nothing else does. Whoever takes the run over finds it, and no step is begun
while it is open, because that is asked in the very transaction that would begin one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, bindparam, exists, insert, select, update

from state.clock import db_now
from state.records import FINISHED, NewRun, RequestRecord, RunState, Verb
from state.schema import run_requests, runs

if TYPE_CHECKING:
    from workflow_api.context import Requester

_FIELDS = [run_requests.c[name] for name in RequestRecord.__struct_fields__]
_OPEN = and_(run_requests.c.verb == "cancel", run_requests.c.settled_at.is_(None))
# Made once: it stands in the transaction that begins a step.
_OPEN_STOP = (
    select(*_FIELDS)
    .where(run_requests.c.run == bindparam("root"), _OPEN)
    .order_by(run_requests.c.serial)
    .limit(1)
)
#: Whether there is one for the run of the row that is read.
STOP_IS_OPEN = exists().where(run_requests.c.run == runs.c.id, _OPEN)


def open_stop(tx: Connection, root: str) -> RequestRecord | None:
    """Return the oldest open request to stop this run, or None."""
    found = tx.execute(_OPEN_STOP, {"root": root}).first()
    return RequestRecord(*found) if found else None


def record(tx: Connection, run: str, verb: Verb, by: Requester) -> None:
    """Write down who asks for what.

    A run that is to be applied was not carried out by anybody who has asked for that before.
    """
    if verb == "apply":
        settle(tx, run, "planned")
    who = {"requested_by": by.user, "origin": by.origin, "execution_id": by.execution_id}
    tx.execute(insert(run_requests).values(run=run, verb=verb, requested_at=db_now(), **who))


def record_start(tx: Connection, new: NewRun) -> None:
    """Write down that a run was started and not only drawn, by whoever asked for it."""
    who = {name: getattr(new, name) for name in ("requested_by", "origin", "execution_id")}
    tx.execute(insert(run_requests).values(run=new.id, verb="start", requested_at=db_now(), **who))


def record_stop(tx: Connection, run: str, by: Requester) -> bool:
    """Write down a request to stop unless the run has ended; return whether it was written."""
    # The run's row is locked: it cannot end between the look and the request.
    live = select(runs.c.id).where(runs.c.id == run, runs.c.state.not_in(FINISHED))
    if tx.execute(live.with_for_update()).first() is None:
        return False
    record(tx, run, "cancel", by)
    tx.execute(update(runs).where(runs.c.id == run).values(cancel_requested_by=by.user))
    return True


def settle(tx: Connection, run: str, state: RunState) -> None:
    """Close the requests to stop a run that ends in ``state``, if that is an end.

    A run that is planned again was to be applied, and that was refused: the request for it, too, is
    closed, so that nobody is said to have applied the run.
    """
    if state == "planned":
        refused = and_(run_requests.c.verb == "apply", run_requests.c.settled_at.is_(None))
        tx.execute(
            update(run_requests)
            .where(run_requests.c.run == run, refused)
            .values(settled_at=db_now(), settled_as=state)
        )
    if state in FINISHED:
        tx.execute(
            update(run_requests)
            .where(run_requests.c.run == run, _OPEN)
            .values(settled_at=db_now(), settled_as=state)
        )


def of_runs(tx: Connection, ids: Iterable[str]) -> dict[str, list[RequestRecord]]:
    """Return what was asked of each of the runs, in the order in which it was asked."""
    query = select(*_FIELDS).where(run_requests.c.run.in_(list(ids)))
    found: dict[str, list[RequestRecord]] = {}
    for row in tx.execute(query.order_by(run_requests.c.serial)):
        found.setdefault(row.run, []).append(RequestRecord(*row))
    return found
