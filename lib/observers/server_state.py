"""Servers with which something is wrong: in ERROR, stuck, or waiting to be confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import ServerStateSettings
from common.text import shorten
from observers.observer import Condition, Observer, Sight, Surroundings, sentences
from observers.tables import Table, state_of
from query_api.execution.query import Query, query
from query_api.lookups import compute
from query_api.wire.reading import Reading

# Statuses that Nova tells by the state of a server, and those that it tells by a task. Asked for
# both together, it would list all servers that have no task.
_BY_STATE = ("ERROR", "BUILD", "VERIFY_RESIZE")
_BY_TASK = ("REBOOT", "HARD_REBOOT", "PASSWORD", "REBUILD", "MIGRATING", "RESIZE", "REVERT_RESIZE")
_DELETING = ("deleting", "soft-deleting")
_COLUMNS = (
    "id",
    "name",
    "status",
    "task_state",
    "updated_at",
    "fault",
    "host",
    "project_id",
    "user_id",
)
_LONGEST = 500
_NOTHING = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a server."""

    status: Annotated[str, msgspec.Meta(description="Its status, as Nova says.")]
    task: Annotated[str | None, msgspec.Meta(description="What Nova is doing with it.")] = None
    updated_at: Annotated[
        str | None, msgspec.Meta(description="When Nova last changed anything of it.")
    ] = None
    fault: Annotated[str | None, msgspec.Meta(description="Why it is in ERROR.")] = None
    host: Annotated[str | None, msgspec.Meta(description="The compute service it is on.")] = None
    project_id: Annotated[str | None, msgspec.Meta(description="Whose it is.")] = None
    user_id: Annotated[str | None, msgspec.Meta(description="Who made it.")] = None


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What a state is told by; ``age`` is that of the last change, by the limit for its kind."""

    status: Literal["error", "building", "resized", "other"]
    task: Literal["none", "deleting", "other"]
    age: Literal["young", "old", "unknown"]


_NOT_ERROR = {"status": "building resized other"}
_FRESH = {"age": "young unknown"}

#: ``""`` is for a server with which nothing is wrong.
TABLE: Table = (
    ("STUCK_DELETING", {"task": "deleting", "age": "old"}),
    ("ERROR", {"status": "error", "task": "deleting", **_FRESH}),
    ("ERROR", {"status": "error", "task": "none other"}),
    ("STUCK", {**_NOT_ERROR, "task": "other", "age": "old"}),
    ("STUCK", {"status": "building", "task": "none", "age": "old"}),
    ("UNCONFIRMED_RESIZE", {"status": "resized", "task": "none", "age": "old"}),
    (_NOTHING, {**_NOT_ERROR, "task": "deleting other", **_FRESH}),
    (_NOTHING, {"status": "building resized", "task": "none", **_FRESH}),
    (_NOTHING, {"status": "other", "task": "none"}),
)


def look(cloud: Cloud, settings: ServerStateSettings, around: Surroundings) -> Sight:
    """Look for such servers: two requests, and one for each of the tasks. Raises CloudError."""
    asked: dict[str, Query] = {
        f"servers in {', '.join(statuses)}": query("server").where("status", "any_in", *statuses)
        for statuses in (_BY_STATE, _BY_TASK)
    }
    for task in settings.tasks:
        asked[f"servers in task {task}"] = query("server").where("task_state", "equal_to", task)
    reading = Reading(cloud)
    answers = reading.answers(
        lambda what: asked[what].select(*_COLUMNS).run([cloud], now=around.moment), asked, str
    )
    rows: dict[str, Mapping[str, Any]] = {}
    for answer in answers.values():
        rows |= {row["id"]: row for row in answer.dicts()}
    found = [(row, state_of(TABLE, _signs(row, settings, around.now))) for row in rows.values()]
    return Sight(
        [
            Condition("server", row["id"], row["name"] or row["id"], state, _facts(row))
            for row, state in found
            if state != _NOTHING
        ],
        sentences(reading.reasons, *(answer.reasons for answer in answers.values())),
    )


def _signs(row: Mapping[str, Any], settings: ServerStateSettings, now: float) -> Signs:
    words: dict[str, Literal["error", "building", "resized", "other"]] = {
        "ERROR": "error",
        "BUILD": "building",
        "VERIFY_RESIZE": "resized",
    }
    status = words.get(row["status"] or "", "other")
    task: Literal["none", "deleting", "other"] = "other" if row["task_state"] else "none"
    limit = settings.stuck_after
    if row["task_state"] in _DELETING:
        task, limit = "deleting", settings.deleting_after
    elif task == "none" and status == "resized":
        limit = settings.unconfirmed_after
    changed = compute.moment(row["updated_at"] or "")
    if changed is None:
        return Signs(status=status, task=task, age="unknown")
    return Signs(status=status, task=task, age="old" if now - changed >= limit else "young")


def _facts(row: Mapping[str, Any]) -> Facts:
    fault = row["fault"] and shorten(row["fault"], _LONGEST)
    known = {name: row[name] for name in ("updated_at", "host", "project_id", "user_id")}
    return Facts(status=row["status"], task=row["task_state"], fault=fault, **known)


OBSERVER = Observer(
    name="server_state",
    about="A server is in ERROR, stuck, or waits for a resize to be confirmed; or no longer.",
    kind="server",
    facts=Facts,
    states={
        "ERROR": "in ERROR, and nobody has been deleting it for longer than deleting_after.",
        "STUCK_DELETING": "being deleted, and nothing has changed for deleting_after.",
        "STUCK": "in another task, or in BUILD, and nothing has changed for stuck_after.",
        "UNCONFIRMED_RESIZE": "resized, and neither confirmed nor reverted for unconfirmed_after.",
    },
    look=look,
)
