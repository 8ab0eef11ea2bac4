"""Why no connection came about, or broke: found in what requests and urllib3 wrap it in."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from common.text import clean, shorten

_LONGEST = 300
_Kinds = type[BaseException] | tuple[type[BaseException], ...]
_TLS_ALERT = re.compile(r"\\x1[5-7]\\x03|[\x15-\x17]\x03")


class Reason(NamedTuple):
    """What is said of a connection that failed, and what to do about it."""

    why: str
    advice: str


_REACHABLE = (
    "See whether the address in auth_url or the catalogue is right and reachable from here, and "
    "whether the service is up."
)
_HUNG_UP = f"{_REACHABLE} What expects TLS hangs up on an address that begins with http://."
_NO_TLS = (
    "Use http:// in auth_url, or in endpoint_override for an address of the catalogue, if the "
    "service is meant to be without TLS; else check the port."
)
_TLS = (
    "Use https:// in auth_url, or in endpoint_override for an address of the catalogue, if the "
    "service is meant to be with TLS; else check the port."
)
_NOT_HTTP = "Check the host and the port: something other than an OpenStack API listens there."
_NAME = "Check the host's name, and whether it can be looked up on this machine."
_SCHEME = (
    "An address is http:// or https://, a host, and a port if it is not the usual one; set "
    "endpoint_override if that in the catalogue is wrong."
)
_PROXY = (
    "HTTPS_PROXY, HTTP_PROXY and NO_PROXY of this process's environment say what goes through "
    "which proxy."
)
_BROKEN = "Try again; if it stays so, the log of the service, or of a proxy before it, says why."
# How nginx, Apache and Go say that they were spoken to without TLS, in a page with status 400.
_PLAIN_HTTP = re.compile(rb"plain HTTP|HTTP request to an HTTPS", re.I)
_PAGE = 4096
# What to do where a system has one address, and no catalogue.
_AT_URL = {
    _REACHABLE: "See whether url is right and reachable from here, and whether the service is up.",
    _HUNG_UP: "See whether url is right and reachable from here, and whether the service is up. "
    "What expects TLS hangs up on an address that begins with http://.",
    _NO_TLS: "Use http:// in url if the service is meant to be without TLS; else check the port.",
    _TLS: "Use https:// in url if the service is meant to be with TLS; else check the port.",
    _NOT_HTTP: "Check the host and the port in url: something else listens there.",
    _SCHEME: "Write url as https://host:port/path.",
}
# Where OpenSSL finds that what came is no TLS at all.
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST",
          "UNKNOWN_PROTOCOL")  # fmt: skip


def reason(error: BaseException) -> Reason:
    """Return why a request had no answer; the nearest cause that says something decides."""
    chain = list(_chain(error))
    found = next(filter(None, (_known(cause) for cause in chain)), None)
    why, advice = found or (shorten(clean(error), _LONGEST).rstrip(". "), _REACHABLE)
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in chain):
        return Reason(f"by way of the proxy: {why}", _PROXY)
    address = next((a for a in map(_address, chain) if a), "")
    return Reason(f"{address}: {why}" if address else why, advice)


def reason_at_url(error: BaseException) -> Reason:
    """Return the same of a system whose one address stands in ``url`` of its account."""
    why, advice = reason(error)
    return Reason(why, _AT_URL.get(advice, advice))


def wants_tls(answer: object) -> str:
    """Return what to do if an answer says that TLS was expected of us, else nothing."""
    content = getattr(answer, "content", b"") or b""
    return _TLS if _PLAIN_HTTP.search(content[:_PAGE]) else ""


def certificate(error: BaseException) -> str | None:
    """Return what was wrong with a certificate, None if that was not it."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return clean(cause.verify_message or cause).rstrip(". ")
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made of, the nearest first: also what it only mentions."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        held = (one.__cause__, getattr(one, "reason", None), *one.args, one.__context__)
        waiting += [cause for cause in held if isinstance(cause, BaseException)]


def _address(cause: BaseException) -> str:
    asked = (
        getattr(cause, "request", None) if isinstance(cause, requests.RequestException) else None
    )
    url = getattr(asked, "url", None) or ""
    parts = urlsplit(url) if url else None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else ""


def _known(cause: BaseException) -> Reason | None:
    for kind, said in _SAID:
        if isinstance(cause, kind):
            return said(cause)
    return None


def _tls(error: ssl.SSLError) -> Reason:
    if any(word in str(error) for word in _PLAIN):
        return Reason("what answers there does not speak TLS, but the address says https", _NO_TLS)
    said = (error.reason or "").replace("_", " ").lower() or "it hung up"
    return Reason(f"TLS did not come about: {clean(said)}", _NOT_HTTP)


def _not_http(error: http.client.HTTPException) -> Reason:
    if _TLS_ALERT.search(str(error)):
        return Reason("what answers there speaks TLS, but the address says http", _TLS)
    return Reason("what answers there does not speak HTTP", _NOT_HTTP)


def _system(error: OSError) -> Reason | None:
    if type(error).__module__.partition(".")[0] in ("requests", "urllib3"):
        return None  # they call their own exceptions that, too
    if error.errno is None:  # as urllib3's of a proxy that refuses
        return Reason(shorten(clean(error), _LONGEST).rstrip(". "), _REACHABLE)
    return Reason((error.strerror or clean(error)).lower(), _REACHABLE)


def _fixed(why: str, advice: str) -> Callable[[BaseException], Reason]:
    return lambda error: Reason(why, advice)


# The first that fits is said.
_SAID: list[tuple[_Kinds, Callable[..., Reason | None]]] = [
    (ssl.SSLError, _tls),
    (socket.gaierror, _fixed("no address was found for its name", _NAME)),
    (TimeoutError, _fixed("no answer came in time", _REACHABLE)),
    (ConnectionResetError, _fixed("it hung up without an answer", _HUNG_UP)),
    (http.client.RemoteDisconnected, _fixed("it hung up without an answer", _HUNG_UP)),
    (
        (
            http.client.IncompleteRead,
            urllib3.exceptions.IncompleteRead,
            requests.exceptions.ChunkedEncodingError,
        ),
        _fixed("the answer broke off", _BROKEN),
    ),
    (http.client.HTTPException, _not_http),
    (urllib3.exceptions.DecodeError, _fixed("the answer could not be unpacked", _BROKEN)),
    (
        (
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
            urllib3.exceptions.LocationValueError,
        ),
        lambda error: Reason(f"the address is none: {_named(error)}", _SCHEME),
    ),
    (
        requests.exceptions.InvalidHeader,
        _fixed("a header that was to be sent has characters that none may have", ""),
    ),
    (OSError, _system),
]  # fmt: skip


def _named(error: BaseException) -> str:
    return shorten(clean(error), _LONGEST).rstrip(". ")
