"""Whether an address that a person typed into the configuration can be one of a service."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from common.errors import UserError
from common.text import clean, shorten

_ODD = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"{}|^`]")
_LONGEST = 100
_FORM = "Write it as https://host:port/path; that of an auth_url usually ends in /v3."


def check_address(address: object, where: str) -> None:
    """Raise UserError, which begins with ``where``, if no request could go to an address."""
    if why := _wrong_with(address):
        raise UserError(
            f"{where} {_shown(address)} is no address of a service: {why}.", advice=_FORM
        )


def _wrong_with(address: object) -> str:
    if not isinstance(address, str):
        return "it is not a text"
    if not address.strip():
        return "it is empty"
    if _ODD.search(address):
        return "it has white space or characters that no address may have"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return clean(error).rstrip(".").lower()
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return "it does not begin with https:// or http://"
    if not host:
        return "it names no host"
    if port == 0:
        return "no service listens on port 0"
    if parts.username is not None or parts.password is not None:
        return "a user and a password have keys of their own"
    if parts.query or parts.fragment:
        return "it has a query or a fragment, which paths cannot be added to"
    return ""


def _shown(address: object) -> str:
    """Return an address for a message: without what may be a password in it."""
    text = re.sub(r"//[^/]*@", "//…@", address) if isinstance(address, str) else str(address)
    return repr(shorten(clean(text), _LONGEST))
