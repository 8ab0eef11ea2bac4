"""Which of the snapshots that our runbooks took were kept for long enough.

A snapshot is an image of a server, or a snapshot of a volume. Its source is what it was taken of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.config import Protected
from keeping.marks import FORMER, KEEP_UNTIL, RUN, marked
from protection.marks import protected
from query_api.execution.query import Query, query
from query_api.language import times
from query_api.language.conditions import any_of, test
from query_api.language.where import parse
from query_api.lookups import things, usage
from query_api.lookups.things import Thing
from workflow_api import NotFound, UserError, clean

IMAGE, VOLUME_SNAPSHOT = "image", "volume_snapshot"
KINDS = (IMAGE, VOLUME_SNAPSHOT)
# Where the marks stand, what tells the source, and the states that can be deleted.
_MARKS = {IMAGE: "properties", VOLUME_SNAPSHOT: "metadata"}
_SOURCE = {IMAGE: ("server", "instance_uuid"), VOLUME_SNAPSHOT: ("volume", "volume_id")}
_AT_REST = {
    IMAGE: frozenset({"active", "deactivated", "killed"}),
    VOLUME_SNAPSHOT: frozenset({"available", "error", "error_deleting"}),
}


class Retention(msgspec.Struct, frozen=True):
    """What is kept though its day is over.

    ``today`` is a day of UTC; ``keep`` the number of newest ones of each source that stay;
    ``before`` a moment: what was made later stays.
    """

    today: str
    keep: int = 0
    before: str | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """A snapshot, and why it stays; "" if it goes."""

    thing: Thing
    stays: str
    named: bool = False

    @property
    def kind(self) -> str:
        """image or volume_snapshot."""
        return self.thing.kind

    @property
    def subject(self) -> str:
        """What a run claims."""
        return self.thing.subject

    @property
    def name(self) -> str:
        """Its name, or its id."""
        return self.thing.name

    @property
    def marks(self) -> dict[str, Any]:
        """Its metadata."""
        return self.thing.values[_MARKS[self.kind]] or {}

    @property
    def about(self) -> str:
        """Of what it was taken, and how long it was to be kept, for a sentence."""
        word, _ = _SOURCE[self.kind]
        until = marked(self.marks, KEEP_UNTIL)
        of = f"of {word} {source_of(self.thing)}"
        return f"{of}, kept until {clean(until)}" if until else of


def source_of(thing: Thing) -> str:
    """Return the id of the server or volume that it was taken of; "" if nobody says."""
    return str(thing.values[_SOURCE[thing.kind][1]] or "")


def ours(kind: str, where: str | None) -> Query:
    """Return the query for the snapshots of a kind that our runbooks took, and that pass.

    Raises UserError for a condition that cannot be understood, when it is run too.
    """
    names = (KEEP_UNTIL, FORMER[KEEP_UNTIL])
    asked = query(kind).where(any_of(*(test(_MARKS[kind], "has_key", name) for name in names)))
    return asked.where(parse(where)) if where and where.strip() else asked


def judged(
    found: Iterable[Thing], named: Iterable[Thing], retention: Retention, marks: Protected
) -> list[Snapshot]:
    """Return all snapshots with why they stay: ``found`` by a query, and ``named`` by hand.

    What is named goes although it is not ours, or its day is not over; protected it stays.
    """
    by_hand = {thing.subject: thing for thing in named}
    rest = [thing for thing in found if thing.subject not in by_hand]
    newest = _newest(rest, retention.keep)
    return [
        *(Snapshot(thing, _cannot(thing, marks), named=True) for thing in by_hand.values()),
        *(
            Snapshot(thing, _held(thing, retention, newest) or _cannot(thing, marks))
            for thing in rest
        ),
    ]


def _newest(found: Iterable[Thing], keep: int) -> set[str]:
    """Return the subjects of the newest snapshots of each source, so many of each."""
    of: dict[tuple[str, str], list[Thing]] = {}
    for thing in found:
        of.setdefault((thing.kind, source_of(thing)), []).append(thing)
    return {
        thing.subject
        for known in of.values()
        for thing in sorted(known, key=_age, reverse=True)[:keep]
    }


def _age(thing: Thing) -> tuple[str, str]:
    return (times.sortable(thing.created_at or ""), thing.id)


def _held(thing: Thing, retention: Retention, newest: set[str]) -> str:
    metadata = thing.values[_MARKS[thing.kind]] or {}
    until = marked(metadata, KEEP_UNTIL) or ""
    try:
        day = times.normal(until)[:10]
    except ValueError:
        return f"its date of expiry is not a date: {clean(until)[:40]!r}"
    if marked(metadata, RUN) is None:
        return "it does not say which run took it"
    if day >= retention.today:
        return f"it is kept until {day}"
    if thing.subject in newest:
        return f"it is one of the {retention.keep} newest of its source"
    if retention.before and (thing.created_at or "") >= retention.before:
        return "it is younger than older_than"
    return ""


def _cannot(thing: Thing, marks: Protected) -> str:
    tags = thing.values.get("tags") or ()
    if why := protected(tags, thing.values[_MARKS[thing.kind]], marks):
        return why
    if thing.values.get("protected"):
        return "Glance protects it from being deleted"
    if thing.status not in _AT_REST[thing.kind]:
        return f"it is {clean(thing.status)}"
    return ""


def named(cloud: Cloud, wanted: str) -> Thing:
    """Return the snapshot of this name or id, whoever took it.

    Raises NotFound, Ambiguous, and UserError for an image that is no snapshot.
    """
    found: list[Thing] = []
    missing: NotFound | None = None
    for kind in (VOLUME_SNAPSHOT, IMAGE):
        try:
            found.append(things.find(cloud, kind, wanted))
        except NotFound as error:
            missing = missing or error
    if not found:
        assert missing is not None
        raise missing
    if len(found) > 1:
        raise UserError(
            f"{clean(wanted)!r} is both an image and a snapshot of a volume: give its id."
        )
    (one,) = found
    if one.kind == IMAGE and not _is_snapshot(one):
        raise UserError(f"The image {clean(one.name)} ({one.id}) is not a snapshot of a server.")
    return one


def _is_snapshot(image: Thing) -> bool:
    return image.image_type == "snapshot" or "block_device_mapping" in (image.properties or {})


def in_use(cloud: Cloud, going: Iterable[Snapshot]) -> dict[str, str]:
    """Return why images cannot go that servers or volumes come from, by the image's id.

    It costs what :func:`usage.of_images` does.
    """
    used = usage.of_images(cloud, {one.thing.id for one in going if one.kind == IMAGE})
    return {
        image: f"{usage.users(*numbers)} came from it"
        for image, numbers in used.items()
        if any(numbers)
    }


class Part(msgspec.Struct, frozen=True):
    """A snapshot of a volume that an image says its data are in.

    ``foreign`` says why it is not known to be that image's, ``stays`` why it cannot go.
    """

    thing: Thing
    foreign: str
    stays: str


def parts(
    cloud: Cloud, images: Iterable[Snapshot], retention: Retention, marks: Protected
) -> dict[str, list[Part]]:
    """Return the snapshots of volumes that images hold the data in, by the image's id.

    The image of a server that boots from a volume has no data of its own. Its owner can write
    what he likes where Nova says which snapshots have them, so that alone proves nothing.
    """
    of = {id: one for one in images for id in _snapshots_in(one.thing)}
    found: dict[str, list[Part]] = {}
    if not of:
        return found
    asked = query(VOLUME_SNAPSHOT).where("id", "any_in", *sorted(of))
    for thing in things.of_query(cloud, asked):
        image = of[thing.id].thing
        part = Part(thing, _foreign(thing, image, retention), _cannot(thing, marks))
        found.setdefault(image.id, []).append(part)
    return found


def _foreign(part: Thing, image: Thing, retention: Retention) -> str:
    """Return why a snapshot is not known to be an image's data, and none of ours that may go.

    Nova takes it in the image's project, and calls it after the image.
    """
    if marked(part.values[_MARKS[VOLUME_SNAPSHOT]], RUN) is not None:
        return _held(part, retention, set())
    if part.project_id == image.project_id and part.name == f"snapshot for {image.name}":
        return ""
    return f"the image {clean(image.name)} says that its data are there, and nothing else does"


def _snapshots_in(image: Thing) -> list[str]:
    said = (image.properties or {}).get("block_device_mapping")
    try:
        known = json.loads(said) if isinstance(said, str) else said or []
        return [one["snapshot_id"] for one in known if one.get("snapshot_id")]
    except (ValueError, TypeError, AttributeError):
        return []
