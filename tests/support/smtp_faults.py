"""How the SMTP server for tests is, how it misbehaves, and what it has accepted."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Place = Literal[
    "connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "rset", "quit",
    "body",  # after 354 and some of the message
    "end",  # after the final dot: the message is not accepted
    "accepted",  # after the message was accepted and counted, before the client is told
]  # fmt: skip


@dataclass
class Fault:
    """What the server does at a place instead of, or with only ``wait`` before, what it should.

    It says ``reply``, and with ``close`` hangs up (without a reply: at once). ``times`` says how
    often, always if 0; before that it lets ``after`` pass. ``matching`` is a part of the sender
    (at ``mail``) or of a recipient (later) that it is for; ``each`` counts for each of them.
    """

    at: Place
    reply: str = ""
    close: bool = False
    wait: float = 0.0
    times: int = 0
    after: int = 0
    matching: str = ""
    each: bool = False
    _met: dict[str, int] = field(default_factory=dict)

    def strikes(self, at: str, about: Sequence[str]) -> bool:
        """Whether this happens now; counts that it came to it."""
        if at != self.at or not any(self.matching in one for one in about):
            return False
        key = about[0] if self.each else ""
        met = self._met[key] = self._met.get(key, 0) + 1
        return met > self.after and (not self.times or met <= self.after + self.times)


@dataclass
class Options:
    """How a server is. ``users`` have passwords; whoever is not among them may not send."""

    security: Literal["none", "starttls", "tls"] = "none"
    certificate: str = ""
    users: dict[str, str] = field(default_factory=dict)
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    smtputf8: bool = True
    size: int = 2**25
    per_connection: int = 0
    faults: list[Fault] = field(default_factory=list)
    port: int = 0


@dataclass(frozen=True)
class Mail:
    """One message that was accepted for one recipient; ``data`` only in the server's process."""

    message_id: str
    recipient: str
    sender: str
    connection: int
    data: bytes = b""


class Book:
    """What a server did, in memory and, given a file, in one line of JSON for each event."""

    def __init__(self, file: Path | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.accepted: list[Mail] = []
        self._file = file.open("a") if file else None

    def note(self, event: str, **facts: Any) -> None:
        """Write down an event: it is on its way to the disk when this returns."""
        entry = {"event": event, "at": time.time(), **facts}
        self.events.append(entry)
        if self._file:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def accept(self, mail: Mail) -> None:
        """Count a message that was accepted for a recipient."""
        self.accepted.append(mail)
        facts = {name: value for name, value in asdict(mail).items() if name != "data"}
        self.note("accepted", **facts)

    def many(self, event: str) -> int:
        """Return how often this happened."""
        return sum(entry["event"] == event for entry in self.events)
