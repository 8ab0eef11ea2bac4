"""server.history: what was done with a server, by whom, when, and how it ended."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from accounts.cloud import Cloud
from query_api.lookups import compute, people, server_actions
from query_api.wire.objects import Action, Event
from query_api.wire.reading import Reading
from workflow_api import CloudError, Context, Table, clean, count, humanize, listed, workflow
from workflow_api.parameters import ServerName

_COLUMNS = ("when", "action", "result", "took", "user", "why")
_EXTRA = ("user_id", "request_id", "events", "hosts")


@workflow("server.history")
def server_history(
    ctx: Context,
    cloud: Cloud,
    server: ServerName,
    *,
    limit: Annotated[int, Meta(ge=1, le=200)] = 20,
) -> Table:
    """Show what was done with a server: what, when, by whom, for how long, and how it ended.

    limit: How many of the newest actions to show; each is a request to Nova.
    """
    found = compute.find_server(cloud, server)
    known = server_actions.actions(cloud, found.id)
    shown = known[:limit]
    reading = Reading(cloud)
    users = _users(reading, shown)
    parts = reading.tried(lambda action: server_actions.events(cloud, found.id, action), shown)
    rows = []
    for action, events in zip(shown, parts, strict=True):
        if isinstance(events, CloudError):
            reading.incomplete(f"events of {clean(action.action)} {action.request_id}", str(events))
            events = []
        rows.append(_row(action, events, users))
    more = f"the newest {len(shown)} of " if len(shown) < len(known) else ""
    return Table(
        _COLUMNS,
        rows,
        extra=_EXTRA,
        units={"when": "time"},
        reasons=reading.reasons,
        summary=f"{more}{count(len(known), 'action')} of {clean(found.name)}",
    )


def _users(reading: Reading, actions: list[Action]) -> dict[str, str]:
    """Return the names of the users who asked, by id; users that are gone are left out."""
    ids = list(dict.fromkeys(action.user_id for action in actions if action.user_id))
    named = {}
    for id, found in zip(ids, reading.tried(lambda id: people.user(reading, id), ids), strict=True):
        if isinstance(found, CloudError):
            reading.incomplete(f"the name of user {id}", str(found), rows=False)
        elif found is not None:
            named[id] = clean(found.name)
    return named


def _row(action: Action, events: list[Event], users: dict[str, str]) -> dict[str, Any]:
    user = action.user_id
    return {
        "when": server_actions.as_time(action.start_time),
        "action": clean(action.action),
        "result": _result(action, events),
        "took": _took(action, events),
        "user": users.get(user, user) if user else None,
        "why": next((clean(e.details) for e in reversed(events) if e.failed and e.details), None),
        "user_id": user,
        "request_id": action.request_id,
        "events": listed(clean(event.event) for event in events),
        "hosts": listed(dict.fromkeys(clean(event.host) for event in events if event.host)),
    }


def _result(action: Action, events: list[Event]) -> str:
    if action.message or any(event.failed for event in events):
        return "error"
    if not events:
        return "not known"
    return "success" if all(event.finish_time for event in events) else "under way"


def _took(action: Action, events: list[Event]) -> str | None:
    """Return how long the action took, from the request to the end of its last part."""
    ends = [event.finish_time for event in events]
    seconds = server_actions.between(action.start_time, max(filter(None, ends), default=None))
    return humanize(seconds) if seconds is not None and all(ends) else None
