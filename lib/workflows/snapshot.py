"""snapshot.prune: snapshots that our runbooks took are deleted when they were kept long enough."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from keeping import retention
from keeping.retention import IMAGE, KINDS, VOLUME_SNAPSHOT, Part, Retention, Snapshot
from protection.marks import protected
from query_api.lookups import things
from verbs.following import Data, step_of
from verbs.images import in_use
from verbs.verb import NoOptions, Subject, Verb
from verbs.volume_snapshots import SNAPSHOT_VERBS
from verbs.volume_snapshots import VOLUME_SNAPSHOT as SUBJECT
from workflow_api import (
    Attempt,
    Begun,
    Context,
    Duration,
    OnFailure,
    ParameterGroup,
    Plan,
    clean,
    count,
    listed,
    step,
    workflow,
)
from workflow_api.parameters import MaxParallel, Names, Where
from workflow_api.step import definition_of

_OF = {"servers": (IMAGE,), "volumes": (VOLUME_SNAPSHOT,), "both": KINDS}


class _Dropped(ParameterGroup, frozen=True, kw_only=True):
    """What the plan says of a snapshot that goes."""

    about: str = ""


def _delete_image(cloud: Cloud, id: str, options: Any) -> None:
    from openstack_api import image as change

    change.delete_image(cloud, id)


_SENTENCE = "delete the snapshot {name} ({options[about]})"
(_DELETE,) = (verb for verb in SNAPSHOT_VERBS if verb.gone)
_drop_volume_snapshot = step_of(
    SUBJECT,
    msgspec.structs.replace(
        _DELETE,
        name="retention.delete_volume_snapshot",
        sentence=_SENTENCE,
        options=_Dropped,
        # Cinder itself refuses what volumes depend on; here it is looked at its marks again.
        unless=lambda cloud, snapshot, options: (),
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
        kept=lambda image, config, verb: protected(image.tags, image.properties, config.protected),
    ),
    Verb(
        name="retention.delete_image_alone",
        summary="",
        sentence=_SENTENCE,
        participle="deleted",
        request=_delete_image,
        gone=True,
        unless=in_use,
        options=_Dropped,
    ),
    {},
)


def find_dropped(
    attempt: Attempt, cloud: Cloud, id: str, name: str, options: Data, data: list[Data]
) -> Data | None:
    """Say whether the image is gone, and the snapshots that hold its data with it."""
    steps = [(_drop_image, id, name)]
    steps += [(_drop_volume_snapshot, one["id"], one["name"]) for one in data]
    for dropping, its_id, its_name in steps:
        find = definition_of(dropping).find
        assert find is not None
        found = find(attempt, cloud, its_id, its_name, options)
        if found is None or isinstance(found, Begun):
            return None  # once more: what is gone is left out, what is going is waited for
    return _removal(name, data)


@step("retention.delete_image", _SENTENCE, key="{id}", find=find_dropped)
def drop_image(
    attempt: Attempt, cloud: Cloud, id: str, name: str, options: Data, data: list[Data]
) -> Data:
    """Delete an image, and when it is gone the snapshots of volumes that hold its data."""
    _drop_image(attempt, cloud, id, name, options)
    for one in data:
        _drop_volume_snapshot(attempt, cloud, one["id"], one["name"], options)
    return _removal(name, data)


def _removal(name: str, data: list[Data]) -> Data:
    return {"said": f"{name} is gone" + (f", with {count(len(data), 'snapshot')}" if data else "")}


@workflow("snapshot.prune", timeout="6h")
def prune(
    ctx: Context,
    cloud: Cloud,
    where: Where | None = None,
    *,
    also: Names = [],  # noqa: B006 - never changed
    of: Literal["servers", "volumes", "both"] = "both",
    older_than: Duration | None = None,
    keep: Annotated[int, Meta(ge=0)] = 0,
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "continue",
) -> Plan:
    """Delete expired snapshots of servers and volumes that runbooks took.

    Those are the images and snapshots of volumes that are marked with the run that took them and
    the day until which they are kept. Snapshots of others are never touched unless named. An image
    goes with the snapshots of volumes that Nova took for it; one that servers or volumes came from
    stays, and so does one whose data are protected.

    where: Only those that pass, as: project.name = shop; with of=both by what both kinds have.
    also: Further snapshots to delete, by name or id, whoever took them and whenever they expire.
    of: Snapshots of servers (images), of volumes, or both.
    older_than: Only those that were taken longer ago, as 30d.
    keep: How many of the newest to keep of each server and volume.
    max_parallel: How many to delete at once; limits.max_parallel if empty.
    on_failure: After a failed deletion, continue with the others or stop.
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
    images = [one for one in going if one.kind == IMAGE]
    parts = retention.parts(cloud, images, bounds, ctx.config.protected)
    used = {**_kept_by_data(parts), **retention.in_use(cloud, going)}
    for one in known:
        if why := one.stays or used.get(one.thing.id):
            (plan.leave if one.named or one.thing.id in used else plan.skip)(_what(one), why)
    going = sorted((one for one in going if one.thing.id not in used), key=_order)
    at_most = max_parallel or ctx.config.limits.max_parallel
    images = [one for one in going if one.kind == IMAGE]
    data = _data_of(plan, known, going, parts)
    with_images = {about["id"] for one in data.values() for about in one}
    plan.each(
        drop_image,
        [_item(one.thing, _about(one, data), data=data.get(one.thing.id, [])) for one in images],
        at_most=at_most,
        on_failure=on_failure,
    )
    alone = [one for one in going if one.kind != IMAGE and one.thing.id not in with_images]
    plan.each(
        _drop_volume_snapshot,
        [_item(one.thing, one.about) for one in alone],
        at_most=at_most,
        on_failure=on_failure,
    )
    gib = sum(one.thing.size or 0 for one in going if one.kind == VOLUME_SNAPSHOT)
    if going:
        plan.note(f"{count(len(going), 'snapshot')} to delete, of volumes with {gib} GiB in all")
    return plan


def _order(one: Snapshot) -> tuple[str, str, str]:
    return (one.kind, one.name, one.thing.id)


def _what(one: Snapshot) -> str:
    return f"{clean(one.name)} ({one.thing.id})"


def _kept_by_data(parts: Mapping[str, list[Part]]) -> dict[str, str]:
    """Return why images stay whose data cannot go, by the image's id."""
    return {
        image: f"its data, {clean(part.thing.name)} ({part.thing.id}), stay: {part.stays}"
        for image, known in parts.items()
        for part in known
        if part.stays and not part.foreign
    }


def _data_of(
    plan: Plan, known: list[Snapshot], going: list[Snapshot], parts: Mapping[str, list[Part]]
) -> dict[str, list[Data]]:
    """Return the data that go with images, by the image's id, and leave others' snapshots."""
    told, on_its_own = ({one.thing.id for one in some} for some in (known, going))
    data: dict[str, list[Data]] = {}
    for image in going:
        for part in parts.get(image.thing.id, []):
            id, name = part.thing.id, clean(part.thing.name)
            if not part.foreign or id in on_its_own:
                data.setdefault(image.thing.id, []).append({"id": id, "name": name})
            elif id not in told:
                plan.leave(f"{name} ({id})", part.foreign)
    return data


def _about(image: Snapshot, data: Mapping[str, list[Data]]) -> str:
    names = [one["name"] for one in data.get(image.thing.id, [])]
    return f"{image.about}; its data: {listed(names, 3)}" if names else image.about


def _item(thing: Any, about: str, **more: Any) -> Data:
    return {"id": thing.id, "name": clean(thing.name), "options": {"about": about}, **more}
