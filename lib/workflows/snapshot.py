"""snapshot.prune: snapshots that our runbooks took are deleted when they were kept long enough."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from keeping import retention
from keeping.retention import IMAGE, KINDS, VOLUME_SNAPSHOT, Retention, Snapshot
from query_api.lookups import things
from verbs.following import step_of
from verbs.verb import NoOptions, Subject, Verb
from verbs.volume_snapshots import SNAPSHOT_VERBS
from verbs.volume_snapshots import VOLUME_SNAPSHOT as SUBJECT
from workflow_api import Context, Duration, OnFailure, ParameterGroup, Plan, clean, count, workflow
from workflow_api.parameters import MaxParallel, Where

_OF = {"servers": (IMAGE,), "volumes": (VOLUME_SNAPSHOT,), "both": KINDS}


class _Dropped(ParameterGroup, frozen=True, kw_only=True):
    """What the plan says of a snapshot that goes."""

    about: str = ""


def _delete_image(cloud: Cloud, id: str, options: Any) -> None:
    from openstack_api import image as change  # it imports what sends

    change.delete_image(cloud, id)


_SENTENCE = "delete the snapshot {name} ({options[about]})"
(_DELETE,) = (verb for verb in SNAPSHOT_VERBS if verb.gone)
_drop_volume_snapshot = step_of(
    SUBJECT,
    msgspec.structs.replace(
        _DELETE, name="retention.delete_volume_snapshot", sentence=_SENTENCE, options=_Dropped
    ),
    {},
)
_drop_image = step_of(
    Subject(
        name="image",
        about=NoOptions,
        find=lambda cloud, wanted: things.find(cloud, IMAGE, wanted),
        look=lambda cloud, id: things.look(cloud, IMAGE, id),
        state=lambda image: image.status,
        kept=lambda image, config, verb: "",
    ),
    Verb(
        name="retention.delete_image",
        summary="",
        sentence=_SENTENCE,
        participle="deleted",
        request=_delete_image,
        gone=True,
        options=_Dropped,
    ),
    {},
)


@workflow("snapshot.prune", timeout="6h")
def prune(
    ctx: Context,
    cloud: Cloud,
    where: Where | None = None,
    *,
    also: list[str] = [],  # noqa: B006 - never changed
    of: Literal["servers", "volumes", "both"] = "both",
    older_than: Duration | None = None,
    keep: Annotated[int, Meta(ge=0)] = 0,
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "continue",
) -> Plan:
    """Delete snapshots of servers and volumes that our runbooks took, when their day is over.

    Those are the images and snapshots of volumes that are marked with the run that took them and
    the day until which they are kept. Snapshots of others are never touched unless named. An image
    goes with the snapshots of volumes that hold its data; one that servers or volumes came from
    stays.

    where: Only those that pass, as: project.name = shop; with of=both by what both kinds have.
    also: Further snapshots to delete, by name or id, whoever took them and however long they are
        to be kept.
    of: Snapshots of servers (images), of volumes, or both.
    older_than: Only those that were taken longer ago, as 30d.
    keep: How many stay of each server and volume, the newest ones.
    max_parallel: How many are deleted at once; limits.max_parallel if empty.
    on_failure: After one that cannot be deleted, go on with the others or stop.
    """
    before = None
    if older_than is not None:
        before = f"{ctx.asked_at - datetime.timedelta(seconds=older_than):%Y-%m-%dT%H:%M:%SZ}"
    bounds = Retention(today=f"{ctx.asked_at:%Y-%m-%d}", keep=keep, before=before)

    def read() -> list[Snapshot]:
        asked = [retention.ours(kind, where) for kind in _OF[of]]
        found = [thing for one in asked for thing in things.of_query(cloud, one)]
        by_hand = [retention.named(cloud, wanted) for wanted in also]
        return retention.judged(found, by_hand, bounds, ctx.config.protected)

    plan = Plan("Prune snapshots")
    known = ctx.claimed(read)
    going = [one for one in known if not one.stays]
    used = retention.in_use(cloud, going)
    for one in known:
        if why := one.stays or used.get(one.thing.id):
            (plan.leave if one.named or one.thing.id in used else plan.skip)(_what(one), why)
    going = sorted((one for one in going if one.thing.id not in used), key=_order)
    at_most = max_parallel or ctx.config.limits.max_parallel
    images = [one for one in going if one.kind == IMAGE]
    volumes = {one.thing.id: _item(one.thing, one.about) for one in going if one not in images}
    for thing, image in retention.parts(cloud, images):
        volumes.setdefault(thing.id, _item(thing, f"the data of the image {clean(image.name)}"))
    plan.each(
        _drop_image,
        [_item(one.thing, one.about) for one in images],
        at_most=at_most,
        on_failure=on_failure,
    )
    plan.each(_drop_volume_snapshot, volumes.values(), at_most=at_most, on_failure=on_failure)
    gib = sum(one.thing.size or 0 for one in going if one.kind == VOLUME_SNAPSHOT)
    if going:
        plan.note(f"{count(len(going), 'snapshot')} to delete, of volumes with {gib} GiB in all")
    return plan


def _order(one: Snapshot) -> tuple[str, str, str]:
    return (one.kind, one.name, one.thing.id)


def _what(one: Snapshot) -> str:
    return f"{clean(one.name)} ({one.thing.id})"


def _item(thing: Any, about: str) -> dict[str, Any]:
    return {"id": thing.id, "name": clean(thing.name), "options": {"about": about}}
