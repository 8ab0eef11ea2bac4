"""Which outcomes of a request are worth, and allow, that it is sent again."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from keystoneauth1 import exceptions

from accounts.failures import AnswerTooSlow

# A service that answers so has not acted on a read, or a proxy in front of it answered instead.
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
# The one answer that also promises of a change that nothing was done.
_TOO_MANY = frozenset({429})
_LOST = (
    exceptions.ConnectFailure,
    exceptions.ConnectTimeout,
    exceptions.UnknownConnectionError,
)


def is_to_be_repeated(outcome: Future[Any], harmless: bool) -> bool:
    """Return whether what came of a request is worth, and allows, that it is sent again."""
    statuses = _TRY_AGAIN if harmless else _TOO_MANY
    error = outcome.exception()
    if error is None:
        return outcome.result().status_code in statuses
    if getattr(error, "was_retried", False):
        return False  # a login inside this request has been repeated enough
    if isinstance(error, AnswerTooSlow):
        return False  # it had its whole time, and would take it again
    status = getattr(error, "http_status", None)
    return status in statuses or (harmless and isinstance(error, _LOST))
