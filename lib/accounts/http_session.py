"""The session of an outside system: that of clouds, with credentials that need no login."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from keystoneauth1.plugin import FixedEndpointPlugin

from accounts.http_config import HttpEntry
from accounts.reach import certificate
from accounts.session import TracedSession
from common.redaction import learn
from common.version import VERSION


class _Credentials(FixedEndpointPlugin):  # type: ignore[misc]
    """What keystoneauth sends with each request: a user and password, a token, or nothing."""

    def __init__(self, address: str, authorization: str) -> None:
        super().__init__(address)
        self._authorization = authorization

    def get_headers(self, session: Any, **how: Any) -> dict[str, str]:
        """Return the headers of every request."""
        return {"Authorization": self._authorization} if self._authorization else {}


def opened(
    entry: HttpEntry, *, token: str | None, most: int, wait: Callable[[float], None]
) -> TracedSession:
    """Return a session for an entry; an answer may have ``most`` bytes."""
    return TracedSession(
        auth=_Credentials(entry.url, _authorization(entry, token)),
        verify=entry.cacert or True,
        cert=certificate(entry.cert, entry.key, entry.name),
        seconds=float(entry.timeout),
        most=most,
        wait=wait,
        additional_user_agent=[("openstack_ops", VERSION)],
    )


def _authorization(entry: HttpEntry, token: str | None) -> str:
    if token:
        return f"Bearer {token}"
    if not entry.user:
        return ""
    both = b64encode(f"{entry.user}:{entry.password}".encode()).decode()
    learn(both)
    return f"Basic {both}"
