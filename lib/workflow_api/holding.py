"""Holding a run: the lease and the means of stopping it, and waiting for one who holds it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflow_api.attempt import Running
from workflow_api.duration import humanize
from workflow_api.errors import Held, UserError
from workflow_api.lease import Lease, clock
from workflow_api.session import Session
from workflow_api.stop import stopped_by_signals

if TYPE_CHECKING:
    from state.records import RunRecord

UNFINISHED = ("interrupted", "running")


@contextmanager
def acting(session: Session, run: str, states: Sequence[str]) -> Iterator[Running]:
    """Hold the run's lease while the block runs, stoppable by every means there is.

    Raises Held or UserError if the run cannot be taken.
    """
    seconds = float(session.config.limits.lease)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    since = clock()
    generation = session.journal.take(run, holder, seconds, states=states)
    lease = Lease(
        session.journal,
        run,
        generation,
        seconds,
        session.stop,
        since=since,
        cancelled=session.cancelled,
        deadline=session.deadline,
    )
    with stopped_by_signals(session.stop), lease:
        yield Running(
            journal=session.journal,
            lease=lease,
            stop=session.stop,
            reporter=session.reporter,
            account=session.account,
            bug=session.bug,
            redact=session.redactor.text,
        )


def unheld(session: Session, run_id: str) -> RunRecord:
    """Return the run once nobody holds it; waits for the lease of a process that was killed.

    Raises Held as soon as the lease is seen to be renewed, UserError if the run has ended.
    """
    journal = session.journal
    run = first = journal.run(run_id)
    if run.parent:
        raise UserError(f"Run {run.id} is a step of {run.parent}: go on with that one.")
    if run.alive:
        session.reporter.say(
            f"Run {run.id} is held by {run.holder}; if that is gone, its lease ends in "
            f"{humanize(run.lease_left)}: waiting."
        )
    while run.alive:
        if run.lease_until != first.lease_until or run.generation != first.generation:
            raise Held("It", run.id, run.workflow, unfinished=False)
        time.sleep(min(0.5, max(0.05, run.lease_left)))
        run = journal.run(run.id)
    if run.state not in UNFINISHED:
        advice = f"Carry it out with run.apply run={run.id}." if run.state == "planned" else ""
        message = f"Run {run.id} is {run.state}, so there is nothing to go on with."
        raise UserError(message, advice=advice)
    return run


def stopped_elsewhere(session: Session, run: RunRecord) -> RunRecord:
    """Ask the process that holds the run to stop, and return the run when it has.

    Raises UserError if it works on after a generous time.
    """
    journal, limits = session.journal, session.config.limits
    journal.request_cancel(run.id, session.requester.user)
    session.reporter.say(f"Asked {run.holder} to stop run {run.id}; waiting for it.")
    until = time.monotonic() + limits.lease + 2 * limits.grace
    while run.alive and time.monotonic() < until:
        time.sleep(min(0.5, limits.lease / 5))
        run = journal.run(run.id)
    if run.alive:
        raise UserError(
            f"Run {run.id} has been asked to stop and still works on it.",
            advice="It stops at its next safe point; look again with run.show.",
        )
    return run
