"""The lock of operations, as every run meets it: refused for rules, shown to everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import Refused
from common.result import Result
from engine.session import Session

if TYPE_CHECKING:
    from state.ops_lock import Lock
    from state.records import RunRecord


def refuse_locked(session: Session) -> None:
    """Raise Refused if a rule asks for a change while operations are locked."""
    if session.requester.is_rule and (lock := _current(session)):
        raise Refused(
            "What a rule starts",
            [lock.told],
            advice="ops.unlock lets rules go on; whoever starts it by hand is not held up.",
        )


def held_up(session: Session, run: RunRecord) -> str:
    """Return why a paused run that a rule has started does not go on by itself, "" if it does."""
    lock = _current(session) if run.trigger_id is not None else None
    return lock.told if lock else ""


def show_lock(session: Session, result: Result) -> None:
    """Say in the result of a run that operations are locked, if they are."""
    if lock := _current(session):
        result.text += f"\nNote: {lock.told}.\n"


def _current(session: Session) -> Lock | None:
    from state.ops_lock import OpsLock

    return OpsLock(session.journal.store).current()
