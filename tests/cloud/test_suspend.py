"""A process that was suspended past its lease and comes back sends nothing more."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.journal import Journal
from state.store import Store
from support.cloud_operator import Operator, Started
from support.cloud_proxied import Proxied
from support.cloud_site import Guest, Site
from support.proxy import CloudProxy, Fault, Hold, Match

pytestmark = pytest.mark.usefixtures("hasty")

# Not the listing of unconfirmed migrations, by which a plan knows what holds a hypervisor.
_POLLS = Match("compute", "GET", "/os-migrations(?!.*status=finished)")
_MOVES = Match("compute", "POST", "/action$", "os-migrateLive")
#: What was sent at the moment of the stop may reach the proxy so much later.
_ON_ITS_WAY = 0.5


@dataclass
class Scene:
    """A drain of two servers, one after the other, that is going to be suspended."""

    site: Site
    proxy: CloudProxy
    operator: Operator
    journal: Journal
    state: Path
    guests: list[Guest]

    def start(self) -> Started:
        return self.operator.start(
            "hypervisor.drain",
            hypervisor=self.site.source,
            target=self.site.other,
            reason="proof",
            max_parallel=1,
        )

    def suspend(self, started: Started) -> float:
        """Suspend the process, at a moment when it does not keep everybody from writing."""
        while True:
            started.suspend()
            with closing(sqlite3.connect(self.state, timeout=0.2, isolation_level=None)) as other:
                try:
                    other.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    started.go_on()
                    time.sleep(0.01)
                else:
                    return time.monotonic()

    def assert_silent(self, started: Started, since: int, suspended: float) -> None:
        """Go on elsewhere, let the first process come back, and see that it sends nothing more."""
        run = started.run
        self.operator.done("run.resume", run=run)
        back = time.monotonic()
        self.proxy.clear_faults()
        started.go_on()
        ended = started.end()

        attempts = self.journal.attempts(run)
        assert len({attempt.generation for attempt in attempts}) > 1
        own = {f"req-{attempt.id}" for attempt in attempts if attempt.generation == 1}
        sent = [r for r in self.proxy.changes() if r.global_request_id in own]
        assert [r for r in sent if r.started > suspended + _ON_ITS_WAY] == []
        assert [r for r in self.proxy.changes() if r.started > back] == []
        assert ended.kind == "interrupted", ended
        assert "lease" in ended.summary
        for guest in self.guests:
            moves = self.site.migrations(since, guest)
            assert [move["status"] for move in moves] == ["completed"], (guest, moves)
        assert self.site.names_on(self.site.source) == set()
        assert self.journal.run(run).state == "succeeded"
        assert self.journal.claims_of(run) == []


@pytest.fixture
def scene(site: Site, proxied: Proxied) -> Scene:
    """Two servers on the source host."""
    url = proxied.operator.config["state_url"]
    state = Path(url.removeprefix("sqlite:///"))
    guests = site.boot(2)
    return Scene(site, proxied.proxy, proxied.operator, Journal(Store(url)), state, guests)


def _before_the_request(proxy: CloudProxy) -> Fault:
    """The step is journalled and asks for the newest record, right before it sends its change."""
    return proxy.fault(_POLLS, Hold("answer"))


def _after_the_request(proxy: CloudProxy) -> Fault:
    """Nova has accepted the change, and its answer is on its way."""
    return proxy.fault(_MOVES, Hold("answer"))


def _while_polling(proxy: CloudProxy) -> Fault:
    """The migration is under way."""
    return proxy.fault(_POLLS, Hold("answer"), skip=1)


@pytest.mark.parametrize("moment", [_before_the_request, _after_the_request, _while_polling])
def test_suspended_at(moment: Callable[[CloudProxy], Fault], scene: Scene) -> None:
    since = scene.site.newest_migration()
    caught = moment(scene.proxy)
    started = scene.start()
    caught.wait_reached(60)

    scene.assert_silent(started, since, scene.suspend(started))


def test_suspended_at_any_moment(scene: Scene) -> None:
    since = scene.site.newest_migration()
    started = scene.start()
    started.wait_line("^start ")
    time.sleep(random.uniform(0.0, 1.5))

    scene.assert_silent(started, since, scene.suspend(started))
