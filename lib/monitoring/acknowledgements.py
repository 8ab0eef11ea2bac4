"""Acknowledgements as steps of a plan: made and removed, and found again by their mark."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

from accounts.icinga import Icinga
from icinga_api import acknowledgements
from icinga_api.acknowledgements import Acknowledgement
from monitoring import marks
from monitoring.times import Claimed, shown
from workflow_api import Attempt, CloudError, End, StepFailed, clean, step

_CONFLICT = 409


def claimed(icinga: Icinga, name: str) -> Claimed:
    """Return what a run claims that acknowledges a host or service, or takes that back."""
    place = f"{icinga.entry.url}\n{name}"
    digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:32]
    return Claimed(f"acknowledgement:{digest}", f"acknowledgement of {clean(name)}")


def of(one: Acknowledgement) -> str:
    """Return the full name of the host or service that is acknowledged."""
    return one.host if one.service is None else f"{one.host}!{one.service}"


def find_made(attempt: Attempt, icinga: Icinga) -> dict[str, Any] | None:
    """Return that an earlier attempt has acknowledged it, None if none has."""
    mine = _mine(attempt, icinga)
    return _made(mine.expires) if mine else None


def remove_made(attempt: Attempt, icinga: Icinga, name: str) -> None:
    """Remove what the step has made, if it is still there."""
    if _mine(attempt, icinga):
        acknowledgements.remove_acknowledgement(icinga, name, author=marks.CREATOR)


@step(
    "monitoring.acknowledge",
    "acknowledge the problem of {name} in {where}{lasting}",
    key="{where}:{name}",
    find=find_made,
    undo=remove_made,
)
def acknowledge(
    attempt: Attempt,
    icinga: Icinga,
    where: str,
    name: str,
    reason: str,
    lasting: str,
    ends: str | None,
    sticky: bool,
    notify: bool,
) -> dict[str, Any]:
    """Acknowledge a problem with the mark of run and step; a duration is counted from now."""
    now = datetime.now(timezone.utc)
    end = End(ends).after(now) if ends else None
    if end is not None and end <= now:
        raise StepFailed(f"It would have ended at {shown(end)}, which is over.")
    expires = end.timestamp() if end else 0.0
    try:
        acknowledgements.acknowledge(
            icinga,
            name,
            author=marks.CREATOR,
            comment=marks.comment(reason, attempt.run, attempt.key),
            expires=expires or None,
            sticky=sticky,
            notify=notify,
        )
    except CloudError as error:
        if error.status != _CONFLICT:
            raise
        raise StepFailed(
            f"Icinga takes none: {error}",
            advice="It has no problem by now, or somebody has acknowledged that: see "
            "monitoring.search.",
        ) from None
    return _made(expires)


def find_removed(icinga: Icinga, name: str) -> dict[str, Any] | None:
    """Return that it is acknowledged no longer; None while it is."""
    return None if _there(icinga, name) else {"said": "it is acknowledged no longer"}


@step(
    "monitoring.unacknowledge",
    "remove the acknowledgement of {name} by {author} in {where}",
    key="{where}:{name}",
    find=find_removed,
)
def unacknowledge(
    icinga: Icinga, where: str, name: str, author: str, comment: str
) -> dict[str, Any]:
    """Remove the very acknowledgement that was seen; one that has ended is left alone."""
    now = _there(icinga, name)
    if now is not None and (now.author, now.comment) != (author, comment):
        raise StepFailed(f"{clean(now.author)} has acknowledged it since: that one is left.")
    if now is not None:
        acknowledgements.remove_acknowledgement(icinga, name, author=marks.CREATOR)
    return {"said": "it is acknowledged no longer"}


def _there(icinga: Icinga, name: str) -> Acknowledgement | None:
    known = acknowledgements.acknowledgements(icinga)
    return next((one for one in known if of(one) == name), None)


def _mine(attempt: Attempt, icinga: Icinga) -> Acknowledgement | None:
    known = acknowledgements.acknowledgements(icinga, mark=attempt.run)
    made = (o for o in known if marks.made_by(o.author, o.comment, attempt.run, attempt.key))
    return next(made, None)


def _made(expires: float) -> dict[str, Any]:
    if not expires:
        return {"ends": None, "said": "acknowledged until it is well"}
    until = datetime.fromtimestamp(expires, timezone.utc)
    return {
        "ends": until.isoformat(timespec="seconds"),
        "said": f"acknowledged until {shown(until)}",
    }
