"""What is known of how a broker is read: how much, since when, and what has begun and not ended.

It is kept between two processes, and it is what ``notifications.check`` shows.
"""

from __future__ import annotations

import logging

import msgspec

from notification_api.facts import Row, kind_of, subject_of
from notification_api.messages import Message

#: What the state store calls the reading of brokers, among the observers.
NAME = "notifications"
_STARTS = 1000
_LOG = logging.getLogger(__name__)
_STARTED = ".start"
_ENDINGS = (".end", ".error")


class Start(msgspec.Struct, frozen=True):
    """Something that was begun: what, on which thing, and when, in seconds since 1970."""

    event: str
    subject: str
    at: float


class Reading(msgspec.Struct):
    """How a broker is read. Moments are seconds since 1970 by the clock of the machine.

    ``seen_at`` is when the queue was last read from, ``last_at`` when the last notification came.
    ``starts`` are by what their ends have in common with them. ``ignored`` are notifications that
    nothing is made of. ``gap`` is one that has still to be told, ``told_down`` says that somebody
    was told that the broker is down. ``full`` says that the queue was, and
    ``unbound`` are the exchanges that were not there.
    """

    seen_at: float | None = None
    last_at: float | None = None
    down_since: float | None = None
    error: str | None = None
    dispatched: int = 0
    ignored: int = 0
    malformed: int = 0
    duplicates: int = 0
    gaps: int = 0
    gap: str | None = None
    last_gap: str | None = None
    told_down: bool = False
    full: bool = False
    unbound: list[str] = []
    starts: dict[str, Start] = {}

    @classmethod
    def of(cls, memory: str | None) -> Reading:
        """Return what was kept as text; of what cannot be read, nothing: that is told as a gap."""
        try:
            return msgspec.json.decode(memory, type=cls) if memory else cls()
        except msgspec.DecodeError as error:
            _LOG.warning("what is remembered of a broker cannot be read: %s", error)
            return cls()

    def note(self, message: Message, row: Row) -> None:
        """Remember what has begun, and forget what has ended."""
        event, dot, ending = message.event_type.rpartition(".")
        if dot + ending not in (_STARTED, *_ENDINGS):
            return
        subject = subject_of(message, row) or ""
        common = message.request_id if row.by_request else subject
        if not common:
            return
        key = f"{event} {common}"
        if dot + ending != _STARTED:
            self.starts.pop(key, None)
            return
        self.starts[key] = Start(event, subject or kind_of(message, row), message.when)
        while len(self.starts) > _STARTS:
            del self.starts[next(iter(self.starts))]

    def open_longer_than(self, seconds: float, now: float) -> list[Start]:
        """Return what was begun longer ago than that and has not ended, the oldest first."""
        old = [start for start in self.starts.values() if now - start.at > seconds]
        return sorted(old, key=lambda start: start.at)
