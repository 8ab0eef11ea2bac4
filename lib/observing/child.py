"""The process that polls for a sensor of StackStorm, whose own process cannot load this library.

It is given a line of JSON on stdin: ``observer``, ``config`` (the pack's configuration) and
``holder``. It answers with lines of JSON on stdout: one with an ``event`` (``trigger``,
``payload``) for each that is to be dispatched, and then one with the ``end``: ``every`` and
``timeout`` in seconds, and ``said``, sentences for the log. If there were events, it then waits for
a line with those that were ``dispatched``, by their ids, and answers with how many are
``confirmed``. Without that line it ends, and the same events come with the next poll.

Secrets come on stdin because a command line and an environment can be read by others. Whatever
happens, there is an answer: what is unexpected is logged under a number, which ``said`` tells.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

from accounts.config import load
from common.errors import RunbookError
from common.redaction import Redactor, at_work
from observing.polling import Polled, Poller

log = logging.getLogger("openstack_ops")


def main() -> int:
    """Poll once for whoever has started this process."""
    asked, answers = sys.stdin, sys.stdout
    sys.stdout = sys.stderr  # nothing but answers goes there
    return serve(asked, answers)


def serve(asked: TextIO, answers: TextIO) -> int:
    """Answer what is asked; return 0, or 1 if nothing could be polled."""
    try:
        request = json.loads(asked.readline())
        config = request["config"] or {}
        redactor = Redactor(config)
    except (ValueError, TypeError, KeyError) as error:
        _say(answers, {"end": {"said": [f"The sensor has asked for nothing: {error!r:.80}"]}})
        return 1
    with at_work(redactor):
        try:
            return _polled(request, config, redactor, asked, answers)
        except RunbookError as error:
            said = str(error)
        except Exception as error:
            said = bug(error, redactor)
        _say(answers, {"end": {"said": [redactor.text(said)]}})
        return 1


def _polled(
    request: Mapping[str, Any],
    config: Mapping[str, Any],
    redactor: Redactor,
    asked: TextIO,
    answers: TextIO,
) -> int:
    poller = Poller(
        request["observer"],
        load(config),
        request["holder"],
        bug=lambda error: bug(error, redactor),
    )
    try:
        polled = poller.poll()
        events = [event for one in polled for event in one.events]
        for event in events:
            payload = redactor.data(event.payload)
            _say(answers, {"event": {"trigger": event.trigger, "payload": payload}})
        every, timeout = float(poller.settings.every), float(poller.settings.timeout)
        said = [redactor.text(one) for one in map(_said, polled) if one]
        _say(answers, {"end": {"every": every, "timeout": timeout, "said": said}})
        if events and (line := asked.readline()):
            confirmed = poller.confirm(json.loads(line)["dispatched"])
            _say(answers, {"confirmed": confirmed})
    finally:
        poller.close()
    return 0


def _said(polled: Polled) -> str:
    return f"{polled.cloud}: {polled.error}" if polled.error else ""


def bug(error: BaseException, redactor: Redactor) -> str:
    number = os.urandom(6).hex()
    log.error("bug %s\n%s", number, redactor.text("".join(traceback.format_exception(error))))
    return f"Internal error {number} ({type(error).__name__}): this is a bug in the pack."


def _say(answers: TextIO, what: Mapping[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()
