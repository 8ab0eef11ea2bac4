"""server.migrate: one server to another hypervisor, with a snapshot first if asked."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud, not_there
from keeping.marks import KEEP_UNTIL, former, last_day, marks_of
from migration.move import move_server, verify_arrived
from migration.placement_check import placement_check, refuse_down
from migration.policy import Migration, movement, step_data
from openstack_api import compute as change
from query_api.lookups import compute, image, things
from workflow_api import (
    Attempt,
    CloudError,
    Context,
    Duration,
    Plan,
    StepFailed,
    UnknownOutcome,
    clean,
    step,
    workflow,
)
from workflow_api.parameters import ServerName

# From how many seconds on it is asked whether Nova still works on a snapshot, and how often in a
# row it must not have been for that to be believed.
_DOUBTED_AFTER, _IDLE_LOOKS = 20.0, 2


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
    attempt: Attempt, cloud: Cloud, server: str, name: str, keep_until: str
) -> dict[str, Any]:
    """Save the server as an image that carries the run, the step and how long it is kept."""
    marks = {**marks_of(attempt.run, attempt.key), KEEP_UNTIL: keep_until}
    label = f"{name} before migration ({attempt.run[:8]})"
    return _saved(attempt, cloud, server, change.create_snapshot(cloud, server, label, marks))


def _saved(attempt: Attempt, cloud: Cloud, server: str, image_id: str) -> dict[str, Any]:
    """Wait until the image is whole; raises StepFailed if the cloud gave it up.

    An image whose nova-compute died stays ``queued`` or ``saving`` for good: Nova works on it only
    as long as the server has a task.
    """
    waited, seconds, idle = 0.0, cloud.config.limits.timeouts.snapshot, 0
    while waited < seconds:
        # Asked before the image: Nova ends the task only when the image is whole.
        task = _task_of(cloud, server) if waited > _DOUBTED_AFTER else "not asked yet"
        now = things.look(cloud, "image", image_id)
        if now is not None and now.status == "active":
            return {"image": image_id, "said": f"saved as image {image_id}"}
        if now is None or now.status in ("killed", "deleted", "deactivated"):
            raise StepFailed(f"The snapshot {image_id} was given up by the cloud.")
        idle = 0 if task else idle + 1
        if idle == _IDLE_LOOKS:
            raise StepFailed(
                f"The snapshot {image_id} is left at {now.status!r}: Nova works on it no more."
            )
        if waited > _DOUBTED_AFTER:
            attempt.say(f"the snapshot {image_id} is at {now.status!r}, its server at {task!r}")
        pause = min(10.0, 1.0 + waited / 10)
        attempt.wait(pause)
        waited += pause
    raise UnknownOutcome(f"The snapshot {image_id} is not saved after {seconds}.")


def _task_of(cloud: Cloud, server: str) -> str | None:
    """Return the task that Nova has under way on the server; None too if the server is gone."""
    try:
        return compute.server(cloud, server).task_state
    except CloudError as error:
        if not_there(error):
            return None
        raise


@workflow("server.migrate", one_object=True, timeout="7h")
def migrate(
    ctx: Context,
    cloud: Cloud,
    server: ServerName,
    *,
    migration: Migration = "auto",
    target: str | None = None,
    snapshot: bool = False,
    keep_snapshot: Duration = Duration.parse("7d"),  # noqa: B008 - a constant
    force_forbidden: bool = False,
) -> Plan:
    """Move one server to another hypervisor.

    migration: Live keeps it running, cold stops it; auto is live for running servers and cold for
        stopped ones.
    target: The hypervisor to go to, by host name or id; Nova chooses if empty.
    snapshot: Take a snapshot first, after every check has passed.
    keep_snapshot: How long the snapshot is to be kept, as 12h or 7d.
    force_forbidden: Live-migrate it although live_migration_forbidden of the configuration keeps
        servers of its kind from that.
    """
    version = compute.to_judge(cloud)
    (found,) = ctx.claimed(lambda: [compute.find_server(cloud, server, microversion=version)])
    plan = Plan(f"Migrate {clean(found.name)}")
    judged = movement(found, migration, ctx.config, bulk=False, overrule=force_forbidden)
    if judged.how is None:
        plan.refuse([f"{clean(found.name)} cannot be moved: {judged.why}"])
    known = compute.hypervisors(cloud)
    source = compute.hypervisor_of(cloud, found, known)
    refuse_down(source)
    others = placement_check(cloud, source, known, [judged], target)
    plan.refuse([*others.refusals, *others.stuck.values()])
    assert judged.how is not None
    if judged.why:
        plan.note(f"{clean(found.name)} is live-migrated by force_forbidden: {judged.why}")
    if snapshot:
        until = last_day(ctx.asked_at, keep_snapshot)
        plan.add(take_snapshot, server=found.id, name=clean(found.name), keep_until=until)
    plan.add(move_server, **step_data(found, judged.how, source.service.host, others.target))
    plan.add(verify_arrived, servers={found.id: clean(found.name)}, source=source.service.host)
    return plan
