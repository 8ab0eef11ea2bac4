"""Snapshots of servers: the one step that takes them, whichever runbook asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from keeping.marks import KEEP_UNTIL, former, marks_of
from openstack_api import compute as change
from query_api.lookups import image
from query_api.lookups.compute_types import Server
from waiting.things import IMAGES, SERVERS
from waiting.watching import watch
from workflow_api import Attempt, StepFailed, UnknownOutcome, step

# From how many seconds on it is asked whether Nova still works on a snapshot, and how often in a
# row it must not have been for that to be believed.
_DOUBTED_AFTER, _IDLE_LOOKS = 20.0, 2
# The states in which Nova takes one.
_TAKEN_IN = frozenset({"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"})
_LONGEST_NAME = 255
# The states of an image until it is whole.
_SAVED_BY = frozenset({"queued", "saving"})


def not_taken(server: Server) -> Iterator[str]:
    """Tell why Nova would not take a snapshot of a server."""
    if server.task_state:
        yield f"a task is under way on it ({server.task_state})"
    elif server.status not in _TAKEN_IN:
        yield f"it is {server.status}"


def notes(cloud: Cloud, server: Server) -> Iterator[str]:
    """Tell what operators may not expect of a snapshot of a server."""
    if server.boots_from_volume:
        yield (
            "It boots from a volume: Cinder takes a snapshot of each of its volumes, which the "
            "image refers to, and such a volume cannot be deleted before its snapshot."
        )
    if server.project_id != cloud.own_project():
        yield "The image will belong to the account's project, not to the server's."


def find_snapshot(attempt: Attempt, cloud: Cloud, server: str) -> dict[str, Any] | None:
    """Say whether this run's snapshot of the server is there; waits while it is being saved."""
    marks = marks_of(attempt.run, attempt.key)
    # A run that 0.3.0 began can be resumed.
    found = image.images(cloud, **marks) or image.images(cloud, **former(marks))
    return _saved(attempt, cloud, server, found[0].id) if found else None


@step(
    "server.take_snapshot",
    "take a snapshot of {name}, kept until {keep_until}",
    key="{server}",
    find=find_snapshot,
)
def take_snapshot(
    attempt: Attempt,
    cloud: Cloud,
    server: str,
    name: str,
    keep_until: str,
    before: str = "migration",
    image_name: str | None = None,
) -> dict[str, Any]:
    """Save the server as an image that carries the run, the step and how long it is kept.

    ``before`` is what is done to the server next, for the image's name, unless that is given.
    """
    marks = {**marks_of(attempt.run, attempt.key), KEEP_UNTIL: keep_until}
    label = image_name or _label(name, before, attempt.run)
    return _saved(attempt, cloud, server, change.create_snapshot(cloud, server, label, marks))


def _label(name: str, before: str, run: str) -> str:
    """Return a name for an image, of at most as many letters as Glance takes."""
    rest = f" before {before} ({run[:8]})"
    return name[: _LONGEST_NAME - len(rest)] + rest


def _saved(attempt: Attempt, cloud: Cloud, server: str, image_id: str) -> dict[str, Any]:
    """Wait until the image is whole; raises StepFailed if the cloud gave it up.

    An image whose nova-compute died stays ``queued`` or ``saving`` for good: Nova works on it only
    as long as the server has a task.
    """
    waited, pause, since = 0.0, 0.5, time.time()
    seconds, idle = cloud.config.limits.timeouts.snapshot, 0
    task: str | None = "not asked yet"
    while waited < seconds:
        if waited > _DOUBTED_AFTER:
            # Asked before the image: Nova ends the task only when the image is whole.
            holder, took = watch(cloud, SERVERS).after(attempt, server, pause, since)
            task, waited, pause = holder.task_state if holder else None, waited + took, 0.0
        now, took = watch(cloud, IMAGES).after(attempt, image_id, pause, since, _SAVED_BY)
        waited += took
        if now is not None and now.status == "active":
            return {"image": image_id, "said": f"saved as image {image_id}"}
        if now is None or now.status in ("killed", "deleted", "deactivated"):
            raise StepFailed(f"The snapshot {image_id} was given up by the cloud.")
        idle = 0 if task else idle + 1
        if idle == _IDLE_LOOKS:
            raise StepFailed(
                f"The snapshot {image_id} is left at {now.status!r}: "
                "Nova is no longer working on it."
            )
        if waited > _DOUBTED_AFTER:
            attempt.say(f"the snapshot {image_id} is at {now.status!r}, its server at {task!r}")
        pause = min(10.0, 1.0 + waited / 10)
    raise UnknownOutcome(f"The snapshot {image_id} is not saved after {seconds}.")
