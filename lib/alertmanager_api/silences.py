"""Silences of an Alertmanager: listed, made, extended, expired."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from accounts.alertmanager import Alertmanager
from accounts.http_account import not_there
from alertmanager_api.matchers import Matcher
from common.errors import CloudError, NotFound

_PATH = "/api/v2/silences"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
State = Literal["active", "pending", "expired"]


class _Status(msgspec.Struct, frozen=True):
    state: State


class Silence(msgspec.Struct, frozen=True, rename="camel"):
    """A silence as Alertmanager tells of it; times are in UTC. One that has ended is expired."""

    id: str
    status: _Status
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""

    @property
    def state(self) -> State:
        """Whether it is in force (active), will be (pending), or has ended (expired)."""
        return self.status.state

    @property
    def has_ended(self) -> bool:
        """Whether it is expired; it is never touched again."""
        return self.state == "expired"


class _Created(msgspec.Struct):
    silence_id: str = msgspec.field(name="silenceID")


def listed(alertmanager: Alertmanager) -> list[Silence]:
    """Return all silences, the expired ones that are still known too, in one request.

    They are chosen from here and not by Alertmanager's ``filter``, which is a language of its own
    that names and values would have to be written into.
    """
    found = alertmanager.get(_PATH, list[Silence], "listing the silences")
    return sorted(found, key=lambda silence: (silence.ends_at, silence.id))


def find(alertmanager: Alertmanager, id: str) -> Silence | None:
    """Return the silence of an id, None if there is none."""
    if not _UUID.fullmatch(id):
        return None
    try:
        return alertmanager.get(_path(id), Silence, f"asking for silence {id}")
    except CloudError as error:
        if not_there(error):
            return None
        raise


def create(
    alertmanager: Alertmanager,
    matchers: Sequence[Matcher],
    *,
    begins: datetime,
    ends: datetime,
    creator: str,
    comment: str,
) -> str:
    """Silence the alerts that pass all matchers; return the new silence's id.

    ``begins`` and ``ends`` have their zone; a begin in the past is now.
    """
    body = {
        "matchers": [_sent(one) for one in matchers],
        "startsAt": _time(begins),
        "endsAt": _time(ends),
        "createdBy": creator,
        "comment": comment,
    }
    answer = alertmanager.change("POST", _PATH, _Created, "making a silence", body=body)
    return answer.silence_id


def extend(alertmanager: Alertmanager, id: str, ends: datetime) -> str:
    """Let a silence end at another time; return its id.

    All else of it stays, also what only newer versions know. One that has expired at this instant
    comes back under a new id. Raises NotFound.
    """
    if not _UUID.fullmatch(id):
        raise NotFound("silence", id, where=alertmanager.who)
    doing = f"extending silence {id}"
    known = alertmanager.get(_path(id), dict[str, Any], doing)
    body = {key: value for key, value in known.items() if key not in ("status", "updatedAt")}
    body["endsAt"] = _time(ends)
    return alertmanager.change("POST", _PATH, _Created, doing, body=body).silence_id


def expire(alertmanager: Alertmanager, id: str) -> None:
    """End a silence now. Raises NotFound; older versions, a CloudError for one that has ended."""
    if not _UUID.fullmatch(id):
        raise NotFound("silence", id, where=alertmanager.who)
    alertmanager.change("DELETE", _path(id), type(None), f"expiring silence {id}")


def same(matchers: Iterable[Matcher], others: Iterable[Matcher]) -> bool:
    """Return whether these are the same matchers, in whatever order."""
    return frozenset(matchers) == frozenset(others)


def _path(id: str) -> str:
    return f"/api/v2/silence/{quote(id, safe='')}"


def _sent(matcher: Matcher) -> dict[str, Any]:
    return {
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matcher.is_regex,
        "isEqual": matcher.is_equal,
    }


def _time(moment: datetime) -> str:
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
