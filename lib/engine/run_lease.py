"""Holding a run: the lease and the means of stopping it, and waiting for one who holds it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.duration import humanize
from common.errors import CutOff, Held, LeaseLost, RunbookError, RunCutOff, UserError
from engine.lease import Lease, Watcher, clock
from engine.running import Running
from engine.session import Session
from engine.stop import stopped_by_signals

if TYPE_CHECKING:
    from state.records import NewRun, RunRecord, Verb

UNFINISHED = ("interrupted", "running")
ENDED = ("succeeded", "failed", "cancelled")


@contextmanager
def beginning(session: Session, new: NewRun) -> Iterator[Running]:
    """Write a new run and hold its lease while the block runs; raises AlreadyStarted."""

    def begin(holder: str, seconds: float) -> int:
        return session.journal.begin_run(new, holder, seconds)

    with _held(session, new.id, begin) as running:
        yield running


@contextmanager
def acting(
    session: Session, run: RunRecord, states: Sequence[str], verb: Verb | None = None
) -> Iterator[Running]:
    """Hold the run's lease while the block runs, stoppable by every means there is.

    ``run`` is as it was when nobody was found to hold it; ``verb`` is what was asked of it, for the
    journal, unless that is written already. Raises Held or UserError if the run cannot be taken.
    """
    asked = (verb, session.requester) if verb else None

    def take(holder: str, seconds: float) -> int:
        journal = session.journal
        return journal.take(run.id, holder, seconds, states=states, asked=asked, left=run)

    with _held(session, run.id, take) as running:
        yield running


@contextmanager
def _held(session: Session, run: str, take: Callable[[str, float], int]) -> Iterator[Running]:
    seconds, since = float(session.config.limits.lease), clock()
    generation = take(f"{socket.gethostname()}:{os.getpid()}", seconds)
    lease = Lease(
        session.journal,
        run,
        generation,
        seconds,
        session.stop,
        since=since,
        cancelled=[_journalled(session, run, watcher) for watcher in session.cancelled],
        deadline=session.deadline,
    )
    # A request to stop outlives whoever heard it: the run is taken over with what is still open.
    if asked := session.journal.stop_requested(run):
        session.stop.request("cancel", asked.said)
    try:
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
    except CutOff as error:
        raise _cut_off(session, run, error) from error


def _cut_off(session: Session, run_id: str, error: CutOff) -> RunCutOff:
    """Return what to tell of a run that this process may, or can, do nothing more about."""
    what = f"Run {run_id} was cut off: {error.message}"
    go_on = f"go on with run.resume run={run_id}, or give it up with run.cancel run={run_id}."
    if not isinstance(error, LeaseLost):
        then = f"Then {go_on}"
        advice = f"{error.advice} {then}" if error.advice else then
        return RunCutOff(run_id, what, advice=advice)
    try:
        run = session.journal.run(run_id)
    except RunbookError:  # the store that lost the lease is still away
        advice = f"See run.show run={run_id} for who goes on with it; if nobody does, {go_on}"
        return RunCutOff(run_id, what, advice=advice)
    if run.alive:
        advice = f"{run.holder} goes on with it: see run.show run={run_id}."
    elif run.state in UNFINISHED:
        advice = f"Nobody goes on with it: {go_on}"
    else:
        advice = f"It has ended since: it is {run.state}."
    return RunCutOff(run_id, what, advice=advice)


def _journalled(session: Session, run: str, watcher: Watcher) -> Watcher:
    """Return a watcher whose reason to stop is in the journal before it is heeded."""

    def watch() -> str | None:
        if reason := watcher():
            session.journal.request_stop(run, session.requester)
        return reason

    return watch


class _Watched:
    """A run whose holder may be gone, looked at until its lease has expired or was not renewed.

    The clock of a database can be set back, and the lease of a process that was killed then seems
    to hold for as long. No process goes on with a lease that it has not renewed for that lease's
    ``seconds`` by its own clock, and so one that was not renewed for twice as long by ours is over:
    twice, because ``limits.lease`` may be longer where its holder is.
    """

    def __init__(self, run: RunRecord, seconds: float) -> None:
        self.run, self._seconds, self._since = run, 2 * seconds, clock()
        self.renewed = False

    @property
    def held(self) -> bool:
        """Whether a process may still hold the run, by what was seen of it."""
        return self.run.alive and self.left > 0

    @property
    def left(self) -> float:
        """Seconds until it is known that no process holds the run, if none renews its lease."""
        return min(self.run.lease_left, self._since + self._seconds - clock())

    def look(self, run: RunRecord) -> None:
        """Take note of how the run is now."""
        if (run.lease_until, run.generation) != (self.run.lease_until, self.run.generation):
            self.renewed, self._since = True, clock()
        self.run = run


def unheld(session: Session, run_id: str) -> RunRecord:
    """Return the run once nobody holds it; waits for the lease of a process that was killed.

    Raises Held as soon as the lease is seen to be renewed, UserError if the run has ended.
    """
    journal = session.journal
    run = journal.run(run_id)
    if run.parent:
        raise UserError(f"Run {run.id} is a step of {run.parent}: go on with that one.")
    watched = _Watched(run, float(session.config.limits.lease))
    if watched.held:
        session.reporter.say(
            f"Run {run.id} is held by {run.holder}; if that is gone, its lease ends in "
            f"{humanize(watched.left)}: waiting."
        )
    while watched.held:
        time.sleep(min(0.5, max(0.05, watched.left)))
        watched.look(run := journal.run(run.id))
        if run.alive and watched.renewed:
            raise Held("It", run.id, run.workflow, unfinished=False)
    if run.state not in UNFINISHED and not run.unbegun:
        advice = f"Carry it out with run.apply run={run.id}." if run.state == "planned" else ""
        message = f"Run {run.id} is {run.state}, so there is nothing to go on with."
        raise UserError(message, advice=advice)
    return run


def let_go(session: Session, run: RunRecord) -> RunRecord:
    """Return a run that was asked to stop once no process holds it any more.

    Raises UserError if one works on after a generous time.
    """
    journal, limits = session.journal, session.config.limits
    if run.alive:
        session.reporter.say(f"Asked {run.holder} to stop run {run.id}; waiting for it.")
    watched = _Watched(run, float(limits.lease))
    until = time.monotonic() + 2 * (limits.lease + limits.grace) + 1
    while watched.held and time.monotonic() < until:
        time.sleep(min(0.5, limits.lease / 5))
        watched.look(run := journal.run(run.id))
    if watched.held:
        raise UserError(
            f"Run {run.id} has been asked to stop and still works on it.",
            advice="It stops at its next safe point; look again with run.show.",
        )
    return run
