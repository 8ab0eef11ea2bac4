"""What the tests that go through the tables of verbs have to know of each subject of a fake cloud.

A stand has one thing, called ``web-1``, and knows how to bring it to a state, and what happens to
the next action on it. A new subject gets a stand, and its verbs are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from common.duration import decoded
from examples import example
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Project
from support.fake_cloud_flavors import FakeFlavors
from support.fake_cloud_volume import Course, FakeCinder
from support.group_stands import AggregateStand, GroupBirth, ServerGroupStand
from support.image_stands import ImageStand
from support.server_stand import ServerBirth, ServerStand
from verbs.aggregates import AGGREGATE, AGGREGATE_VERBS
from verbs.creation import Creation
from verbs.flavors import FLAVOR, FLAVOR_VERBS
from verbs.images import IMAGE, IMAGE_VERBS
from verbs.new_groups import AGGREGATE_CREATION, SERVER_GROUP_CREATION
from verbs.new_servers import SERVER_CREATION
from verbs.new_volumes import VOLUME_CREATION
from verbs.server_groups import SERVER_GROUP, SERVER_GROUP_VERBS
from verbs.server_removal import SERVER_DELETE
from verbs.server_sizes import SIZE_VERBS
from verbs.servers import SERVER, SERVER_VERBS
from verbs.servers_marks import MARK_VERBS
from verbs.servers_migrations import MIGRATION_VERBS
from verbs.servers_ports import PORT_VERBS
from verbs.servers_repair import REPAIR_VERBS
from verbs.servers_update import UPDATE_VERBS
from verbs.servers_volumes import VOLUME_DEVICE_VERBS
from verbs.shared_images import SHARING_VERBS
from verbs.verb import Options, Subject, Verb
from verbs.volume_snapshots import SNAPSHOT_VERBS, VOLUME_SNAPSHOT
from verbs.volumes import VOLUME, VOLUME_VERBS
from verbs.volumes_changes import CHANGE_VERBS
from verbs.volumes_marks import MARK_VERBS as VOLUME_MARK_VERBS

NAME = "web-1"

TABLES: tuple[tuple[Subject, Sequence[Verb]], ...] = (
    (SERVER, SERVER_VERBS),
    (SERVER, MARK_VERBS),
    (SERVER, MIGRATION_VERBS),
    (SERVER, UPDATE_VERBS),
    (SERVER, REPAIR_VERBS),
    (SERVER, VOLUME_DEVICE_VERBS),
    (SERVER, PORT_VERBS),
    (SERVER, SIZE_VERBS),
    (SERVER, [SERVER_DELETE]),
    (VOLUME, VOLUME_VERBS),
    (FLAVOR, FLAVOR_VERBS),
    (IMAGE, (*IMAGE_VERBS, *SHARING_VERBS)),
    (VOLUME, CHANGE_VERBS),
    (VOLUME, VOLUME_MARK_VERBS),
    (VOLUME_SNAPSHOT, SNAPSHOT_VERBS),
    (AGGREGATE, AGGREGATE_VERBS),
    (SERVER_GROUP, SERVER_GROUP_VERBS),
)
VERBS = [verb for _, verbs in TABLES for verb in verbs]
SUBJECT = {verb.name: subject for subject, verbs in TABLES for verb in verbs}
CREATIONS: tuple[Creation, ...] = (
    VOLUME_CREATION,
    SERVER_CREATION,
    AGGREGATE_CREATION,
    SERVER_GROUP_CREATION,
)


class Stand(Protocol):
    """The thing of a subject, and the service that it is in."""

    #: States that are tried where a verb does not begin in them.
    states: Sequence[str]
    #: What keeps verbs off that disturb.
    marks: Sequence[str]
    #: The requests that change it.
    changes: str

    def prepare(self, verb: Verb) -> None:
        """Bring it to where the verb has something to do, whatever its state."""

    def set(self, state: str) -> None:
        """Bring it to a state."""

    def is_busy(self) -> bool:
        """Return whether a task is under way on it."""

    def disturb(self) -> str:
        """Have a task under way that no verb knows; return its name."""

    def mark(self, how: str) -> None:
        """Have it carry one of the ``marks``."""

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        """Say how the next action goes; return what is then told of one that ``ends`` badly."""

    def remove(self) -> None:
        """Take it away."""


class VolumeStand:
    """A volume."""

    states = ("available", "error", "in-use", "awaiting-transfer")
    marks = ("protected",)
    changes = "(POST|PUT|DELETE) .*/volumes/"

    def __init__(self, fake: FakeCloud) -> None:
        self._cinder = FakeCinder(fake)
        self._row = self._cinder.volume(NAME, volume_type="slow")

    def prepare(self, verb: Verb) -> None:
        if verb.name == "volume.unprotect":
            self.mark("protected")
        if verb.name == "volume.reset_state":
            self.set("extending")

    def set(self, state: str) -> None:
        self._row["status"] = state

    def is_busy(self) -> bool:
        return self._row["status"] in ("extending", "retyping", "deleting")

    def disturb(self) -> str:
        self._row["status"] = "backing-up"
        return "backing-up"

    def mark(self, how: str) -> None:
        self._row["metadata"] = {"openstack_ops:protected": "yes"} if how == "protected" else {}

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        self._cinder.courses[self._row["id"]] = Course(seconds, ends and "error_extending", task)
        return "error_extending"

    def remove(self) -> None:
        self._cinder.volumes.clear()


class FlavorStand:
    """A flavor, of which ``project`` is the one that it is granted to or taken from."""

    states = ()
    marks = ("protected",)
    changes = "(POST|PUT|DELETE) .*/flavors/"

    def __init__(self, fake: FakeCloud) -> None:
        self._flavors = fake.part(FakeFlavors)
        self._row = self._flavors.flavor(NAME, **{"os-flavor-access:is_public": False})
        # Options are compared as they are sent, so its id is what the examples call it.
        fake.projects.append(Project("shop", id="shop"))

    def prepare(self, verb: Verb) -> None:
        granted = ["shop"] if verb.name == "flavor.revoke" else []
        self._flavors.access[self._row["id"]] = granted

    def set(self, state: str) -> None:
        raise ValueError("a flavor has no states")

    def is_busy(self) -> bool:
        return False

    def disturb(self) -> str:
        raise ValueError("nothing takes its time on a flavor")

    def mark(self, how: str) -> None:
        self._row["extra_specs"]["openstack_ops:protected"] = "yes"

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        raise ValueError("nothing takes its time on a flavor")

    def remove(self) -> None:
        self._flavors.rows.clear()


class SnapshotStand:
    """A snapshot of a volume."""

    states = ("available", "error", "error_deleting", "creating")
    marks = ("protected",)
    changes = "DELETE .*/snapshots/"

    def __init__(self, fake: FakeCloud) -> None:
        self._cinder = FakeCinder(fake)
        self._row = self._cinder.snapshot(NAME, self._cinder.volume("data"))

    def prepare(self, verb: Verb) -> None:
        """Have nothing to do."""

    def set(self, state: str) -> None:
        self._row["status"] = state

    def is_busy(self) -> bool:
        return bool(self._row["status"] == "deleting")

    def disturb(self) -> str:
        self._row["status"] = "backing-up"
        return "backing-up"

    def mark(self, how: str) -> None:
        self._row["metadata"] = {"openstack_ops:protected": "yes"} if how == "protected" else {}

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        self._cinder.courses[self._row["id"]] = Course(seconds, ends and "error_deleting", task)
        return "error_deleting"

    def remove(self) -> None:
        self._cinder.snapshots.clear()


STANDS: dict[str, Any] = {
    "aggregate": AggregateStand,
    "server_group": ServerGroupStand,
    "server": ServerStand,
    "volume": VolumeStand,
    "flavor": FlavorStand,
    "image": ImageStand,
    "volume_snapshot": SnapshotStand,
}


def ready(fake: FakeCloud, verb: Verb) -> Stand:
    """Return the stand of the verb's subject, where there is something to do."""
    stand: Stand = STANDS[SUBJECT[verb.name].name](fake)
    if verb.begins:
        stand.set(sorted(verb.begins(options_of(verb)))[0])
    stand.prepare(verb)
    return stand


