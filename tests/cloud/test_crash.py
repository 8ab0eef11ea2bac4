"""Killed at any instant and resumed: everything happens once, and nothing is left behind.

The victim is a process of its own, started as an operator starts it and killed by SIGKILL from
outside. ``CRASH_KILLS`` says how many kills there are at least (``make test-crash``: 40), and
``CRASH_SEED`` repeats what an earlier run did.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from state.journal import Journal
from state.records import StepRecord
from state.store import Store
from support.cloud_crash import MOVES, ROLES, Point, Scene, every_point, some_points
from support.cloud_operator import Operator, Started
from support.cloud_proxied import Proxied
from support.cloud_site import Guest, Site

KILLS = int(os.environ.get("CRASH_KILLS", "6"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
#: How often a run that nobody kills may end unfinished (a lease is lost on a machine that is busy).
_RESUMES = 5


@dataclass
class Campaign:
    """Drains to and fro between two hosts, killed and resumed until the points are used up."""

    site: Site
    operator: Operator
    proxied: Proxied
    journal: Journal
    state: Path
    guests: dict[str, Guest]
    points: list[Point]
    seeded: random.Random
    killed: Counter[Point] = field(default_factory=Counter)
    drains: int = 0

    def drain(self, source: str, target: str) -> str:
        """Drain a host, killed as often as points can be reached; return the run."""
        self.drains += 1
        scene = self._scene(source)
        drain = {"hypervisor": source, "target": target, "reason": "proof", "max_parallel": 2}
        run, unfinished = "", 0
        while True:
            point = self._next(run, scene)
            reached = point.arm(scene) if point else None
            if run:
                victim = self.operator.start("run.resume", run=run)
            else:
                victim = self.operator.start("hypervisor.drain", **drain)
            if point and reached and reached(victim) and self._kill(victim, scene, point):
                run = self._run_after(victim, point)
            else:
                scene.proxy.clear_faults()
                ended = victim.end()
                assert ended.kind in ("done", "interrupted"), (SEED, str(point), str(ended))
                run, unfinished = ended.run, unfinished + (ended.kind != "done")
            if run and self.journal.run(run).state == "succeeded":
                self._assert_done(run, scene, target)
                return run
            assert unfinished < _RESUMES, (SEED, run)

    def _scene(self, source: str) -> Scene:
        since = self.site.newest_migration()
        return Scene(
            self.site, self.proxied.proxy, self.state, self.guests, source, since, self.seeded
        )

    def _next(self, run: str, scene: Scene) -> Point | None:
        """Take a point that the coming process can reach, of those that it reaches first."""
        steps = self.journal.steps(run) if run else []
        self.seeded.shuffle(self.points)
        self.points.sort(key=lambda point: ROLES.index(point.role) if point.role else -1)
        for point in self.points:
            if self._is_reachable(point, run, steps, scene):
                self.points.remove(point)
                return point
        return None

    def _is_reachable(self, point: Point, run: str, steps: list[StepRecord], scene: Scene) -> bool:
        if point.kind == "planning":
            return not run
        if point.kind == "looked up":
            return any(step.state in ("running", "unknown") for step in steps)
        if not run:
            # The plan of a drain reads what the check at its end reads.
            return point != Point("unjournalled", "verify")
        key = scene.step_of(point.role)
        return any(step.state == "pending" and key in step.key for step in steps)

    def _kill(self, victim: Started, scene: Scene, point: Point) -> bool:
        """Kill the victim where it is; False if it had ended by itself."""
        with scene.after:
            killed = victim.kill()
        scene.proxy.clear_faults()
        self.killed[point] += killed
        return killed

    def _run_after(self, victim: Started, point: Point) -> str:
        """Return the run to go on with; none if the victim was killed while it planned."""
        if point.kind != "planning":
            return victim.run
        (dead,) = self.journal.recent(limit=1)
        self.operator.run("run.resume", run=dead.id)
        assert self.journal.run(dead.id).state == "cancelled"
        return ""

    def _assert_done(self, run: str, scene: Scene, target: str) -> None:
        """What was asked for has happened, each part of it once, and nothing else is left."""
        told = (SEED, run)
        for role in MOVES:
            guest = self.guests[role]
            moves = [(m["status"], m["dest_compute"]) for m in self._moves(scene, guest)]
            over = "confirmed" if role == "cold" else "completed"
            assert moves == [(over, target)], (told, role, guest, moves)
            server = self.site.server(guest)
            assert server["status"] == ("SHUTOFF" if role == "cold" else "ACTIVE"), told
            assert server["OS-EXT-SRV-ATTR:host"] == target, told
        assert self.site.names_on(scene.source) == set(), told
        service = self.site.service(scene.source)
        assert (service["status"], service["disabled_reason"]) == ("disabled", "proof"), told
        assert self.journal.claims_of(run) == [], told
        assert not [r.id for r in self.journal.recent(limit=100) if r.alive], told
        assert {step.state for step in self.journal.steps(run)} == {"done"}, told

    def _moves(self, scene: Scene, guest: Guest) -> list[dict[str, str]]:
        return self.site.migrations(scene.since, guest)


@pytest.mark.crash
@pytest.mark.usefixtures("hasty")
def test_killed_anywhere_and_resumed(
    site: Site, proxied: Proxied, capsys: pytest.CaptureFixture[str]
) -> None:
    seeded, started = random.Random(SEED), time.monotonic()
    guests = dict(zip(MOVES, site.boot(len(MOVES)), strict=True))
    site.act(guests["cold"], "os-stop", "SHUTOFF")
    url = proxied.operator.config["state_url"]
    store = Store(url)
    points = some_points(seeded) if KILLS <= 6 else every_point()
    campaign = Campaign(
        site,
        proxied.operator,
        proxied,
        Journal(store),
        Path(url.removeprefix("sqlite:///")),
        guests,
        points,
        seeded,
    )
    source, target = site.source, site.other

    while campaign.points or campaign.killed.total() < KILLS:
        if not campaign.points:
            campaign.points = seeded.sample(every_point(), KILLS - campaign.killed.total())
        campaign.drain(source, target)
        site.enable(source)
        source, target = target, source

    kinds = Counter(point.kind for point in campaign.killed.elements())
    accepted = sum(n for point, n in campaign.killed.items() if point.kind == "unheard")
    with capsys.disabled():
        print(
            f"\n{campaign.killed.total()} kills in {campaign.drains} drains, seed {SEED}, "
            f"{time.monotonic() - started:.0f} s: "
            + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        )
    assert campaign.killed.total() >= KILLS
    assert accepted >= (10 if KILLS > 6 else 1), "too few changes were made and not answered"
    store.close()
