"""One server that is to be moved, in a fake cloud whose time is the test's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.cloud import Cloud
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Course
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform
from workflow_api import UnknownOutcome
from workflow_api.planned import PlannedStep

LIMITS = {"timeouts": {"live_migration": "2m", "cold_migration": "10m"}}


class World:
    """One server on cmp-1, a clock, and the step that moves it."""

    def __init__(self, fake: FakeCloud, clock: Clock) -> None:
        self.fake, self.clock = fake, clock
        self.cloud: Cloud = fake.account(limits=LIMITS)
        self.server = fake.server("a")
        self.attempt = FakeAttempt(clock.wait)

    def planned(self, how: str = "live") -> PlannedStep:
        """Plan the move now."""
        asked: Any = {"server": "a", "migration": how}
        step, _ = drawn(self.cloud, "server.migrate", **asked).steps()
        return step

    def course(self, **course: Any) -> None:
        """Set how the next migration goes."""
        self.fake.courses[self.server.id] = Course(**course)

    def later(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let something happen while somebody waits."""
        self.clock.after(seconds, happen)

    def move(self, how: str = "live") -> Any:
        """Plan the move and perform it."""
        return perform(self.planned(how), self.cloud, self.attempt)

    def moved_before(self, **course: Any) -> None:
        """Let the server have come to cmp-1 by a migration that is over."""
        self.course(to="cmp-1", ends_after=0, **course)
        self.server.host = "cmp-2"
        self.fake.nova.migrate(self.server, "live-migration", {})
        self.fake.nova.advance()
        self.server.host = "cmp-1"
        self.fake.courses.clear()

    @property
    def posts(self) -> list[str]:
        """What was asked of the server, in order."""
        return [next(iter(request.body)) for request in self.fake.changes]


def remove(world: World) -> None:
    world.fake.servers.remove(world.server)


def down(world: World, name: str) -> None:
    next(host for host in world.fake.hypervisors if host.name == name).state = "down"


def idle(world: World) -> None:
    world.server.task, world.server.status = None, "ACTIVE"


def busy(world: World) -> None:
    for pattern in ("GET .*/os-migrations", "GET .*/servers/"):
        world.fake.fail(pattern, 503, times=9)


def lost(world: World, how: str = "live", *, arrives: bool = True) -> PlannedStep:
    """Perform the move so far that its request is sent and no answer comes."""
    step = world.planned(how)
    world.fake.fail("POST .*/action", cut=True, late=arrives)
    with pytest.raises(UnknownOutcome):
        perform(step, world.cloud, world.attempt)
    return step
