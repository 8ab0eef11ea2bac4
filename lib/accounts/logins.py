"""Whether an answer to a login is one: what keystoneauth would stumble over is named here."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from accounts.failures import NoLogin
from common.text import clean, shorten

_LONGEST = 200


class _Endpoint(msgspec.Struct):
    url: str | None
    interface: str | None
    region: str | None = None
    region_id: str | None = None
    id: str | None = None


class _Service(msgspec.Struct):
    type: str
    endpoints: list[_Endpoint]
    name: str | None = None
    id: str | None = None


class _Named(msgspec.Struct):
    id: str | None
    name: str | None


class _Scope(_Named):
    domain: _Named


class _Role(msgspec.Struct):
    name: str


class _Token(msgspec.Struct):
    """What of a token is read later on: by keystoneauth, or by us."""

    expires_at: str
    methods: list[str]
    user: _Scope
    issued_at: str | None = None
    project: _Scope | None = None
    domain: _Named | None = None
    system: dict[str, Any] | None = None
    roles: list[_Role] = []
    catalog: list[_Service] = []


class _Login(msgspec.Struct):
    token: _Token


def check(answer: Any) -> None:
    """Raise NoLogin if a good answer of Keystone's ``/auth/tokens`` has no token or catalogue."""
    asked = answer.request
    if asked.method != "POST" or not urlsplit(asked.url).path.rstrip("/").endswith("/auth/tokens"):
        return
    if why := _lacks(answer):
        raise NoLogin(answer.url, why)


def _lacks(answer: Any) -> str:
    if answer.content.lstrip()[:1] == b"<":
        return "it is a web page"
    if not answer.content.strip():
        return "it is empty"
    try:
        msgspec.json.decode(answer.content, type=_Login)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return shorten(clean(error), _LONGEST).rstrip(".")
    return "" if answer.headers.get("X-Subject-Token", "").strip() else "it has no X-Subject-Token"