def parameters_of(verb: Verb) -> dict[str, Any]:
    """Return the parameters of a verb's example, about the thing of its stand."""
    return {**example(verb.name), SUBJECT[verb.name].name: NAME}


def options_of(verb: Verb) -> Options:
    """Return the options that the example of a verb gives it."""
    known = verb.options.__struct_fields__
    given = {word: value for word, value in example(verb.name).items() if word in known}
    options: Options = msgspec.convert(given, verb.options, dec_hook=decoded)
    return options


class Birth(Protocol):
    """The service in which things are created."""

    #: The request that creates one, and the one that takes it away.
    creates: str
    deletes: str

    def go(self, *, ends: str = "", seconds: float | None = 0.2) -> str:
        """Say how the next one comes out; return what is then told of one that ``ends`` badly."""

    def there(self) -> Sequence[Any]:
        """Return what is there."""


class VolumeBirth:
    """Cinder."""

    creates = "POST .*/volumes$"
    deletes = "DELETE .*/volumes/"

    def __init__(self, fake: FakeCloud) -> None:
        self._cinder = FakeCinder(fake)

    def go(self, *, ends: str = "", seconds: float | None = 0.2) -> str:
        self._cinder.birth = Course(seconds, ends and "error")
        return "error"

    def there(self) -> Sequence[Any]:
        return self._cinder.volumes


BIRTHS: dict[str, Any] = {
    "server": ServerBirth,
    "volume": VolumeBirth,
    "aggregate": GroupBirth,
    "server_group": GroupBirth,
}
