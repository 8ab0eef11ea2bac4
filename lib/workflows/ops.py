"""The lock that holds up everything which rules start: ops.lock, ops.unlock."""

from __future__ import annotations

from typing import Any

from common.duration import End
from common.reasons import checked_reason
from state.ops_lock import HeldOpsLock, Lock, OpsLock
from workflow_api import Attempt, Context, Plan, UserError, step, utc, workflow


def find_locked(attempt: Attempt, reason: str, until: float | None) -> dict[str, Any] | None:
    """Say whether the lock is set as it was asked for."""
    now = attempt.records(HeldOpsLock).current()
    return {"said": now.told} if now and (now.reason, now.until) == (reason, until) else None


@step(
    "ops.lock",
    "hold up what rules start until {end}: {reason}",
    find=find_locked,
)
def set_lock(attempt: Attempt, reason: str, end: str, until: float | None) -> dict[str, Any]:
    """Set the lock, in place of one that is there."""
    lock = attempt.records(HeldOpsLock)
    attempt.sending()
    lock.set(reason, until)
    return {"said": f"what rules start is held up until {end}"}


@step("ops.unlock", "let go on what rules start (held up: {reason})", repeatable=True)
def clear_lock(attempt: Attempt, reason: str) -> dict[str, Any]:
    """Take the lock off."""
    lock = attempt.records(HeldOpsLock)
    attempt.sending()
    lock.clear()
    return {"said": "rules start runs again"}


@workflow("ops.lock", one_object=True, timeout="5m")
def lock(ctx: Context, reason: str, until: End | None = None) -> Plan:
    """Hold up every change that a rule starts, in all clouds, until an end or until ops.unlock.

    reason: Why; every run shows it.
    until: For how long, as 4h, or until when, as 2026-03-29T06:00+02:00; until ops.unlock if empty.
    """
    reason = checked_reason(reason)
    plan = Plan("Hold up what rules start")
    ends = until.after(ctx.asked_at) if until else None
    if ends and ends <= ctx.asked_at:
        raise UserError(f"until is over already: {utc(ends.timestamp())}.")
    if (now := _current(ctx)) is not None:
        plan.note(f"It takes the place of the lock that is set: {now.told}.")
    plan.add(
        set_lock,
        reason=reason,
        end=utc(ends.timestamp()) if ends else "ops.unlock",
        until=ends.timestamp() if ends else None,
    )
    return plan


@workflow("ops.unlock", one_object=True, timeout="5m")
def unlock(ctx: Context) -> Plan:
    """Allow rules to start changes again."""
    plan = Plan("Let go on what rules start")
    now = _current(ctx)
    if now is None:
        plan.skip("the lock", "no lock is set")
    else:
        plan.add(clear_lock, reason=now.reason)
    return plan


def _current(ctx: Context) -> Lock | None:
    return OpsLock(ctx.open_journal().store).current()
