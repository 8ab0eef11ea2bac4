"""Following migrations by their own records: one listing for all who wait."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts import repeating
from common.errors import Interrupted
from query_api.lookups import migration_watch
from query_api.lookups.compute_types import Migration
from query_api.lookups.migration_watch import MigrationWatch, Watches
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import Clock
from workflow_api import CloudError

LISTING = "GET .*/os-migrations"
MANY = 8


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
    servers = [Server(f"s{number}") for number in range(MANY)]
    with FakeCloud(hosts, servers, now=clock.monotonic) as fake:
        yield fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, no_back_off: None) -> Clock:
    clock = Clock()
    clock.rule(monkeypatch)
    return clock


@pytest.fixture
def watch(fake: FakeCloud) -> MigrationWatch:
    return MigrationWatch(fake.account(), "cmp-1")


def begin(fake: FakeCloud, *numbers: int) -> None:
    for number in numbers:
        fake.nova.migrate(fake.servers[number], "live-migration", {})


def at_once(ask: Callable[[int], Migration | None]) -> list[Migration | None]:
    """Ask for every server, each in a thread of its own, all together."""
    ready = threading.Barrier(MANY)

    def wait_and_ask(number: int) -> Migration | None:
        ready.wait()
        return ask(number)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(wait_and_ask, range(MANY)))


def test_one_listing_serves_all_who_wait(
    fake: FakeCloud, watch: MigrationWatch, clock: Clock
) -> None:
    begin(fake, *range(MANY))
    clock.wait(1)
    found = at_once(
        lambda number: watch.next_look(fake.servers[number].id, 0, lambda seconds: None)
    )
    assert [record and record.id for record in found] == list(range(1, MANY + 1))
    assert fake.count(LISTING) == 1


def test_a_listing_that_fails_serves_all_who_wait(fake: FakeCloud, watch: MigrationWatch) -> None:
    fake.fail(LISTING, 503, times=math.inf)
    assert at_once(lambda number: watch.next_look(f"{number}", 0, lambda s: None)) == [None] * MANY
    assert fake.count(LISTING) == repeating._TRIES


def test_all_starts_of_one_moment_share_a_listing(
    fake: FakeCloud, watch: MigrationWatch, clock: Clock
) -> None:
    begin(fake, 3, 3)
    assert [watch.newest_id(server.id) for server in fake.servers] == [0, 0, 0, 2, 0, 0, 0, 0]
    assert fake.count(LISTING) == 1
    clock.wait(1.5)
    begin(fake, 0)
    assert watch.newest_id(fake.servers[0].id) == 3
    assert fake.count(LISTING) == 2


@pytest.mark.long
def test_looks_are_frequent_at_first_and_rarer_later(
    fake: FakeCloud, watch: MigrationWatch, clock: Clock
) -> None:
    watch.newest_id("x")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(round(seconds, 3))
        clock.wait(seconds)

    while clock.now < 1300:
        watch.next_look("x", 0, wait)
    assert waits[0] == 1.0
    assert waits == sorted(waits)
    assert waits[-1] == 5.0
    assert fake.count(LISTING) < 130
    watch.newest_id("y")
    watch.next_look("x", 0, wait)
    watch.next_look("x", 0, wait)
    assert waits[-1] == 1.0, "a new start is looked at closely again"


def test_only_a_newer_record_counts(fake: FakeCloud, watch: MigrationWatch, clock: Clock) -> None:
    server = fake.servers[0].id
    begin(fake, 0)
    assert watch.next_look(server, 1, clock.wait) is None
    begin(fake, 0, 0, 1)
    found = watch.next_look(server, 1, clock.wait)
    assert found is not None
    assert found.id == 3, "the newest of its own"


def test_a_record_that_newer_ones_pushed_out_is_asked_for_by_server(
    fake: FakeCloud, watch: MigrationWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_watch, "_NEWEST", 2)
    begin(fake, 0, 1, 2, 3)
    assert watch.newest_id(fake.servers[3].id) == 4
    assert fake.count(LISTING) == 1
    assert watch.newest_id(fake.servers[0].id) == 3, "it has none that is newer than the oldest"
    assert fake.count(LISTING) == 1
    assert watch.next_look(fake.servers[0].id, 3, clock.wait) is None
    begin(fake, 0, 1, 2)
    found = watch.next_look(fake.servers[0].id, 3, clock.wait)
    assert found is not None
    assert found.id == 5
    assert [r.query.get("instance_uuid") for r in fake.asked(LISTING)][-2:] == [
        None,
        fake.servers[0].id,
    ]


@pytest.mark.parametrize("page", [1, 2])
def test_a_nova_with_short_pages_hides_no_record(
    page: int, fake: FakeCloud, watch: MigrationWatch
) -> None:
    begin(fake, 0, 1, 2, 3)
    fake.page = page
    assert watch.newest_id(fake.servers[0].id) == 1


def test_an_outage_is_waited_out(fake: FakeCloud, watch: MigrationWatch, clock: Clock) -> None:
    server = fake.servers[0].id
    begin(fake, 0)
    for fault in ({"status": 503}, {"status": 429}, {"cut": True}, {"half": True}):
        # More than one look asks for, however patient it is.
        fake.fail(LISTING, **fault, times=1000)
        before = clock.now
        assert watch.next_look(server, 0, clock.wait) is None
        fake.faults.clear()
        assert watch.next_look(server, 0, clock.wait) is not None
        assert clock.now > before, "not asked again without a pause"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_none_to_wait_for(status: int, fake: FakeCloud, watch: MigrationWatch) -> None:
    fake.fail(LISTING, status, times=2)
    with pytest.raises(CloudError) as refused:
        watch.next_look("x", 0, lambda seconds: None)
    assert refused.value.status == status


def test_what_is_newest_is_not_guessed_in_an_outage(
    fake: FakeCloud, watch: MigrationWatch, clock: Clock
) -> None:
    begin(fake, 0)
    fake.fail(LISTING, 503, times=repeating._TRIES)
    with pytest.raises(CloudError):
        watch.newest_id(fake.servers[0].id)
    clock.wait(0.1)
    assert watch.newest_id(fake.servers[0].id) == 1, "an old failure is not told again"


def test_whoever_has_to_leave_leaves_while_waiting(watch: MigrationWatch) -> None:
    def leave(seconds: float) -> None:
        raise Interrupted("now")

    with pytest.raises(Interrupted):
        watch.next_look("x", 0, leave)


def test_there_is_one_watch_a_host(fake: FakeCloud) -> None:
    cloud = fake.account()
    assert cloud.shared(Watches).off("cmp-1") is cloud.shared(Watches).off("cmp-1")
    assert cloud.shared(Watches).off("cmp-1") is not cloud.shared(Watches).off("cmp-2")
