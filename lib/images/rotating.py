"""image.rotate: a new image of a family is published, and older ones step back or go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.config import PackConfig
from common.pairs import pairs
from openstack_api import image as change
from protection.marks import protected
from query_api.execution.query import query
from query_api.lookups import things, usage
from query_api.lookups.things import Thing
from workflow_api import Attempt, Plan, StepFailed, UserError, clean, step

Data = dict[str, Any]
#: The tag of an image that a newer one has replaced.
DEPRECATED = "deprecated"
# Private images are their users' own, whatever they call them.
_OF_ALL = frozenset({"public", "community", "shared"})
_IN_USE = "it is not deleted because it is used"


class Rotation(msgspec.Struct, frozen=True):
    """What becomes of a family.

    ``older`` are its images but the new one, the newest first; of these ``retired`` are those
    that are beyond what is kept, with how many servers and volumes use each.
    """

    new: Thing
    older: list[Thing]
    retired: dict[str, tuple[int, int]]

    @property
    def in_use(self) -> list[Thing]:
        """Those beyond what is kept that something uses."""
        return [image for image in self.older if any(self.retired.get(image.id, ()))]


def family(cloud: Cloud, new: Thing, wanted: str) -> list[Thing]:
    """Return the other images of a family, the newest first.

    ``wanted`` is the beginning of their names, or properties as ``os_distro=debian``. They are of
    the same project as ``new``, and no private ones. Raises UserError if ``new`` does not
    belong to it.
    """
    asked = query("image")
    if new.project_id:
        asked = asked.where("project_id", "equal_to", new.project_id)
    if not _is_in(new, wanted):
        raise UserError(
            f"Image {clean(new.name)} does not belong to the family {clean(wanted)!r}.",
            advice="Give the beginning of the images' names, or properties as os_distro=debian.",
        )
    others = [
        image
        for image in things.of_query(cloud, asked)
        if (image.id != new.id and image.project_id == new.project_id)
        and image.visibility in _OF_ALL
        # Servers' snapshots have the properties of the image that they were booted from.
        and image.image_type != "snapshot" and _is_in(image, wanted)
    ]
    return sorted(others, key=lambda image: (image.created_at or "", image.id), reverse=True)


def _is_in(image: Thing, wanted: str) -> bool:
    if "=" not in wanted:
        return bool(image.name.startswith(wanted))
    known = image.properties or {}
    return all(known.get(name) == value for name, value in pairs("family", wanted).items())


def plan_rotation(
    plan: Plan,
    cloud: Cloud,
    found: Sequence[Thing],
    *,
    visibility: str,
    keep: int,
    config: PackConfig,
) -> Rotation:
    """Add to a plan what publishes the first image and has the others step back or go.

    ``keep`` is how many of the family stay, the new one included. What something uses is never
    deleted, nor is what is protected.
    """
    new, *older = found
    plan.refuse(_against(new))
    if changes := _published(new, visibility):
        plan.add(publish, image=new.id, name=new.name, changes=changes)
    else:
        plan.skip(new.name, f"it is {visibility} already, and shown")
    beyond = older[max(0, keep - 1) :]
    used = usage.of_images(cloud, {image.id for image in beyond})
    kept: list[Data] = []
    removed: list[Data] = []
    for image in older:
        why = _protection(image, config)
        named = {"image": image.id, "name": image.name}
        if why:
            plan.leave(f"image {clean(image.name)} ({image.id})", why)
        elif image.id in used and not any(used[image.id]):
            removed.append(named)
        elif changes := _set_back(image):
            kept.append({**named, "changes": changes})
        if image.id in used and any(used[image.id]):
            plan.leave(
                f"image {clean(image.name)} ({image.id})",
                f"{_IN_USE}: {usage.users(*used[image.id])}",
            )
    plan.each(set_back, kept)
    plan.each(remove, removed)
    return Rotation(new, older, used)


def _against(new: Thing) -> Iterator[str]:
    if new.status != "active":
        yield f"{clean(new.name)} is {new.status}, and not active"


def _protection(image: Thing, config: PackConfig) -> str:
    if image.protected:
        return "Glance protects it: take that off first, with image.unprotect"
    return protected(image.tags, image.properties, config.protected)


def _published(new: Thing, visibility: str) -> list[Data]:
    tags = [tag for tag in new.tags or () if tag != DEPRECATED]
    wanted = {"visibility": visibility, "os_hidden": False, "tags": tags}
    return _changes(new, wanted)


def _set_back(image: Thing) -> list[Data]:
    tags = [*(image.tags or ())]
    wanted = {"os_hidden": True, "tags": tags if DEPRECATED in tags else [*tags, DEPRECATED]}
    return _changes(image, wanted)


def _changes(image: Thing, wanted: Data) -> list[Data]:
    return [
        {"op": "replace", "path": f"/{field}", "value": value}
        for field, value in wanted.items()
        if (image.values[field] or ([] if field == "tags" else False)) != value
    ]


@step("image.publish", "publish image {name}", key="{image}", repeatable=True)
def publish(cloud: Cloud, image: str, name: str, changes: list[Data]) -> Data:
    """Let users see an image; twice does no harm."""
    change.patch_image(cloud, image, changes)
    return {"said": f"{clean(name)} is published"}


@step(
    "image.set_back",
    "hide image {name} ({image}) and mark it deprecated",
    key="{image}",
    repeatable=True,
)
def set_back(cloud: Cloud, image: str, name: str, changes: list[Data]) -> Data:
    """Hide an image from its users' lists; it can still be used by its id."""
    change.patch_image(cloud, image, changes)
    return {"said": f"{clean(name)} ({image}) is hidden and deprecated"}


def find_removed(attempt: Attempt, cloud: Cloud, image: str, name: str) -> Data | None:
    """Return that the image is gone; None if it is there."""
    if things.look(cloud, "image", image) is None:
        return {"said": f"{clean(name)} ({image}) is gone"}
    return None


@step("image.remove", "delete image {name} ({image})", key="{image}", find=find_removed)
def remove(attempt: Attempt, cloud: Cloud, image: str, name: str) -> Data:
    """Delete an image that nothing uses; raises StepFailed if something has come to use it."""
    numbers = usage.of_images(cloud, [image])[image]
    if any(numbers):
        raise StepFailed(f"{clean(name)} stays: {usage.users(*numbers)} came from it by now.")
    change.delete_image(cloud, image)
    return {"said": f"{clean(name)} ({image}) is gone"}
