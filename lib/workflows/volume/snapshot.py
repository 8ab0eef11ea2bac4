"""volume.snapshot: a snapshot of a volume that says by which run it was taken, and is kept until
when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta

from accounts.cloud import Cloud
from keeping.marks import KEEP_UNTIL, RUN, STEP, last_day, marks_of
from openstack_api import volume as change
from query_api.lookups import quotas, things
from verbs.following import settled
from verbs.verb import Verb
from verbs.volume_snapshots import VOLUME_SNAPSHOT
from verbs.volumes import snapshots_of
from workflow_api import (
    Attempt,
    Begun,
    Context,
    Duration,
    Plan,
    UserError,
    clean,
    step,
    workflow,
)
from workflow_api.parameters import Name, VolumeName

# The end that is waited for.
_TAKEN = Verb(
    name="volume.snapshot",
    summary="",
    sentence="",
    participle="taken",
    request=lambda cloud, id, options: None,
    ends=lambda snapshot, options: snapshot.status == "available",
    outcome=lambda snapshot, options: f"taken: {snapshot.id}",
    within=Duration.parse("2h"),
)


def _made_by_this_step(attempt: Attempt, cloud: Cloud, volume: str) -> Any:
    """Return the snapshot that this step has asked for, None if there is none."""
    marks = marks_of(attempt.run, attempt.key)
    for snapshot in snapshots_of(cloud, volume):
        known = snapshot.metadata or {}
        if (known.get(RUN), known.get(STEP)) == (marks[RUN], marks[STEP]):
            return snapshot
    return None


def find_taken(
    attempt: Attempt, cloud: Cloud, volume: str, called: str
) -> dict[str, Any] | Begun | None:
    """Return this run's snapshot of the volume, Begun if it is not whole, None if there is none."""
    found = _made_by_this_step(attempt, cloud, volume)
    if found is None:
        return None
    if found.status == "available":
        return {"id": found.id, "said": f"{called} is taken: {found.id}"}
    return Begun(f"the snapshot {found.id} is {clean(found.status)}", id=found.id)


def delete_taken(attempt: Attempt, cloud: Cloud, volume: str, project: str) -> None:
    """Delete this run's snapshot of the volume, if there is one."""
    found = _made_by_this_step(attempt, cloud, volume)
    if found is not None and found.status != "deleting":
        change.delete_snapshot(_within(cloud, project), found.id)


@step(
    "volume.take_snapshot",
    "take the snapshot {called} of volume {name}, kept until {keep_until}",
    key="{volume}",
    find=find_taken,
    undo=delete_taken,
)
def take_snapshot(
    attempt: Attempt,
    cloud: Cloud,
    volume: str,
    name: str,
    called: str,
    keep_until: str,
    project: str,
    force: bool,
) -> dict[str, Any]:
    """Take the snapshot, which carries the run, the step and how long it is kept.

    ``project`` is whose it is to be, "" for the project of the account.
    """
    found = _made_by_this_step(attempt, cloud, volume)
    id = found.id if found is not None else None
    if id is None:
        marks = {**marks_of(attempt.run, attempt.key), KEEP_UNTIL: keep_until}
        id = change.create_snapshot(_within(cloud, project), volume, called, marks, force=force)
    outcome = settled(VOLUME_SNAPSHOT, _TAKEN, attempt, cloud, id, called, {})
    return {"id": id, **outcome}


@workflow("volume.snapshot", one_object=True, timeout="3h")
def snapshot_volume(
    ctx: Context,
    cloud: Cloud,
    volume: VolumeName,
    *,
    name: Annotated[Name, Meta(min_length=1, max_length=255)] | None = None,
    keep: Duration = Duration.parse("7d"),  # noqa: B008 - a constant
    force: bool = False,
) -> Plan:
    """Take a snapshot of a volume, which snapshot.prune deletes when it has expired.

    name: What the snapshot is to be called; as the volume, with the day, if empty.
    keep: How long to keep it, as 12h or 7d.
    force: Allow it for an attached volume; the snapshot is crash-consistent.
    """
    (found,) = ctx.claimed(lambda: [things.find(cloud, "volume", volume)])
    called = clean(name or f"{found.name} {ctx.asked_at:%Y-%m-%d}")[:255]
    plan = Plan(f"Take a snapshot of volume {clean(found.name)}")
    project = _owner(cloud, found.project_id)
    plan.refuse(
        f"no snapshot can be taken of {clean(found.name)}: {why}"
        for why in _reasons(cloud, found, project, force)
    )
    if not project and found.project_id != cloud.own_project():
        plan.note(
            f"the account of cloud {cloud.name} has no role in project {found.project_id}: the "
            "snapshot is in the account's own project"
        )
    plan.add(
        take_snapshot,
        undo="on_cancel",
        volume=found.id,
        name=clean(found.name),
        called=called,
        keep_until=last_day(ctx.asked_at, keep),
        project=project,
        force=force and found.status == "in-use",
    )
    return plan


def _owner(cloud: Cloud, project: str) -> str:
    """Return the volume's project if the account can work in it, else "": a snapshot belongs to
    the project of the login that takes it."""
    if project == cloud.own_project():
        return ""
    try:
        cloud.in_project(project).log_in()
    except UserError:
        return ""
    return project


def _within(cloud: Cloud, project: str) -> Cloud:
    return cloud.in_project(project) if project else cloud


def _reasons(cloud: Cloud, volume: Any, project: str, force: bool) -> Iterator[str]:
    if volume.status == "in-use" and not force:
        yield "it is attached to a server: detach it first, or take it with force=true"
    elif volume.status not in ("available", "in-use"):
        yield f"it is {clean(volume.status)}"
    needed = {"snapshots": 1, f"snapshots_{volume.volume_type}": 1, "gigabytes": volume.size}
    owner = project or cloud.own_project()
    yield from quotas.lacking(cloud, "block-storage", owner, needed, by=volume.id)
