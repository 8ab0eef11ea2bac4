"""The one HTTP session to a cloud: traced, fenced, patient with reads and strict with changes."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions
from keystoneauth1.session import Session
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from workflow_api import tracing

# Without a handler its warnings would go to stderr raw; what they mean is said in our errors.
logging.getLogger("keystoneauth").addHandler(logging.NullHandler())

_TRIES = 4
# Reads side by side that are refused for being too many take turns: each can be refused often.
_TRIES_WHEN_BUSY, _PATIENCE = 60, 60.0
_LONGEST_WAIT = 60.0
# A service that answers so has not acted on a read, or a proxy in front of it answered instead.
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
# The one answer that also promises of a change that nothing was done.
_TOO_MANY = frozenset({429})
_LOST = (
    exceptions.ConnectFailure,
    exceptions.ConnectTimeout,
    exceptions.UnknownConnectionError,
)
_backoff = wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.2)
_too_late = stop_after_delay(2 * _LONGEST_WAIT)
# Those who were told to wait as long as each other must not come back together each time.
_apart = wait_random(0, 0.5)


class TracedSession(Session):  # type: ignore[misc]
    """keystoneauth's session that knows for which attempt of which step it sends.

    Reads are repeated when the answer was lost or the service is busy; a change is repeated only
    on 429. A change outside a step's attempt, or after the run's lease was lost, is never sent.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._mine = threading.local()
        self._renewing = threading.Lock()

    def get_auth_headers(self, auth: Any = None, **how: Any) -> Any:
        """Return the headers that a request is sent with, and remember the token in them."""
        headers = super().get_auth_headers(auth, **how)
        self._mine.token = (headers or {}).get("X-Auth-Token")
        return headers

    def invalidate(self, auth: Any = None) -> bool:
        """Forget a token that was refused; unless another thread has renewed it since."""
        auth = auth or self.auth
        with self._renewing:
            if hasattr(auth, "auth_ref"):
                known = auth.auth_ref
                if known is None or known.auth_token != getattr(self._mine, "token", None):
                    return True
            return bool(super().invalidate(auth))

    def request(self, url: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request as keystoneauth does; raises LeaseLost before a change that is fenced."""
        trace = tracing.current()
        harmless = method in tracing.READING or _is_login(url, method)
        if trace is not None:
            headers = kwargs.setdefault("headers", {})
            headers.setdefault("X-OpenStack-Request-ID", trace.global_request_id)
        # Some versions of the SDK have keystoneauth repeat what met a lost connection, changes
        # too (4.13, the newest for Python 3.10, does). What is repeated is decided here alone.
        kwargs.update(connect_retries=0, status_code_retries=0)
        send = super().request

        def once() -> Any:
            if harmless:
                return send(url, method, *args, **kwargs)
            _allow_change(trace, method, url)
            answer = send(url, method, *args, **kwargs)
            if request_id := answer.headers.get("x-openstack-request-id"):
                assert trace is not None
                trace.request_ids.append(request_id)
            return answer

        return _retrying(harmless)(once)


def _is_login(url: str, method: str) -> bool:
    return method == "POST" and urlsplit(url).path.rstrip("/").endswith("/auth/tokens")


def _allow_change(trace: tracing.Trace | None, method: str, url: str) -> None:
    if trace is None or not trace.changes:
        where = "outside a plan's step" if trace is None else "in a look-up or check"
        raise RuntimeError(f"{method} {urlsplit(url).path} {where}: only steps may change things")
    trace.sending()


def _retrying(harmless: bool) -> Retrying:
    statuses = _TRY_AGAIN if harmless else _TOO_MANY

    def is_enough(state: RetryCallState) -> bool:
        is_busy = harmless and state.idle_for < _PATIENCE and _is_busy(state)
        return state.attempt_number >= (_TRIES_WHEN_BUSY if is_busy else _TRIES) or _too_late(state)

    def is_worth(error: BaseException) -> bool:
        if getattr(error, "was_retried", False):
            return False  # a login inside this request has been repeated enough
        status = getattr(error, "http_status", None)
        return status in statuses or (harmless and isinstance(error, _LOST))

    return Retrying(
        retry=retry_if_exception(is_worth)
        | retry_if_result(lambda answer: answer.status_code in statuses),
        wait=_pause_apart if harmless else _pause,
        stop=is_enough,
        retry_error_callback=_last,
    )


def _last(state: RetryCallState) -> Any:
    """Return the last answer, or raise the last error, marked so that nobody repeats it again."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if error is not None:
        error.was_retried = True  # type: ignore[attr-defined]
    return state.outcome.result()


def _is_busy(state: RetryCallState) -> bool:
    """Return whether the answer was that there are too many requests; some say it with a 503."""
    assert state.outcome is not None
    error = state.outcome.exception()
    status = error.http_status if isinstance(error, exceptions.HttpError) else None
    if error is None:
        status = state.outcome.result().status_code
    return status == 429 or (status == 503 and _asked(state) is not None)


def _pause_apart(state: RetryCallState) -> float:
    asked = _asked(state)
    if asked is None:
        return _backoff(state)
    return asked + (_apart(state) if state.attempt_number > 1 else 0.0)


def _pause(state: RetryCallState) -> float:
    """Wait as long as the service asks for, else longer each time."""
    asked = _asked(state)
    return _backoff(state) if asked is None else asked


def _asked(state: RetryCallState) -> float | None:
    """Return how long the service asks to wait (Retry-After, RFC 9110), if it does."""
    assert state.outcome is not None
    error = state.outcome.exception()
    answer = getattr(error, "response", None) if error else state.outcome.result()
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    with contextlib.suppress(ValueError):
        return min(max(0.0, float(asked)), _LONGEST_WAIT)  # what is no number is no wait
    return None
