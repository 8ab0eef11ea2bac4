"""The steps that make an image: its record, its data, and who may see it once it is whole."""

from __future__ import annotations

import time
from typing import Any

from accounts.cloud import Cloud
from images.sources import ImageFile, digest_of
from keeping.marks import marks_of
from openstack_api import image as change
from query_api.execution.query import query
from query_api.lookups import things
from query_api.lookups.things import Thing
from waiting.things import IMAGES
from waiting.watching import watch
from workflow_api import Attempt, Begun, Duration, StepFailed, UnknownOutcome, clean, step

Data = dict[str, Any]
# Glance's states while it works on data that it was given, or fetches.
_UNDER_WAY = frozenset({"saving", "uploading", "importing"})
_FAILED_IMPORT, _IMPORT_TASK = "os_glance_failed_import", "os_glance_import_task"
_LONGEST_PAUSE, _TOLD_EVERY = 15.0, 30.0
# An import that Glance has not begun after so long failed before it began.
_IMPORT_BEGINS = 60.0
# Speed below which an upload is given up, in bytes a second, and how long any may take.
_SLOWEST, _AT_LEAST = 1024 * 1024, 3600.0


# -- its record ------------------------------------------------------------------------------------


def find_registered(attempt: Attempt, cloud: Cloud, name: str) -> Data | None:
    """Return the image that an earlier attempt has made, by its marks; None if there is none."""
    asked = query("image").where("name", "equal_to", name)
    wanted = marks_of(attempt.run, attempt.key)
    for image in things.of_query(cloud, asked):
        known = image.properties or {}
        if all(known.get(mark) == value for mark, value in wanted.items()):
            return _registered(image.id, name)
    return None


def _registered(id: str, name: str) -> Data:
    return {"id": id, "said": f"image {clean(name)} is there, without data yet: {id}"}


def unregister(attempt: Attempt, cloud: Cloud, name: str) -> None:
    """Delete the image again, if it is there."""
    if found := find_registered(attempt, cloud, name):
        change.delete_image(cloud, found["id"])


@step(
    "image.register",
    "make the record of image {name}",
    key="{name}",
    find=find_registered,
    undo=unregister,
)
def register(attempt: Attempt, cloud: Cloud, name: str, facts: Data) -> Data:
    """Make an image without data that carries the run and the step; return its id."""
    marks = marks_of(attempt.run, attempt.key)
    return _registered(change.create_image(cloud, name=name, **facts, **marks), name)


# -- its data --------------------------------------------------------------------------------------


def _settled(attempt: Attempt, cloud: Cloud, image: str, name: str, within: float) -> Thing:
    """Return an image once Glance is done with it; raises UnknownOutcome if it takes longer."""
    waited, pause, told_at, since = 0.0, 0.0, _TOLD_EVERY, time.time()
    while True:
        now, took = watch(cloud, IMAGES).after(attempt, image, pause, since, _UNDER_WAY)
        waited += took
        if now is None:
            raise StepFailed(f"Image {clean(name)} ({image}) is gone.")
        if not _is_under_way(now):
            settled: Thing = now
            return settled
        if waited >= within:
            raise UnknownOutcome(f"{clean(name)} is still {now.status} after {Duration(waited)}.")
        if waited >= told_at:
            attempt.say(f"{clean(name)} is {now.status}")
            told_at += _TOLD_EVERY
        pause = min(_LONGEST_PAUSE, 0.5 + waited / 20)


def _is_under_way(image: Thing) -> bool:
    queued_for_import = image.status == "queued" and _IMPORT_TASK in (image.properties or {})
    return image.status in _UNDER_WAY or queued_for_import


def _allowed(size: int) -> float:
    return max(_AT_LEAST, size / _SLOWEST)


def find_uploaded(
    attempt: Attempt,
    cloud: Cloud,
    image: str,
    name: str,
    path: str,
    size: int,
    sha512: str | None,
) -> Data | None:
    """Return how an earlier upload ended; None if Glance has no data, and it can be begun again."""
    now = _settled(attempt, cloud, image, name, _allowed(size))
    if now.status != "active":
        return None
    _compared(now, name, sha512)
    return _checked(cloud, now, name, path, "")


