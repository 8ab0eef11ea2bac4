"""volume.transfer: a volume to another project, offered and accepted in one step.

The key of the offer is a secret that Cinder tells once. It is kept nowhere: a step that was cut
off between the two halves withdraws its offer and makes another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from openstack_api import volume as change
from protection.marks import protected
from query_api.lookups import quotas, things, transfers
from verbs.volumes import snapshots_of, still_there
from workflow_api import (
    Attempt,
    Begun,
    Context,
    Plan,
    StepFailed,
    UnknownOutcome,
    UserError,
    clean,
    count,
    step,
    workflow,
)
from workflow_api.parameters import ProjectName, VolumeName

_SECONDS, _PAUSE = 60.0, 1.0


def _label(attempt: Attempt) -> str:
    """Return the name of this step's offers, by which it knows them."""
    return f"openstack_ops {attempt.run}"


def find_transferred(
    attempt: Attempt, cloud: Cloud, volume: str, name: str, project: str, new_owner: str
) -> dict[str, Any] | Begun | None:
    """Say whether the volume has changed hands; Begun if it is offered and not accepted."""
    if still_there(cloud, volume, name).project_id == project:
        return {"said": f"{name} belongs to project {new_owner}"}
    if _offers(attempt, cloud, volume):
        return Begun(f"{name} is offered, and not accepted")
    return None


def withdraw(attempt: Attempt, cloud: Cloud, volume: str) -> None:
    """Take back what this step has offered and nobody has accepted."""
    for offer in _offers(attempt, cloud, volume):
        change.withdraw_volume(cloud, offer.id)


@step(
    "volume.hand_over",
    "hand volume {name} over to project {new_owner}",
    key="{volume}",
    find=find_transferred,
    undo=withdraw,
)
def hand_over(
    attempt: Attempt,
    cloud: Cloud,
    volume: str,
    name: str,
    project: str,
    new_owner: str,
    snapshots: bool,
) -> dict[str, Any]:
    """Offer the volume and accept it by a login to the other project.

    Raises StepFailed if somebody else has offered it meanwhile.
    """
    receiver = cloud.in_project(project)
    receiver.log_in()  # without a login that can accept, nothing is offered
    if still_there(cloud, volume, name).project_id != project:
        withdraw(attempt, cloud, volume)
        _at_rest(attempt, cloud, volume, name)
        id, key = change.offer_volume(cloud, volume, _label(attempt), snapshots=snapshots)
        change.accept_volume(receiver, id, key)
        _at_rest(attempt, cloud, volume, name)
    if still_there(cloud, volume, name).project_id != project:
        raise StepFailed(f"{name} was accepted, but does not belong to project {new_owner}.")
    return {"said": f"{name} belongs to project {new_owner}"}


def _offers(attempt: Attempt, cloud: Cloud, volume: str) -> list[transfers.Transfer]:
    label = _label(attempt)
    return [offer for offer in transfers.open_transfers(cloud, volume) if offer.name == label]


def _at_rest(attempt: Attempt, cloud: Cloud, volume: str, name: str) -> None:
    """Wait until no offer holds the volume any more."""
    waited = 0.0
    while (status := still_there(cloud, volume, name).status) == "awaiting-transfer":
        if others := [
            offer.id
            for offer in transfers.open_transfers(cloud, volume)
            if offer.name != _label(attempt)
        ]:
            raise StepFailed(f"{name} is offered by another transfer: {', '.join(others)}.")
        if waited >= _SECONDS:
            raise UnknownOutcome(f"{name} is still {status} after {waited:.0f}s.")
        attempt.wait(_PAUSE)
        waited += _PAUSE


@workflow("volume.transfer", one_object=True, timeout="20m")
def transfer_volume(
    ctx: Context,
    cloud: Cloud,
    volume: VolumeName,
    project: ProjectName,
    *,
    snapshots: bool = True,
) -> Plan:
    """Give a volume to another project: it is offered, and accepted by a login to that project.

    The account needs a role in both projects, or to be admin and have one in the new one. If the
    run is cut off in between, the offer is withdrawn and made again.

    project: The project that is to own the volume, by name or id.
    snapshots: Transfer its snapshots with it; otherwise they stay with the present project.
    """
    receiving = things.find(cloud, "project", project)
    (found,) = ctx.claimed(lambda: [things.find(cloud, "volume", volume)])
    name, owner = clean(found.name), clean(receiving.name)
    plan = Plan(f"Transfer volume {name} to project {owner}")
    if found.project_id == receiving.id:
        plan.skip(name, f"it belongs to project {owner} already")
        return plan
    mark = protected((), found.metadata, ctx.config.protected)
    reasons = [*filter(None, [mark]), *_reasons(cloud, found, receiving, snapshots)]
    plan.refuse((f"{name} cannot be transferred: {why}" for why in reasons), kept=bool(mark))
    if (known := len(snapshots_of(cloud, found.id))) and not snapshots:
        stay = "stays" if known == 1 else "stay"
        plan.note(f"{count(known, 'snapshot')} {stay} with project {found.project_id}")
    plan.add(
        hand_over,
        undo="on_failure",
        volume=found.id,
        name=name,
        project=receiving.id,
        new_owner=owner,
        snapshots=snapshots,
    )
    return plan


def _reasons(cloud: Cloud, volume: Any, receiving: Any, snapshots: bool) -> Iterator[str]:
    if volume.status == "awaiting-transfer":
        ids = ", ".join(one.id for one in transfers.open_transfers(cloud, volume.id))
        yield f"it is offered by another transfer ({ids}): withdraw that first"
    elif volume.status != "available":
        yield f"it is {clean(volume.status)}"
    if volume.encrypted:
        yield "it is encrypted, and its key stays with its project"
    if receiving.enabled is False:
        yield f"project {clean(receiving.name)} is disabled"
    going = snapshots_of(cloud, volume.id) if snapshots else []
    for snapshot in going:
        if snapshot.status != "available":
            yield f"its snapshot {clean(snapshot.name)} is {clean(snapshot.status)}"
    size = volume.size + sum(snapshot.size for snapshot in going)
    needed = {
        "volumes": 1,
        "gigabytes": size,
        "snapshots": len(going),
        f"volumes_{volume.volume_type}": 1,
        f"gigabytes_{volume.volume_type}": size,
        f"snapshots_{volume.volume_type}": len(going),
    }
    yield from quotas.lacking(cloud, "block-storage", receiving.id, needed, by=volume.id)
    try:
        cloud.in_project(receiving.id).log_in()
    except UserError:
        yield (
            f"the account of cloud {cloud.name} has no role in project {clean(receiving.name)} "
            f"({receiving.id}), so it cannot accept it there"
        )
