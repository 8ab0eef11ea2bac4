"""The one HTTP session to a cloud: traced, patient with reads and strict with changes.

Where its bytes leave, and whether they may, is ``accounts.transport``'s part.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions
from keystoneauth1.session import NoOpSemaphore, Session

from accounts import logins
from accounts.retriable import is_to_be_repeated
from accounts.transport import Transport, refuse_change
from accounts.transport import harmless as sending_harmless
from common import tracing
from common.redaction import learn

# Without a handler its warnings would go to stderr raw; what they mean is said in our errors.
logging.getLogger("keystoneauth").addHandler(logging.NullHandler())


class TracedSession(Session):  # type: ignore[misc]
    """keystoneauth's session that knows for which attempt of which step it sends.

    Reads are repeated when the answer was lost or the service is busy; a change is repeated only
    on 429. A change outside a step's attempt, or after the run's lease was lost, is never sent.

    ``seconds`` is how long one request may take in all, ``most`` how many bytes its answer may
    have. ``wait`` is how to sleep, as ``time.sleep``: it ends a sleep, and a wait for an answer,
    by raising.
    """

    def __init__(
        self,
        *,
        seconds: float,
        most: int,
        wait: Callable[[float], None] = time.sleep,
        connections: int = 10,
        **how: Any,
    ) -> None:
        super().__init__(
            session=_plain(Transport(seconds, most, lambda: wait(0), connections=connections)),
            timeout=seconds,
            **how,
        )
        self._wait = wait
        self._of_thread = threading.local()
        self._renewing = threading.Lock()

    def get_auth_headers(self, auth: Any = None, **how: Any) -> Any:
        """Return the headers that a request is sent with, and remember the token in them."""
        with self.logging_in(auth):
            headers = super().get_auth_headers(auth, **how)
        if token := (headers or {}).get("X-Auth-Token"):
            learn(token)
        self._of_thread.token = token
        return headers

    @contextmanager
    def logging_in(self, auth: Any = None) -> Iterator[None]:
        """Raise DiscoveryFailure if this thread is about to log in while it does so already.

        What answers 401 where Keystone tells its versions is asked again by keystoneauth with a
        token, and the login for that would wait for the lock that the first one holds: for good.
        """
        login, under_way = id(auth or self.auth), self._of_thread.__dict__.setdefault(
            "under_way", set()
        )
        if login in under_way:
            raise exceptions.DiscoveryFailure("a token is asked for before there is a login")
        under_way.add(login)
        try:
            yield
        finally:
            under_way.discard(login)

    def invalidate(self, auth: Any = None) -> bool:
        """Forget a token that was refused; unless another thread has renewed it since."""
        auth = auth or self.auth
        with self._renewing:
            if hasattr(auth, "auth_ref"):
                known = auth.auth_ref
                if known is None or known.auth_token != getattr(self._of_thread, "token", None):
                    return True
            return bool(super().invalidate(auth))

    def request(self, url: str, method: str, *args: Any, reads: bool = False, **kwargs: Any) -> Any:
        """Send a request as keystoneauth does; raises LeaseLost before a change that is fenced.

        ``reads`` says that it changes nothing although its method is none of reading.
        """
        trace = tracing.current()
        # What carries no token can change nothing: every plugin logs in so.
        login = kwargs.get("authenticated") is False
        harmless = method in tracing.READING or login or reads
        if not harmless:
            refuse_change(method, url)  # before anybody logs in for it
        if trace is not None:
            headers = kwargs.setdefault("headers", {})
            headers.setdefault("X-OpenStack-Request-ID", trace.global_request_id)
        # Some versions of the SDK have keystoneauth repeat what met a lost connection, changes
        # too (4.13, the newest for Python 3.10, does). What is repeated is decided here alone.
        # The SDK's own semaphore sleeps by the wall clock: as long as that was set back by.
        kwargs.update(
            connect_retries=0,
            status_code_retries=0,
            redirect=False,
            rate_semaphore=NoOpSemaphore(),
        )
        send = super().request

        def once() -> Any:
            with sending_harmless(login or reads):
                answer = send(url, method, *args, **kwargs)
            if login:
                logins.check(answer)
            elif not harmless and (request_id := answer.headers.get("x-openstack-request-id")):
                assert trace is not None
                trace.request_ids.append(request_id)
            return answer

        first = _tried(once)
        if not is_to_be_repeated(first, harmless):
            return first.result()
        from accounts.repeating import repeated

        return repeated(first, once, harmless, self._wait)


def _tried(once: Callable[[], Any]) -> Future[Any]:
    outcome: Future[Any] = Future()
    try:
        outcome.set_result(once())
    except Exception as error:
        outcome.set_exception(error)
    return outcome


def _plain(transport: Transport) -> requests.Session:
    """Return requests' session as we use it: through ``transport``, with nobody's credentials.

    It obeys what the environment says of proxies (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) and, where a
    cloud has no cacert, of certificate authorities (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE). With an
    ``auth`` of its own it never looks into ~/.netrc, nor for a user in an address.
    """
    session = _Plain()
    session.auth = _as_it_is
    session.mount("http://", transport)
    session.mount("https://", transport)
    return session


class _Plain(requests.Session):  # type: ignore[misc]
    """requests' session that looks into the environment once for each host.

    requests reads all of it for each request, which takes a twentieth of the time of one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[tuple[Any, ...], dict[str, Any]] = {}

    def merge_environment_settings(
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any]:
        """Return the proxies and certificates for a request, as the first one to its host had."""
        parts = urlsplit(url)
        if proxies:  # given for this request alone
            return self._merged(url, proxies, stream, verify, cert)
        known = (parts.scheme, parts.netloc, stream, verify, cert)
        if known not in self._settings:
            self._settings[known] = self._merged(url, proxies, stream, verify, cert)
        found = self._settings[known]
        return {**found, "proxies": dict(found["proxies"])}

    def _merged(self, *given: Any) -> dict[str, Any]:
        merged: dict[str, Any] = super().merge_environment_settings(*given)
        return merged


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
