"""What was asked of one server, newest first, and how the newest request goes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from accounts import read_cache
from accounts.cloud import Cloud, not_there
from common.errors import CloudError
from common.text import clean
from query_api.language.times import normal
from query_api.lookups import compute
from query_api.lookups.compute_types import Server
from query_api.wire.objects import Action, Actions, Event, OneAction
from query_api.wire.reader import one

# The events of a server's actions say in words what failed.
_EVENT_DETAILS = "2.84"


class ServerAndAction(Server):
    """A server, and the newest that was asked of it."""

    newest: Action | None = None


def actions(cloud: Cloud, server_id: str) -> list[Action]:
    """Return what was asked of a server, newest first. Raises CloudError."""
    path = f"/servers/{server_id}/os-instance-actions"
    return one(cloud, "compute", path, Actions, microversion=compute.SERVERS).instanceActions


def events(cloud: Cloud, server_id: str, action: Action) -> list[Event]:
    """Return the parts of an action, in their order. Raises CloudError."""
    path = f"/servers/{server_id}/os-instance-actions/{action.request_id}"
    return one(cloud, "compute", path, OneAction, microversion=_EVENT_DETAILS).instanceAction.events


def newest_request(cloud: Cloud, server_id: str, action: str) -> str:
    """Return the id of the newest request for an action (``reboot``) on a server, or nothing."""
    known = actions(cloud, server_id)
    return next((each.request_id for each in known if each.action == action), "")


def last_fault(cloud: Cloud, server_id: str) -> str:
    """Return what Nova recorded of why the server's newest action failed, or nothing."""
    try:
        newest = actions(cloud, server_id)[:1]
        if not newest:
            return ""
        parts = events(cloud, server_id, newest[0])
    except CloudError:
        return ""
    failed = [part.details for part in parts if part.failed and part.details]
    return clean(failed[-1] if failed else newest[0].message or "")


def with_newest(cloud: Cloud, server_id: str) -> ServerAndAction | None:
    """Return a server with its newest action; None if the server is gone. Raises CloudError.

    Nova lists actions of one server only: where many are looked at by one look they are not asked
    for, and there is no newest one.
    """
    try:
        server = compute.server(cloud, server_id)
        newest = [] if read_cache.is_of_many() else actions(cloud, server_id)[:1]
    except CloudError as error:
        if not_there(error):
            return None
        raise
    return ServerAndAction(**fields(server), newest=newest[0] if newest else None)


def fields(server: Server) -> dict[str, Any]:
    """Return the fields of a server by name."""
    return msgspec.structs.asdict(server)


def as_time(time: str | None) -> str | None:
    """Return a time of Nova's as all times are shown; None if it is none."""
    try:
        return normal(time or "")
    except ValueError:
        return None


def seconds_since(time: str | None) -> float | None:
    """Return how long ago a time of Nova's was, by this machine's clock; None if it is none."""
    begun = _moment(time)
    return max(0.0, (datetime.now(timezone.utc) - begun).total_seconds()) if begun else None


def between(begun: str | None, ended: str | None) -> float | None:
    """Return the seconds between two times of Nova's; None if one of them is none."""
    first, last = _moment(begun), _moment(ended)
    return max(0.0, (last - first).total_seconds()) if first and last else None


def _moment(time: str | None) -> datetime | None:
    shown = as_time(time)
    # Python 3.10 reads no Z, and fractions of 3 and 6 digits alone.
    if shown is None:
        return None
    head, _, fraction = shown.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction or '0':0<6}+00:00")