@step("image.upload", "upload {path} to image {name}", key="{image}", find=find_uploaded)
def upload(
    attempt: Attempt,
    cloud: Cloud,
    image: str,
    name: str,
    path: str,
    size: int,
    sha512: str | None = None,
) -> Data:
    """Send a file's bytes to an image that has none, and compare its hash with Glance's.

    What Glance was sent in part it drops: it is queued again then, and the file sent again. With
    ``sha512`` the file is read once before, and not sent if it is another.
    """
    if sha512 and digest_of(cloud.config.places, path, "sha512") != sha512.lower():
        raise StepFailed(f"{clean(path)} has another SHA-512 than it must have: it was not sent.")
    data = ImageFile(cloud.config.places, path, size)
    change.upload_image(cloud, image, data, size, _allowed(size))
    now = _settled(attempt, cloud, image, name, _allowed(size))
    if now.status != "active":
        raise StepFailed(f"{clean(name)} is left {now.status}: Glance did not take its data.")
    return _checked(cloud, now, name, path, data.sha512)


def _checked(cloud: Cloud, image: Thing, name: str, path: str, sha512: str) -> Data:
    """Return that an image has its data; raises StepFailed if these are not those of the file."""
    algorithm, there = image.os_hash_algo or "", image.os_hash_value
    if algorithm:
        mine = sha512 if algorithm == "sha512" and sha512 else ""
        mine = mine or digest_of(cloud.config.places, path, algorithm)
    else:  # a Glance of before 2018 knows this alone
        algorithm, there = "md5", image.checksum
        mine = digest_of(cloud.config.places, path, algorithm)
    if there != mine:
        raise StepFailed(
            f"Image {clean(name)} ({image.id}) has other data than {clean(path)}: its {algorithm} "
            f"is {clean(there)} and not {mine}.",
            advice="Delete it, and begin again.",
        )
    return {"id": image.id, "said": f"{clean(name)} has its data, and their {algorithm} is right"}


def find_imported(
    attempt: Attempt, cloud: Cloud, image: str, name: str, url: str, sha512: str | None
) -> Data | Begun | None:
    """Return how an earlier import ended, Begun if it is under way, None if none was begun."""
    now = things.look(cloud, "image", image)
    if now is None:
        raise StepFailed(f"Image {clean(name)} ({image}) is gone.")
    if _is_under_way(now):
        return Begun(f"{clean(name)} is {now.status}", id=image)
    return _compared(now, name, sha512) if now.status == "active" else None


def finish_import(
    attempt: Attempt, cloud: Cloud, image: str, name: str, url: str, sha512: str | None
) -> Data:
    """Wait until Glance has the data; raises StepFailed if it gives up."""
    waited = 0.0
    while True:
        now = _settled(attempt, cloud, image, name, cloud.config.limits.timeouts.snapshot)
        if now.status == "active":
            return _compared(now, name, sha512)
        failed = (now.properties or {}).get(_FAILED_IMPORT)
        if failed or now.status != "queued" or waited >= _IMPORT_BEGINS:
            where = f" into its store {clean(failed)}" if failed else ""
            raise StepFailed(
                f"{clean(name)} is left {now.status}: Glance could not import {clean(url)}{where}."
            )
        attempt.wait(1.0)
        waited += 1.0


@step(
    "image.import",
    "have Glance download {url} for image {name}",
    key="{image}",
    find=find_imported,
    finish=finish_import,
)
def import_from(
    attempt: Attempt, cloud: Cloud, image: str, name: str, url: str, sha512: str | None = None
) -> Data:
    """Ask Glance to download the data of an image, and wait until it has them."""
    now = things.look(cloud, "image", image)
    if now is not None and now.status == "queued" and not _is_under_way(now):
        change.import_image(cloud, image, url)
    return finish_import(attempt, cloud, image, name, url, sha512)


def _compared(image: Thing, name: str, sha512: str | None) -> Data:
    said = f"{clean(name)} has its data"
    if sha512 and image.os_hash_algo == "sha512" and image.os_hash_value != sha512.lower():
        raise StepFailed(
            f"Image {clean(name)} ({image.id}) has other data than expected: its sha512 is "
            f"{clean(image.os_hash_value)}.",
            advice="Delete it, and see what the address gives.",
        )
    known = f": {image.os_hash_algo} {clean(image.os_hash_value)}" if image.os_hash_algo else ""
    return {"id": image.id, "said": f"{said}{known}"}


# -- who may see it --------------------------------------------------------------------------------


@step("image.show_to", "make image {name} {visibility}", key="{image}", repeatable=True)
def show_to(cloud: Cloud, image: str, name: str, visibility: str) -> Data:
    """Give an image its visibility, once it is whole."""
    changes = [{"op": "replace", "path": "/visibility", "value": visibility}]
    change.patch_image(cloud, image, changes)
    return {"said": f"{clean(name)} is {visibility}"}
