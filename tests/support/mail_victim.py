"""Processes that dispatch a mail runbook and can be killed at a chosen moment.

Moments lie before and after all that is journalled, all that the ledger is told, and all that is
said to the mail server.
"""

from __future__ import annotations

import os
import smtplib
import threading
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from signal import Signals
from typing import Any

# All that is imported late, so that a process that is forked off need not read it.
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401

import campaigns.sending  # noqa: F401
import email_api.transport  # noqa: F401
import engine.runs  # noqa: F401
from email_api.notices import notice
from engine.dispatch import dispatch
from state.journal import Journal
from state.ledger import Ledger
from support.forks import forked
from support.runs import Silent, for_real
from support.sample_mail import NOTICE
from workflow_api import Requester

JOURNALLED = ("begin_run", "claim", "store_plan", "begin_attempt", "end_attempt", "finish")
WRITTEN = ("record", "wake", "again", "begin", "end")
#: Between these a message's end may have gone out and nothing is written of it yet.
IN_DOUBT = ("after begin", "before reply .", "after reply .", "before end")
#: Moments that each mail comes by, and those that a run comes by once or twice.
EACH = (
    *(f"{when} {what}" for what in ("begin", "end") for when in ("before", "after")),
    *(f"before put {verb}" for verb in ("mail", "rcpt", "data", "rset")),
    *(f"{when} reply {v}" for v in ("mail", "rcpt", "data", ".") for when in ("before", "after")),
)
ONCE = (
    *(f"{w} {what}" for what in (*JOURNALLED, "record", "wake") for w in ("before", "after")),
    "before reply connect",
    "after reply ehlo",
    "before put quit",
)
MOMENTS = (*EACH, *ONCE)
_LAST = "_last_command"
notice(NOTICE)  # compiled once, for all that are forked off


class _Moments:
    """Stops this process at one of its moments: the ``number``-th of a name."""

    def __init__(self, name: str, number: int, pipe: Connection) -> None:
        self.name, self.number, self.pipe = name, number, pipe
        self.passed: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, where: str) -> None:
        with self.lock:
            self.passed[where] += 1
            here = where == self.name and self.passed[where] == self.number
        if here:
            self.pipe.send(("at", where))
            self.pipe.recv()

    def around(self, kind: type, name: str) -> None:
        original: Callable[..., Any] = getattr(kind, name)

        def watched(*args: Any, **more: Any) -> Any:
            self(f"before {name}")
            answer = original(*args, **more)
            self(f"after {name}")
            return answer

        setattr(kind, name, watched)

    def on_the_wire(self) -> None:
        put, reply = smtplib.SMTP.putcmd, smtplib.SMTP.getreply

        def putcmd(smtp: smtplib.SMTP, command: str, *args: Any) -> None:
            self(f"before put {command.lower()}")
            put(smtp, command, *args)
            vars(smtp)[_LAST] = command.lower()

        def getreply(smtp: smtplib.SMTP) -> Any:
            last = vars(smtp).get(_LAST, "connect")
            self(f"before reply {last}")
            answer = reply(smtp)
            vars(smtp)[_LAST] = "." if last == "data" else last
            self(f"after reply {last}")
            return answer

        smtplib.SMTP.putcmd = putcmd  # type: ignore[method-assign, assignment]
        smtplib.SMTP.getreply = getreply  # type: ignore[method-assign]


def _be_a_victim(
    pipe: Connection, stop: tuple[str, int], config: Any, workflow: str, parameters: Any
) -> None:
    """Dispatch and say how it ended."""
    moments = _Moments(*stop, pipe)
    for name in JOURNALLED:
        moments.around(Journal, name)
    for name in WRITTEN:
        moments.around(Ledger, name)
    moments.on_the_wire()
    asker = Requester(user="victim", origin="test")
    parameters = for_real(workflow, parameters)
    kind, result = dispatch(workflow, parameters, config, requester=asker, reporter=Silent())
    pipe.send(("ended", {"kind": kind, "result": result, "passed": dict(moments.passed)}))


class MailVictim:
    """A process that asks for something in a house; a context manager."""

    def __init__(
        self, config: Any, workflow: str, stop: tuple[str, int] = ("", 0), **parameters: Any
    ) -> None:
        self.process, self.pipe = forked(_be_a_victim, stop, config, workflow, parameters)

    def __enter__(self) -> MailVictim:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def hear(self) -> tuple[str, Any]:
        """Return ``("at", <moment>)`` or ``("ended", {kind, result, passed})``."""
        what, said = self.pipe.recv()
        return what, said

    def wait_for(self, moment: str) -> None:
        """Wait until it stands at the moment that was chosen."""
        assert self.hear() == ("at", moment)

    def go_on(self) -> None:
        """Let it go on from the moment where it waits."""
        self.pipe.send("go on")

    def signal(self, number: Signals) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def answer(self) -> dict[str, Any]:
        """Wait for its end and return how it says it ended."""
        what, said = self.hear()
        assert what == "ended", said
        self.process.join()
        return dict(said)

    def killed(self, after: float | None = None) -> tuple[str, dict[str, Any] | None]:
        """Kill it where it stops, or after so many seconds wherever it is then.

        Return where that was, or nothing and its answer if it ended before.
        """
        if after is not None and not self.pipe.poll(after):
            self.process.kill()
        try:
            what, said = self.hear()
        except EOFError:
            what, said = "at", "some time"
        if what == "at":
            self.process.kill()
        self.process.join()
        return ("", dict(said)) if what == "ended" else (str(said), None)
