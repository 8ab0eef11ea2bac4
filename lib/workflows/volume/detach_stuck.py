"""volume.detach_stuck: make Nova and Cinder agree on a volume's attachments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from accounts.cloud import Cloud
from openstack_api import volume as change
from protection.marks import protected
from query_api.lookups import things
from query_api.lookups.attachments import Attached, Record, attached, records
from verbs.volumes import still_there
from verbs.volumes_stuck import age_of, of_server, told
from workflow_api import (
    Attempt,
    Context,
    Duration,
    Plan,
    StepFailed,
    clean,
    humanize,
    step,
    workflow,
)
from workflow_api.parameters import VolumeName

# States that an attachment on its way is in, and that remain when it gets stuck there.
_HANGING = frozenset({"attaching", "detaching", "reserved", "in-use", "error_detaching"})
_SECONDS, _PAUSE = 60.0, 1.0


class _Repair(msgspec.Struct, frozen=True):
    """What is to be done: records to forget, or a state to be called, and how it is then."""

    forget: tuple[Record, ...] = ()
    call: str | None = None
    then: str = "available"


def find_forgotten(
    attempt: Attempt, cloud: Cloud, volume: str, attachment: str
) -> dict[str, Any] | None:
    """Say whether Cinder no longer has the attachment."""
    if any(record.id == attachment for record in records(cloud, volume)):
        return None
    return {"said": f"Cinder no longer has the attachment {attachment}"}


@step(
    "volume.forget_attachment",
    "delete Cinder's attachment {attachment} of volume {name} to {server}",
    key="{attachment}",
    find=find_forgotten,
)
def forget_attachment(
    attempt: Attempt, cloud: Cloud, volume: str, name: str, attachment: str, server: str
) -> dict[str, Any]:
    """Delete Cinder's record of an attachment that Nova does not have."""
    if (found := find_forgotten(attempt, cloud, volume, attachment)) is None:
        change.delete_attachment(cloud, attachment)
        found = {"said": f"Cinder no longer has the attachment {attachment}"}
    return found


def find_called(
    attempt: Attempt, cloud: Cloud, volume: str, name: str, to: str
) -> dict[str, Any] | None:
    """Say whether Cinder calls the volume so."""
    now = still_there(cloud, volume, name)
    return {"said": f"{name} is {to}"} if now.status == to else None


@step(
    "volume.call",
    "reset the state of volume {name} to {to}",
    key="{volume}",
    find=find_called,
)
def call_volume(attempt: Attempt, cloud: Cloud, volume: str, name: str, to: str) -> dict[str, Any]:
    """Reset the state of the volume and of its being attached."""
    if (found := find_called(attempt, cloud, volume, name, to)) is None:
        attach_status = "attached" if to == "in-use" else "detached"
        change.reset_volume(cloud, volume, to, attach_status)
        found = {"said": f"{name} is {to}"}
    return found


@step("volume.verify_settled", "check that volume {name} is {to}", key="{volume}", changes=False)
def verify_settled(
    attempt: Attempt, cloud: Cloud, volume: str, name: str, to: str
) -> dict[str, Any]:
    """Wait until Cinder calls the volume so; raises StepFailed if it does not for a minute."""
    waited = 0.0
    while (status := still_there(cloud, volume, name).status) != to:
        if waited >= _SECONDS:
            raise StepFailed(f"{name} is still {clean(status)}: run volume.detach_stuck again.")
        attempt.wait(_PAUSE)
        waited += _PAUSE
    return {"said": f"{name} is {to}"}


@workflow("volume.detach_stuck", one_object=True, timeout="20m")
def detach_stuck_volume(
    ctx: Context,
    cloud: Cloud,
    volume: VolumeName,
    *,
    older_than: Duration = Duration.parse("1h"),  # noqa: B008 - a constant
) -> Plan:
    """Repair a volume's attachments where Nova and Cinder disagree.

    What each says is shown. Cinder's records of attachments are deleted if the server is gone, or
    if Nova does not have the volume on it; a stuck state is set to what both say. An attachment on
    which both agree is left as it is.

    older_than: Refuse a volume changed more recently than this: it may still be busy.
    """
    (found,) = ctx.claimed(lambda: [things.find(cloud, "volume", volume)])
    name = clean(found.name)
    plan = Plan(f"Clear up the attachments of volume {name}")
    known = attached(cloud, found)
    for sentence in [f"Cinder calls it {clean(found.status)}", *told(known)]:
        plan.note(sentence)
    repair = _repair(found, known)
    if repair is None:
        plan.skip(name, "Nova and Cinder agree on it: nothing is stuck")
        return plan
    mark = protected((), found.metadata, ctx.config.protected)
    reasons = [*filter(None, [mark]), *_reasons(found, known, older_than)]
    plan.refuse((f"{name} cannot be cleared up: {why}" for why in reasons), kept=bool(mark))
    of_volume: dict[str, Any] = {"volume": found.id, "name": name}
    for record in repair.forget:
        server = of_server(known, record.instance)
        plan.add(forget_attachment, attachment=record.id, server=server, **of_volume)
    if repair.call:
        plan.add(call_volume, to=repair.call, **of_volume)
    plan.add(verify_settled, to=repair.then, **of_volume)
    return plan


def _repair(volume: Any, known: Attached) -> _Repair | None:
    """Return what brings both to say the same; None if they do, or no request can."""
    wrong = tuple(record for record in known.records if not _is_right(known, record))
    attached_still = len(known.records) > len(wrong) or bool(_lost(known))
    then = "in-use" if attached_still else "available"
    if wrong:
        # With the last one, Cinder calls the volume available by itself.
        return _Repair(forget=wrong, then=then)
    if _lost(known):
        return _Repair(then=then)
    if volume.status in _HANGING and volume.status != then:
        return _Repair(call=then, then=then)
    return None


def _is_right(known: Attached, record: Record) -> bool:
    if record.instance is None:
        return True  # to a host, of which Nova knows nothing
    at_nova = known.nova.get(record.instance)
    return at_nova is not None and at_nova.attachment_id in (None, record.id)


def _lost(known: Attached) -> list[str]:
    """Return the servers that Nova has it on by an attachment that Cinder does not know."""
    ids = {record.id for record in known.records}
    servers = {record.instance for record in known.records}
    return [
        id
        for id, has in known.nova.items()
        if (has.attachment_id not in ids if has.attachment_id else id not in servers)
    ]


def _reasons(volume: Any, known: Attached, older_than: Duration) -> Iterator[str]:
    age = age_of(volume)
    if age is not None and age < older_than:
        yield (
            f"it was changed {humanize(age)} ago, less than {older_than}: what is under way may "
            "still come to its end"
        )
    for server in _lost(known):
        yield (
            f"Nova has it on {of_server(known, server)} by an attachment that Cinder does not "
            "know, and no API mends that: nova-manage volume_attachment refresh does"
        )
