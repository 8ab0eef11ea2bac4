"""The one HTTP session to a cloud: traced, fenced, patient with reads and strict with changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions
from keystoneauth1.session import Session

from workflow_api import tracing

# Without a handler its warnings would go to stderr raw; what they mean is said in our errors.
logging.getLogger("keystoneauth").addHandler(logging.NullHandler())

# A service that answers so has not acted on a read, or a proxy in front of it answered instead.
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
# The one answer that also promises of a change that nothing was done.
_TOO_MANY = frozenset({429})
_LOST = (
    exceptions.ConnectFailure,
    exceptions.ConnectTimeout,
    exceptions.UnknownConnectionError,
)


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

        first = _tried(once)
        if not is_to_be_repeated(first, harmless):
            return first.result()
        from accounts.repeating import repeated  # seldom needed, and dear to import

        return repeated(first, once, harmless)


def is_to_be_repeated(outcome: Future[Any], harmless: bool) -> bool:
    """Return whether what came of a request is worth, and allows, that it is sent again."""
    statuses = _TRY_AGAIN if harmless else _TOO_MANY
    error = outcome.exception()
    if error is None:
        return outcome.result().status_code in statuses
    if getattr(error, "was_retried", False):
        return False  # a login inside this request has been repeated enough
    status = getattr(error, "http_status", None)
    return status in statuses or (harmless and isinstance(error, _LOST))


def _tried(once: Callable[[], Any]) -> Future[Any]:
    outcome: Future[Any] = Future()
    try:
        outcome.set_result(once())
    except Exception as error:
        outcome.set_exception(error)
    return outcome


def _is_login(url: str, method: str) -> bool:
    return method == "POST" and urlsplit(url).path.rstrip("/").endswith("/auth/tokens")


def _allow_change(trace: tracing.Trace | None, method: str, url: str) -> None:
    if trace is None or not trace.changes:
        where = "outside a plan's step" if trace is None else "in a look-up or check"
        raise RuntimeError(f"{method} {urlsplit(url).path} {where}: only steps may change things")
    trace.sending()
