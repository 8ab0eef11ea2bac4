"""A notification as it stands in a message of a broker, with or without its envelope.

oslo.messaging puts a notification as JSON text into an envelope, and the context of its request
into keys of its own beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

#: Larger ones are not decoded: what services send is a few kilobytes.
LARGEST = 4 * 1024 * 1024

_ENVELOPE, _INNER = "oslo.version", "oslo.message"


class Malformed(ValueError):
    """A message that is no notification; nothing is made of it, and none of its kind waits."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One notification as its service sent it; ``when`` is in seconds since 1970."""

    id: str
    event_type: str
    publisher: str
    priority: str
    when: float
    request_id: str | None
    user: str | None
    project: str | None
    payload: Mapping[str, Any]


def decoded(body: bytes | str | Mapping[str, Any]) -> Message:
    """Return what a message of a broker holds. Raises Malformed."""
    outer = _object(body)
    said = _object(outer.get(_INNER)) if {_INNER, _ENVELOPE} & outer.keys() else outer
    payload = said.get("payload")
    if isinstance(payload, str):
        payload = {"message": payload}  # what went wrong, in a sentence
    return Message(
        id=_text(said, "message_id"),
        event_type=_text(said, "event_type"),
        publisher=_text(said, "publisher_id"),
        priority=str(said.get("priority") or "INFO").lower(),
        when=_moment(_text(said, "timestamp")),
        request_id=_context(said, "request_id"),
        user=_context(said, "user_id", "user"),
        project=_context(said, "project_id", "project", "tenant"),
        payload=_plain(payload) if isinstance(payload, Mapping) else {},
    )


def _object(found: object) -> Mapping[str, Any]:
    """Return a JSON object, decoded if it is text."""
    if isinstance(found, (bytes, str)):
        if len(found) > LARGEST:
            raise Malformed("it is too large")
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            raise Malformed("it is no JSON") from None
    if not isinstance(found, Mapping):
        raise Malformed("it is no JSON object")
    return found


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(f"it has no {key}")
    return value


def _context(said: Mapping[str, Any], *names: str) -> str | None:
    """Return what the context of the request says: in keys beside the notification, or in one."""
    inner = said.get("ctxt")
    for name in names:
        value = said.get(f"_context_{name}")
        if value is None and isinstance(inner, Mapping):
            value = inner.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _moment(text: str) -> float:
    """Return the moment of a timestamp, which is in UTC and says so or not."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
    except (ValueError, OverflowError):
        raise Malformed("its timestamp is none") from None


def _plain(value: Any, depth: int = 0) -> Any:
    """Return the payload without the wrapping of versioned objects (``nova_object.data``)."""
    if depth > 20:
        return None
    if isinstance(value, Mapping):
        inner = value.get("nova_object.data")
        if isinstance(inner, Mapping):
            return _plain(inner, depth + 1)
        return {str(key): _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    return value
