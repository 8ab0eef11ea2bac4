"""What StackStorm tells an action about its execution, and how a cancel is noticed.

``st2 execution cancel`` sends a running action nothing; only its execution's status tells.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from workflow_api.context import Requester
from workflow_api.lease import Watcher

_CANCELLED = frozenset({"canceled", "canceling"})
_SECONDS = 5.0


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
        from urllib.request import Request, urlopen

        asked = Request(address, headers={"X-Auth-Token": token})  # noqa: S310 - checked above
        try:
            with urlopen(asked, timeout=_SECONDS) as answer:  # noqa: S310
                status = json.load(answer)
        except (OSError, ValueError):
            return None  # an API that does not answer says nothing about the execution
        return "its StackStorm execution was cancelled" if status in _CANCELLED else None

    return [cancelled]


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
