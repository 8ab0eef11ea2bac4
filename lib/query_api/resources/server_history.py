"""What was done with servers: their migrations, and the actions that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from accounts.cloud import not_there
from common.errors import CloudError
from query_api.language.schema import WHOLE, Filter, Link, Listing, Resource, Source, exact
from query_api.language.times import normal
from query_api.resources.properties import integer, text, texts, time
from query_api.wire.narrowing import refuse_flood
from query_api.wire.objects import Event, OneAction

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

MIGRATION = Resource(
    name="migration",
    plural="migrations",
    about="A server's way from one host to another, or to another flavor.",
    listings=(
        Listing(
            service="compute",
            path="/os-migrations",
            collection="migrations",
            # Whose they are, and by whom they were begun.
            microversion="2.80",
            # Nova leaves hidden ones out after it has made a page, and a page that is then short
            # has no link to the next one.
            params={"hidden": "0"},
            paging="links",
        ),
    ),
    # Numbers repeat in each cell.
    key="uuid",
    default=("server_id", "status", "type", "source_compute", "dest_compute", "created_at"),
    properties=(
        integer("id", "Its number in its cell."),
        text("uuid", "Its UUID; the consumer of what it holds in Placement."),
        text("server_id", "The server.", "instance_uuid", filters=exact("instance_uuid")),
        text(
            "status", "How far it is, such as running, completed or error.", filters=exact("status")
        ),
        text(
            "type",
            "migration (cold), live-migration, resize or evacuation.",
            "migration_type",
            filters=exact("migration_type"),
        ),
        text("source_compute", "The host it began on.", filters=exact("source_compute")),
        # Nova takes a host for either end.
        text("dest_compute", "The host it is for.", filters=exact("host")),
        text("source_node", "The hypervisor it began on."),
        text("dest_node", "The hypervisor it is for."),
        text("dest_host", "The address of that, with some hypervisors."),
        text("project_id", "Whose server it was.", filters=exact("project_id")),
        text("user_id", "Who began it.", filters=exact("user_id")),
        time("created_at", "When it was begun."),
        time(
            "updated_at",
            "When it last changed.",
            filters={"younger_than": Filter(param="changes-since")},
        ),
    ),
    links=(
        Link("server", "server", "server_id"),
        Link("project", "project", "project_id"),
        Link("user", "user", "user_id"),
        Link("source", "hypervisor", "source_node", "name"),
        Link("destination", "hypervisor", "dest_node", "name"),
        Link("allocations", "allocation", "uuid", "consumer_id", many=True),
    ),
)


# Events say where they were, and in words what went wrong.
_WITH_HOST, _WITH_DETAILS = "2.62", "2.84"


def _events(reading: Reading, actions: list[str]) -> Mapping[str, list[Event]]:
    version = _WITH_DETAILS if reading.cloud.supports("compute", _WITH_DETAILS) else _WITH_HOST
    asked = list(dict.fromkeys(actions))
    refuse_flood("events are read for one action at a time", len(asked))

    def events(action: str) -> list[Event]:
        server, _, request = action.partition("/")
        path = f"/servers/{server}/os-instance-actions/{request}"
        try:
            answer: OneAction = reading.one("compute", path, OneAction, None, version)
        except CloudError as error:
            if not not_there(error):  # archived since
                raise
            return []
        return answer.instanceAction.events

    where = f"events of server actions of {reading.cloud.name}"
    return reading.answers(events, asked, lambda action: f"{where} ({action})")


def _id(action: Mapping[str, Any]) -> str:
    return f"{action['instance_uuid']}/{action['request_id']}"


def _each(word: str) -> Callable[[list[Event]], list[str]]:
    def values(events: list[Event]) -> list[str]:
        said = (getattr(event, word) for event in events)
        return list(dict.fromkeys(value for value in said if value))

    return values


def _result(events: list[Event]) -> str | None:
    """Return Error if any failed, else Success if all are done, else nothing."""
    if any(event.failed for event in events):
        return "Error"
    return "Success" if events and all(event.finish_time for event in events) else None


def _failure(events: list[Event]) -> str | None:
    said = (event.details for event in reversed(events) if event.failed)
    return next((details.strip() for details in said if details), None)


def _finished(events: list[Event]) -> str | None:
    if any(event.finish_time is None for event in events):
        return None
    return max((normal(event.finish_time or "") for event in events), default=None)


SERVER_ACTION = Resource(
    name="server_action",
    plural="server_actions",
    about="Something that was asked of a server, such as create, reboot or live-migration.",
    listings=(
        Listing(
            service="compute",
            path="/servers/{server_id}/os-instance-actions",
            collection="instanceActions",
            # The highest that gives all actions at once; those of deleted servers too.
            microversion="2.57",
        ),
    ),
    # An action's id is made of its server's and its request's, and a request may be two actions.
    key="",
    needs={"server_id": None},
    default=("server_id", "action", "start_time", "user_id", "message"),
    properties=(
        text("id", "The server's UUID, a slash, and the request's id.", WHOLE, of=_id),
        text("server_id", "The server.", "instance_uuid"),
        text("action", "What was asked for."),
        text("request_id", "The id of the request, as in Nova's log."),
        time("start_time", "When it was asked for."),
        text("message", "Error, if it failed."),
        text("project_id", "Whose request it was."),
        text("user_id", "Who asked."),
        texts("events", "What it was made of.", source="events", of=_each("event")),
        texts("hosts", "Where that was done.", source="events", of=_each("host")),
        text(
            "result",
            "Error if a part failed, Success if all are done.",
            source="events",
            of=_result,
        ),
        text("failure", "What went wrong, in words.", source="events", of=_failure),
        time("finish_time", "When its last part was done.", source="events", of=_finished),
    ),
    links=(
        Link("server", "server", "server_id"),
        Link("project", "project", "project_id"),
        Link("user", "user", "user_id"),
    ),
    sources={
        "events": Source(key="id", read=_events, cost="one request for each action", each=True)
    },
)

RESOURCES = {"migration": MIGRATION, "server_action": SERVER_ACTION}
