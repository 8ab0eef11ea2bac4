"""Where a drain can be killed: points at which it is caught from outside, one class a kind.

A point is armed before the process starts, waits until the process has got there, and says so; what
it has set up is taken away after the kill.
"""

from __future__ import annotations

import queue
import random
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.cloud_operator import Started
from support.cloud_site import Guest, Site, until
from support.proxy import CloudProxy, Fault, Hold, Match

#: The steps of the drain in question, in order, and the second request of the cold one.
ROLES = ("disable", "live-1", "live-2", "cold", "confirm", "verify")
#: Requests after which Nova has begun to move a server.
MOVES = ("live-1", "live-2", "cold")
#: How long a process surely needs at most from an answer to its next commit.
_TO_COMMIT = 0.7
_PATIENCE = 120.0


@dataclass
class Scene:
    """One drain: its servers by their role, and everything a kill point takes hold of."""

    site: Site
    proxy: CloudProxy
    #: The file of the state store.
    state: Path
    guests: Mapping[str, Guest]
    source: str
    #: The newest migration record before the drain.
    since: int
    random: random.Random
    #: What has to be let go after the kill.
    after: ExitStack = field(default_factory=ExitStack)

    def sentence(self, role: str) -> str:
        """Return how the step is called in the progress."""
        if role == "disable":
            return f"disable scheduling of {self.source}"
        if role == "verify":
            return f"check that {self.source}"
        guest = self.guests["cold" if role == "confirm" else role]
        return rf"(live|cold)-migrate {re.escape(guest.name)} "

    def request(self, role: str) -> Match:
        """Return which request changes the cloud for the step."""
        if role == "disable":
            return Match("compute", "PUT", r"/os-services/")
        guest = self.guests["cold" if role == "confirm" else role]
        action = {"cold": '"migrate"', "confirm": "confirmResize"}.get(role, "os-migrateLive")
        return Match("compute", "POST", rf"/servers/{guest.id}/action", action)

    def hold(self, match: Match, point: str, times: int | None = 1) -> Fault:
        """Hold requests until the kill."""
        return self.proxy.fault(match, Hold(point), times)  # type: ignore[arg-type]

    def step_of(self, role: str) -> str:
        """Return what is in the key of this step and of no other."""
        if role in ("disable", "verify"):
            return {"disable": "disable_scheduling", "verify": "verify_empty"}[role]
        return self.guests["cold" if role == "confirm" else role].id


@dataclass(frozen=True)
class Point:
    """A moment in the life of a drain: ``kind`` of moment, in the step of that ``role``."""

    kind: str
    role: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.role}".strip()

    def arm(self, scene: Scene) -> Callable[[Started], bool]:
        """Set the trap; the function returned waits until the process is in it."""
        return _KINDS[self.kind](scene, self.role)


Trap = Callable[[Started], bool]


def _begun(scene: Scene, role: str) -> Trap:
    """The attempt is journalled, and perhaps its change sent."""
    return _line(rf"^start  {scene.sentence(role)}")


def _ended(scene: Scene, role: str) -> Trap:
    """The step is journalled as done, and perhaps the next one begun."""
    return _line(rf"^done +{scene.sentence(role)}")


def _looked_up(scene: Scene, role: str) -> Trap:
    """An earlier attempt is being looked up."""
    return _line("^start  look up: ")


def _planning(scene: Scene, role: str) -> Trap:
    """Things are claimed and the plan is not drawn yet."""
    return _caught(scene.hold(Match("placement", "GET", "/allocation_candidates"), "request"))


def _unsent(scene: Scene, role: str) -> Trap:
    """The attempt is journalled; the cloud has not got the request."""
    return _caught(scene.hold(scene.request(role), "request"))


def _unheard(scene: Scene, role: str) -> Trap:
    """The cloud has accepted the request; its answer has not reached us."""
    return _caught(scene.hold(scene.request(role), "answer"))


def _in_flight(scene: Scene, role: str) -> Trap:
    """At some moment after the cloud's answer has reached us."""
    accepted = scene.hold(scene.request(role), "answer")

    def reached(started: Started) -> bool:
        if not _is_caught(accepted, started):
            return False
        accepted.remove()
        time.sleep(scene.random.uniform(0.0, 2.5))
        return True

    return reached


def _unjournalled(scene: Scene, role: str) -> Trap:
    """The step has happened in the cloud; right before that is journalled."""
    last = Match("compute", "GET", rf"/servers/detail.*host={scene.source}\b")
    accepted = scene.hold(last if role == "verify" else scene.request(role), "answer")

    def reached(started: Started) -> bool:
        if not _is_caught(accepted, started):
            return False
        polls = None
        if role not in ("disable", "verify"):
            polls = scene.hold(Match("compute", "GET", "/os-migrations"), "request", None)
            accepted.remove()
            guest = scene.guests["cold" if role == "confirm" else role]
            what = f"{guest.name} moved"
            until(lambda: scene.site.is_migrated(scene.since, guest), what, _PATIENCE)
        scene.after.enter_context(write_lock(scene.state))
        (polls or accepted).remove()
        time.sleep(_TO_COMMIT)
        return True

    return reached


_KINDS: dict[str, Callable[[Scene, str], Trap]] = {
    "begun": _begun,
    "ended": _ended,
    "looked up": _looked_up,
    "planning": _planning,
    "unsent": _unsent,
    "unheard": _unheard,
    "in flight": _in_flight,
    "unjournalled": _unjournalled,
}


def every_point() -> list[Point]:
    """Return every kind of moment in every step that has it, some of them several times."""
    steps = ("disable", *MOVES, "verify")
    changes = ("disable", *MOVES, "confirm")
    return [
        *(Point("begun", role) for role in steps),
        *(Point("ended", role) for role in steps),
        *(Point("unsent", role) for role in changes),
        *(Point("unheard", role) for role in (*changes, *MOVES, *MOVES, *MOVES[:2], "confirm")),
        *(Point("unjournalled", role) for role in ("disable", "live-1", "live-2", "confirm")),
        Point("unjournalled", "verify"),
        *(Point("in flight", role) for role in (*MOVES, *MOVES)),
        *(Point("looked up") for _ in range(3)),
        Point("planning"),
    ]


def some_points(seeded: random.Random) -> list[Point]:
    """Return six moments, each of another kind, for every day."""
    return [
        Point("unsent", seeded.choice(MOVES)),
        Point("unheard", seeded.choice(MOVES)),
        Point("unheard", "confirm"),
        Point("unjournalled", seeded.choice(("live-1", "live-2"))),
        Point("ended", seeded.choice(("disable", *MOVES))),
        Point("in flight", seeded.choice(MOVES)),
    ]


@contextmanager
def write_lock(state: Path):  # type: ignore[no-untyped-def]
    """Keep every other process from writing into an SQLite file while the block runs."""
    connection = sqlite3.connect(state, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


def _line(pattern: str) -> Trap:
    def reached(started: Started) -> bool:
        try:
            started.wait_line(pattern, _PATIENCE)
        except TimeoutError:
            return False
        return True

    return reached


def _caught(fault: Fault) -> Trap:
    return lambda started: _is_caught(fault, started)


def _is_caught(fault: Fault, started: Started) -> bool:
    """Wait until the fault has a request in it; False if the process ends before."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        running = started.is_running
        try:
            fault.reached.get(timeout=0.05 if running else 0)
        except queue.Empty:
            if not running:
                return False
        else:
            return True
    return False
