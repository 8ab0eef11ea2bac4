"""What an observer says: the payload of its trigger, and what tells one event from another."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

import msgspec

Change = Literal["new", "changed", "still", "gone"]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What every trigger of an observer has; ``facts`` is the observer's own."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="The event. It is the same however often the event is dispatched, 32 "
            "characters: with a word behind it, it is a trigger_id."
        ),
    ]
    change: Annotated[
        Change,
        msgspec.Meta(
            description="new: seen for the first time; changed: it was in another state; still: "
            "announced again because it lasts; gone: the thing, or what was wrong with it, is no "
            "longer there."
        ),
    ]
    cloud: Annotated[str, msgspec.Meta(description="The cloud, as the configuration calls it.")]
    kind: Annotated[str, msgspec.Meta(description="What kind of thing it is about.")]
    subject_id: Annotated[
        str, msgspec.Meta(description="Its id. Actions are given this, never the name.")
    ]
    name: Annotated[str, msgspec.Meta(description="What people call it, as the cloud says it.")]
    state: Annotated[str, msgspec.Meta(description="Its state now, or the last one if it is gone.")]
    before: Annotated[
        str | None, msgspec.Meta(description="The state before, if it has changed.")
    ] = None
    since: Annotated[str, msgspec.Meta(description="When this was first seen, in UTC.")]
    at: Annotated[str, msgspec.Meta(description="When this was found to be news, in UTC.")]
    run: Annotated[
        str | None,
        msgspec.Meta(description="The run that holds it at the moment, if any does."),
    ] = None
    facts: Annotated[
        Any, msgspec.Meta(description="What else is known of it; nothing of what is gone.")
    ] = None


class Event(msgspec.Struct, frozen=True):
    """A trigger that is to be dispatched: ``trigger`` is its name without the pack's."""

    trigger: str
    subject: str
    payload: dict[str, Any]

    @property
    def id(self) -> str:
        """What it is known by, wherever it is dispatched."""
        return str(self.payload["id"])


def event_id(*parts: str) -> str:
    """Return the id of an event that is told from all others by these."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def shown(moment: float) -> str:
    """Return a time in seconds since 1970 as payloads have it: ``2026-03-29T06:00:00Z``."""
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
