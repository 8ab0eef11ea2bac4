"""When something in a monitoring system begins and ends, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from workflow_api import End


@dataclass(frozen=True)
class Claimed:
    """Something that one run at a time works on; ``name`` is what people call it."""

    subject: str
    name: str


def shown(moment: datetime) -> str:
    """Return a moment for a sentence: to the minute, in UTC."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def text(moment: datetime) -> str:
    """Return a moment for programs: to the second, in UTC."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S}+00:00"


def utc(seconds: float) -> str | None:
    """Return a moment in seconds since the epoch for a table; None for none, and for odd ones."""
    try:
        return (
            f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}Z"
            if seconds
            else None
        )
    except (OverflowError, ValueError, OSError):  # a time that no calendar has
        return None


def lasting(ends: End, starts: End | None = None) -> str:
    """Return for a sentence how long something is to be, and from when on."""
    if starts is None:
        return ends.sentence
    begin = starts.sentence
    begin = f"in {begin[4:]}" if starts.length is not None else f"from {begin[6:]}"
    return f"{begin} {ends.sentence}"


def window(ends: End, starts: End | None, now: datetime) -> tuple[datetime, datetime]:
    """Return when something begins, which is not before now, and when it ends.

    Raises OverflowError where there is no calendar any more.
    """
    begin = now if starts is None else max(now, starts.after(now))
    return begin, ends.after(begin)


def wrong(reason: str, ends: End, starts: End | None) -> list[str]:
    """Return what is wrong with why and how long something is asked for."""
    found = [] if reason.strip() else ["reason says nothing"]
    try:
        begin, end = window(ends, starts, datetime.now(timezone.utc))
        if end <= begin:
            found.append(f"its end, {shown(end)}, is not behind its begin")
    except OverflowError:
        found.append("there is no calendar for such an end")
    return found
