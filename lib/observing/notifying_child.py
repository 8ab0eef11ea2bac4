"""The process that reads notifications for a sensor of StackStorm, as long as that lives.

It is given one line of JSON on stdin: ``config`` (the pack's configuration) and ``holder``. It
answers with lines of JSON on stdout: one with an ``event`` (``trigger``, ``payload``) for each that
is to be dispatched, after which it waits for a line on stdin that says ``dispatched`` with the id,
or ``failed`` with the reason; and, every few seconds, as a sign of life, one with ``said``,
sentences for the log. It ends when nobody takes its answers any more.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from typing import Any, TextIO

from accounts.config import load
from common.errors import RunbookError
from common.redaction import Redactor, at_work
from notification_api.consuming import Undelivered
from notification_api.facts import Event
from observing.child import bug
from observing.notifying import Readers

SIGN_EVERY = 5.0


def main() -> int:
    """Read notifications for whoever has started this process."""
    asked, answers = sys.stdin, sys.stdout
    sys.stdout = sys.stderr  # nothing but answers goes there
    return serve(asked, answers)


def serve(asked: TextIO, answers: TextIO) -> int:
    """Read until nobody listens any more; return 0, or 1 if nothing could be read at all."""
    parent = _Parent(asked, answers)
    try:
        request = json.loads(asked.readline())
        config = request["config"] or {}
        redactor = Redactor(config)
    except (ValueError, TypeError, KeyError) as error:
        parent.say({"said": [f"The sensor has asked for nothing: {error!r:.80}"]})
        return 1
    parent.redactor = redactor
    with at_work(redactor):
        try:
            readers = Readers(
                load(config),
                request["holder"],
                parent.dispatch,
                bug=lambda error: bug(error, redactor),
            )
        except RunbookError as error:
            parent.say({"said": [redactor.text(str(error))]})
            return 1
        return _read(readers, parent)


def _read(readers: Readers, parent: _Parent) -> int:
    readers.start()
    try:
        while not parent.gone.wait(SIGN_EVERY):
            parent.say({"said": [parent.redactor.text(one) for one in readers.said]})
    finally:
        readers.end()
    return 0


class _Parent:
    """The sensor: what it is told, and what it says of it. ``gone`` is set when it has ended."""

    def __init__(self, asked: TextIO, answers: TextIO) -> None:
        self.gone = threading.Event()
        self.redactor = Redactor({})
        self._asked, self._answers, self._writing = asked, answers, threading.Lock()

    def dispatch(self, event: Event) -> None:
        """Have an event dispatched. Raises Undelivered, with the reason."""
        if self.gone.is_set():
            raise Undelivered("the sensor has ended")
        payload = self.redactor.data(event.payload)
        self.say({"event": {"trigger": event.trigger, "payload": payload}})
        line = self._asked.readline()
        if not line:
            self.gone.set()
            raise Undelivered("the sensor has ended")
        answer: Mapping[str, Any] = json.loads(line)
        if answer.get("dispatched") != event.id:
            raise Undelivered(str(answer.get("failed", "the sensor did not say why")))

    def say(self, what: Mapping[str, Any]) -> None:
        """Write a line; that nobody reads it any more is found by the next look at ``gone``."""
        try:
            with self._writing:
                self._answers.write(json.dumps(what) + "\n")
                self._answers.flush()
        except OSError:
            self.gone.set()
