"""What StackStorm tells an action about its execution, and what it is told of the answer.

``st2 execution cancel`` sends a running action nothing; only its execution's status tells. The
web UI shows a result as raw JSON, but stdout with its line breaks: so that has the text too.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from common.result import leading, whereabouts
from engine.lease import Watcher
from engine.reporter import LineReporter
from workflow_api.context import Requester

# StackStorm stores and sends each line of stdout by itself while the action runs.
SHOWN_BYTES = 200_000
# What StackStorm's python runner finds the result in stdout by. In a name of a server it would
# make the runner lose the whole result.
DELIMITER = "%%%%%~=~=~=************=~=~=~%%%%"
_HARMLESS = DELIMITER.replace("*", "-")
_CANCELLED = frozenset({"canceled", "canceling"})
_SECONDS, _LARGEST = 5.0, 64 * 1024


def requester(environment: Mapping[str, str]) -> Requester:
    """Return who asked, by the environment that StackStorm gives an action."""
    execution = environment.get("ST2_ACTION_EXECUTION_ID")
    origin = f"stackstorm:{execution}" if execution else "stackstorm"
    return Requester(origin=origin, execution_id=execution)


def watchers(environment: Mapping[str, str]) -> list[Watcher]:
    """Return what asks StackStorm whether the execution was cancelled; nothing outside of it."""
    url = environment.get("ST2_ACTION_API_URL")
    token = environment.get("ST2_ACTION_AUTH_TOKEN")
    execution = environment.get("ST2_ACTION_EXECUTION_ID")
    if not (url and token and execution):
        return []
    address = f"{url.rstrip('/')}/executions/{execution}/attribute/status"
    if not address.startswith(("http://", "https://")):
        return []

    def cancelled() -> str | None:
        from http.client import HTTPException

        try:
            status = _status_from(address, token)
        except (OSError, ValueError, HTTPException):
            return None  # an API that does not answer says nothing about the execution
        if not isinstance(status, str) or status not in _CANCELLED:
            return None
        return f"its StackStorm execution {execution} was cancelled"

    return [cancelled]


def _status_from(address: str, token: str) -> object:
    """Return what StackStorm's API answers, decoded: soon, briefly, and from there alone.

    Where it redirects to, and a proxy of the environment, would be given the token.
    """
    from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
    from urllib.parse import urlsplit

    from accounts import bounded

    bounds = bounded.Deadline(
        _SECONDS, _LARGEST, late=lambda: TimeoutError("too late"), large=lambda: OSError("too long")
    )
    parts = urlsplit(address)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=_SECONDS)
    connection.response_class = lambda sock, **how: HTTPResponse(  # type: ignore[assignment]
        bounded.Source(sock, bounds), **how  # type: ignore[arg-type]
    )
    try:
        connection.request("GET", parts.path, headers={"X-Auth-Token": token})
        answer = connection.getresponse()
        return json.loads(answer.read(_LARGEST)) if answer.status == 200 else None
    finally:
        connection.close()


class ExecutionOutput(LineReporter):
    """The stdout of an action: a line a step as it happens, and at the end the answer's text."""

    _has_printed = False

    def answer(self, result: Mapping[str, Any]) -> None:
        """Print the text of an answer, or the start of it and where the rest is."""
        text = result["text"] or f"{result['summary']}\n"
        shown = leading(text, SHOWN_BYTES)
        if len(shown) < len(text) or "text" in result["truncated"]:
            size = f"{SHOWN_BYTES // 1000} kB"
            note = f"[cut: only {size} of the text are shown here; {whereabouts(result)}]"
            shown = shown.removesuffix("\n") + f"\n{note}"
        if self._has_printed:
            shown = f"\n{shown}"
        with suppress(OSError):  # whoever does not read it has the result
            self._print(shown.removesuffix("\n"))

    def _print(self, line: str) -> None:
        self._has_printed = True
        # The runner reads UTF-8, whatever the locale of the action is.
        encoded = f"{line}\n".replace(DELIMITER, _HARMLESS).encode("utf-8", "backslashreplace")
        if sys.stdout is not None:  # it is None where it was closed
            sys.stdout.buffer.write(encoded)
            sys.stdout.flush()


def harmless(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result in which nothing looks like the end of it to StackStorm's runner."""
    encoded = json.dumps(result, ensure_ascii=False)
    if DELIMITER not in encoded:
        return result
    changed: dict[str, Any] = json.loads(encoded.replace(DELIMITER, _HARMLESS))
    return changed


@contextmanager
def logging_to(logger: logging.Logger) -> Iterator[None]:
    """Send the library's log to the action's own logger while the block runs."""
    ours = logging.getLogger("openstack_ops")
    handler = _Forward(logger)
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)


class _Forward(logging.Handler):
    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logger.handle(record)
