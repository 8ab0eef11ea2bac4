"""What the cloud proxy remembers of a request, and how requests are picked out.

Secrets never enter a record: the headers that carry tokens are dropped, and so is the body of the
request that trades a password or an application credential for a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .proxy_faults import Fault

#: Stands in a record for the body of a token request.
LOGIN_BODY = b"<body of a token request: not kept>"

#: Largest body kept in a record, in bytes; an image upload would only fill the memory.
KEPT_BODY_BYTES = 1024 * 1024

#: Headers that are, or may hold, a credential (lower case).
SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "x-auth-token", "x-service-token", "x-subject-token"}
)

#: Methods that only read.
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# A prefix such as "/identity" is allowed: Keystone may be mounted below a path.
_LOGIN_PATH = re.compile(r"^[^?]*/v3/auth/tokens/?(\?|$)")


def is_login(method: str, path: str) -> bool:
    """Tell whether a request asks for a token (``POST /v3/auth/tokens``)."""
    return method == "POST" and _LOGIN_PATH.search(path) is not None


def kept_body(method: str, path: str, body: bytes) -> bytes:
    """Return what a record may keep of a request body: all of it, or a marker."""
    if is_login(method, path):
        return LOGIN_BODY
    if len(body) > KEPT_BODY_BYTES:
        return b"<body of %d bytes: not kept>" % len(body)
    return body


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the request headers a record may keep, by lower-case name."""
    named = ((name.lower(), value) for name, value in headers)
    return {name: value for name, value in named if name not in SECRET_HEADERS}


@dataclass(eq=False)
class Request:
    """One request that reached the proxy, completed while it is being served.

    Every field is final by the time the client has its whole answer. Times are seconds of
    ``time.monotonic()``.
    """

    service: str
    method: str
    #: Path with its query, as the client sent it.
    path: str
    #: Body, or a marker where it must not be kept (see :func:`kept_body`).
    body: bytes = field(repr=False)
    #: Request headers by lower-case name, without any that holds a token.
    headers: Mapping[str, str] = field(repr=False)
    #: When the whole request had been read.
    started: float = field(repr=False)
    #: When the last byte of the answer was handed out, or the connection given up.
    ended: float | None = field(default=None, repr=False)
    #: Status the client was answered; None if it got no answer.
    status: int | None = None
    #: Status the service answered; None if it was never asked or never answered.
    upstream_status: int | None = None
    #: ``X-OpenStack-Request-ID`` of the service's answer.
    request_id: str | None = None
    #: The fault that hit this request.
    fault: Fault | None = None
    #: Why the client did not get the service's answer, other than by a made-up status.
    failure: str | None = None

    @property
    def global_request_id(self) -> str | None:
        """The ``X-OpenStack-Request-ID`` the client sent."""
        return self.headers.get("x-openstack-request-id")

    @property
    def is_login(self) -> bool:
        """Whether this request asked for a token."""
        return is_login(self.method, self.path)

    @property
    def is_change(self) -> bool:
        """Whether this request may have changed the cloud (a login does not)."""
        return self.method not in READING_METHODS and not self.is_login

    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Match:
    """Which requests are meant; a field left at None fits every request.

    ``service`` and ``method`` are compared whole; ``path`` (matched with its query) and ``body``
    are regular expressions searched for anywhere in the text.
    """

    service: str | None = None
    method: str | None = None
    path: str | None = None
    body: str | None = None

    def __post_init__(self) -> None:
        # A bad expression must fail in the test that wrote it, not in a proxy thread.
        for pattern in (self.path, self.body):
            re.compile(pattern or "")

    def fits(self, request: Request, body: bytes | None = None) -> bool:
        """Tell whether ``request`` is meant.

        ``body`` is the real body while the request is being served; without it, what the record
        kept is searched.
        """
        text = (request.body if body is None else body).decode("utf-8", "replace")
        return (
            self.service in (None, request.service)
            and (self.method is None or self.method.upper() == request.method)
            and (self.path is None or re.search(self.path, request.path) is not None)
            and (self.body is None or re.search(self.body, text) is not None)
        )
