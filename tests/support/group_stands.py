"""What tests that go through the tables of verbs know of aggregates and server groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Group, Hypervisor
from support.fake_cloud_groups import FakeGroups
from verbs.verb import Verb

NAME = "web-1"


class _Plain:
    """A thing that has no states, and on which nothing takes its time."""

    states: Sequence[str] = ()
    marks: Sequence[str] = ()

    def __init__(self, fake: FakeCloud) -> None:
        FakeGroups(fake)
        self._fake = fake

    def prepare(self, verb: Verb) -> None:
        """Have nothing to do."""

    def set(self, state: str) -> None:
        raise ValueError("it has no states")

    def is_busy(self) -> bool:
        return False

    def disturb(self) -> str:
        raise ValueError("nothing takes its time on it")

    def mark(self, how: str) -> None:
        raise ValueError("it cannot be marked")

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        raise ValueError("nothing takes its time on it")


class AggregateStand(_Plain):
    """An aggregate without a zone."""

    marks = ("protected",)
    changes = "(POST|PUT|DELETE) .*/os-aggregates"

    def __init__(self, fake: FakeCloud) -> None:
        super().__init__(fake)
        fake.hypervisors.append(Hypervisor("cmp-1"))
        self._aggregate = Aggregate(NAME, [], {"old": "1"})
        fake.aggregates.append(self._aggregate)

    def prepare(self, verb: Verb) -> None:
        self._aggregate.hosts = ["cmp-1"] if verb.name == "aggregate.remove_host" else []

    def mark(self, how: str) -> None:
        self._aggregate.metadata["openstack_ops:protected"] = "yes"

    def remove(self) -> None:
        self._fake.aggregates.clear()


class ServerGroupStand(_Plain):
    """A server group with a server."""

    changes = "(POST|DELETE) .*/os-server-groups"

    def __init__(self, fake: FakeCloud) -> None:
        super().__init__(fake)
        fake.groups.append(Group(NAME, "anti-affinity", ["web-2"]))

    def remove(self) -> None:
        self._fake.groups.clear()


class GroupBirth:
    """The part of Nova that has aggregates and server groups."""

    creates = "POST .*/os-(aggregates|server-groups)$"
    deletes = "DELETE .*/os-(aggregates|server-groups)/"

    def __init__(self, fake: FakeCloud) -> None:
        FakeGroups(fake)
        self._fake = fake

    def go(self, *, ends: str = "", seconds: float | None = 0.2) -> str:
        raise ValueError("they are there at once")

    def there(self) -> Sequence[Any]:
        return [*self._fake.aggregates, *self._fake.groups]
