"""Silences as steps of a plan: made, extended and expired, and found again by their mark."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from accounts.alertmanager import Alertmanager
from alertmanager_api import silences
from alertmanager_api.matchers import Matcher, parse, written
from alertmanager_api.silences import Silence
from monitoring import marks
from monitoring.times import Claimed, lasting, shown, text, window
from workflow_api import Attempt, CloudError, End, StepFailed, clean, step

# Alertmanager keeps milliseconds.
_CLOSE = timedelta(seconds=1)


def to_come(alertmanager: Alertmanager, matchers: str) -> Claimed:
    """Return what a run claims that silences these alerts: two at once would both silence them."""
    place = f"{alertmanager.entry.url}\n{matchers}"
    digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:32]
    return Claimed(f"silences:{digest}", f"silences of {matchers}")


def claimed(silence: Silence) -> Claimed:
    """Return what a run claims that changes a silence."""
    return Claimed(f"silence:{silence.id}", f"silence {silence.id}")


def of_run(alertmanager: Alertmanager, run: str) -> list[Silence]:
    """Return the silences that a run has made and that have not ended."""
    return [
        silence
        for silence in silences.listed(alertmanager)
        if not silence.has_ended and marks.run_of(silence.created_by, silence.comment) == run
    ]


def whose(
    known: Sequence[Silence], conditions: tuple[Matcher, ...], begin: datetime, end: datetime
) -> str:
    """Return, as a sentence, whose silence is for the same from then until then already, or ""."""
    for silence in known:
        covers = not silence.has_ended and silence.starts_at <= begin and silence.ends_at >= end
        if covers and silences.same(silence.matchers, conditions):
            by = clean(silence.created_by)
            return f"silence {silence.id} of {by} does it until {shown(silence.ends_at)}"
    return ""


def data(
    alertmanager: Alertmanager, matchers: str, reason: str, ends: End, starts: End | None = None
) -> dict[str, Any]:
    """Return the data of the step ``create``; ``matchers`` is as ``matchers.written`` returns it.

    A duration is counted from when the step begins, so the plan stays the same until then.
    """
    return {
        "where": alertmanager.name,
        "matchers": matchers,
        "reason": reason,
        "ends": str(ends),
        "starts": None if starts is None else str(starts),
        "lasting": lasting(ends, starts),
    }


def find_created(
    attempt: Attempt, alertmanager: Alertmanager, matchers: str
) -> dict[str, Any] | None:
    """Return the silence that an earlier attempt has made, None if none has."""
    own = _made_by_this_step(attempt, alertmanager)
    if not own:
        return None
    standing = [silence for silence in own if not silence.has_ended] or own
    return _made(standing[-1])


def expire_created(attempt: Attempt, alertmanager: Alertmanager, matchers: str) -> None:
    """End what the step has made, unless it has ended."""
    for silence in _made_by_this_step(attempt, alertmanager):
        if not silence.has_ended:
            _expire(alertmanager, silence.id)


@step(
    "silence.create",
    "silence {matchers} in {where} {lasting}",
    key="{where}:{matchers}",
    find=find_created,
    undo=expire_created,
)
def create(
    attempt: Attempt,
    alertmanager: Alertmanager,
    where: str,
    matchers: str,
    reason: str,
    ends: str,
    lasting: str,
    starts: str | None = None,
) -> dict[str, Any]:
    """Make a silence that carries the run and the step; durations are counted from now."""
    now = datetime.now(timezone.utc)
    begin, end = window(End(ends), None if starts is None else End(starts), now)
    if end <= now:
        raise StepFailed(f"Its end, {shown(end)}, has already passed.")
    made = silences.create(
        alertmanager,
        parse(matchers),
        begins=begin,
        ends=end,
        creator=marks.CREATOR,
        comment=marks.comment(reason, attempt.run, attempt.key),
    )
    return {"silence": made, "ends": text(end), "said": f"silence {made} until {shown(end)}"}


def find_extended(
    attempt: Attempt, alertmanager: Alertmanager, silence: str
) -> dict[str, Any] | None:
    """Return how an earlier attempt has extended a silence, None if none has."""
    wanted = attempt.notes.get("ends")
    if wanted is None:
        return None
    known = silences.find(alertmanager, silence)
    if known is None or known.has_ended:
        # One that expired at that instant has come back under another id.
        return None
    if known.ends_at < datetime.fromisoformat(wanted) - _CLOSE:
        return None
    return _extended(known.id, known.ends_at)


@step(
    "silence.extend",
    "let silence {silence} ({matchers}) in {where} go on {lasting}",
    key="{where}:{silence}",
    find=find_extended,
)
def extend(
    attempt: Attempt,
    alertmanager: Alertmanager,
    where: str,
    silence: str,
    matchers: str,
    ends: str,
    lasting: str,
) -> dict[str, Any]:
    """Let a silence end later; one that has ended meanwhile stays ended."""
    known = silences.find(alertmanager, silence)
    if known is None or known.has_ended:
        raise StepFailed(
            "It has ended, and is left so.", advice="Make another one with silence.create."
        )
    end = End(ends).after(datetime.now(timezone.utc))
    if known.ends_at >= end:
        return _extended(silence, known.ends_at)
    attempt.note(ends=text(end))
    return _extended(silences.extend(alertmanager, silence, end), end)


def find_expired(alertmanager: Alertmanager, silence: str) -> dict[str, Any] | None:
    """Return that a silence has ended; None while it has not."""
    known = silences.find(alertmanager, silence)
    return None if known and not known.has_ended else {"said": "it has ended"}


@step(
    "silence.expire",
    "expire silence {silence} ({matchers}) in {where}",
    key="{where}:{silence}",
    find=find_expired,
)
def expire(alertmanager: Alertmanager, where: str, silence: str, matchers: str) -> dict[str, Any]:
    """End a silence now; one that has ended is left alone."""
    _expire(alertmanager, silence)
    return {"said": "it has ended"}


def about(alertmanager: Alertmanager, silence: Silence) -> dict[str, Any]:
    """Return the data of a silence for the steps ``expire`` and ``extend``."""
    return {
        "where": alertmanager.name,
        "silence": silence.id,
        "matchers": clean(written(silence.matchers)),
    }


def _expire(alertmanager: Alertmanager, id: str) -> None:
    if find_expired(alertmanager, id):
        return
    try:
        silences.expire(alertmanager, id)
    except CloudError as error:
        # Older versions answer 500 to the second of two who end it at the same instant.
        if error.status is None:
            raise
        if not find_expired(alertmanager, id):
            raise


def _made_by_this_step(attempt: Attempt, alertmanager: Alertmanager) -> list[Silence]:
    return [
        silence
        for silence in silences.listed(alertmanager)
        if marks.made_by(silence.created_by, silence.comment, attempt.run, attempt.key)
    ]


def _made(silence: Silence) -> dict[str, Any]:
    verb = "ended at" if silence.has_ended else "until"
    said = f"silence {silence.id} {verb} {shown(silence.ends_at)}"
    return {"silence": silence.id, "ends": text(silence.ends_at), "said": said}


def _extended(id: str, end: datetime) -> dict[str, Any]:
    return {"silence": id, "ends": text(end), "said": f"silence {id} until {shown(end)}"}
