"""Moving one server: the step and its look-up, against migrations that take their course."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from support.moves import World, busy, down, idle, lost, remove
from workflow_api import Begun, CloudError, RunbookError, StepFailed, UnknownOutcome


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, no_back_off: None) -> Iterator[World]:
    clock = Clock()
    clock.rule(monkeypatch)
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2"), Hypervisor("cmp-3", state="down")]
    with FakeCloud(hosts, [Server("a"), Server("b", "cmp-2")], now=clock.monotonic) as fake:
        yield World(fake, clock)


class Ending(NamedTuple):
    """What happens after a move is asked for, and what the step says of it."""

    id: str
    happens: Callable[[World], None]
    how: str
    error: type[Exception] | None
    words: str
    within: tuple[float, float]


REFUSED = "It cannot be followed: Cloud fake: asking compute for /os-migrations: 403"
ENDINGS = [
    Ending("live", lambda w: None, "live", None, "now on cmp-2", (2, 4)),
    Ending("cold, confirmed", lambda w: None, "cold", None, "now on cmp-2", (2, 5)),
    Ending("cold, long in coming", lambda w: w.course(ends_after=400), "cold", None,
           "now on cmp-2", (400, 420)),
    Ending("the record comes late", lambda w: w.course(record_after=5, ends_after=9), "live",
           None, "now on cmp-2", (9, 12)),
    Ending("an old record of success is not taken for it",
           lambda w: (w.moved_before(), w.course(record_after=3, ends="error", why="no RAM")),
           "live", StepFailed, "no RAM", (2, 5)),
    Ending("nor is one of failure",
           lambda w: (w.moved_before(ends="error", why="long ago"), w.course(record_after=3)),
           "live", None, "now on cmp-2", (3, 5)),
    Ending("the compute fails it", lambda w: w.course(ends="error", why="disk is full"), "live",
           StepFailed, "disk is full", (2, 4)),
    Ending("it is cancelled", lambda w: w.course(ends="cancelled"), "live", StepFailed,
           "cancelled", (2, 4)),
    Ending("cold, reverted by its owner", lambda w: w.course(ends="reverted"), "cold", StepFailed,
           "reverted", (2, 4)),
    Ending("no host takes it", lambda w: down(w, "cmp-2"), "live",
           StepFailed, "No valid host was found", (0, 4)),
    Ending("Nova confirms it by itself before us", lambda w: w.fake.hooks.append(
           lambda request: w.fake.nova.confirm(w.server) if "confirmResize" in str(request.body)
           else None), "cold", None, "now on cmp-2", (2, 5)),
    Ending("the server is deleted while it is moved",
           lambda w: w.later(1, lambda: remove(w)), "cold", StepFailed,
           "The server was deleted meanwhile.", (1, 4)),
    Ending("it never ends", lambda w: w.course(ends_after=None), "live", UnknownOutcome,
           "It has not ended within 2m: its migration is at 'running'.", (120, 130)),
    Ending("it is accepted and nothing begins",
           lambda w: (w.course(record_after=None, ends_after=None),
                      w.later(1, lambda: idle(w))), "live", StepFailed,
           "Nova accepted the request and began no migration within 1m; the server is still on "
           "cmp-1.", (60, 66)),
    Ending("it is accepted, and Nova is busy with it without a record",
           lambda w: w.course(record_after=None, ends_after=None), "live", UnknownOutcome,
           "It has not ended within 2m: no record of it was found.", (120, 130)),
    Ending("the source dies", lambda w: (w.course(ends_after=None),
           w.later(3, lambda: down(w, "cmp-1"))), "live", UnknownOutcome,
           "nova-compute on cmp-1 went down while it was moved", (10, 22)),
    Ending("the destination dies", lambda w: (w.course(ends_after=None),
           w.later(3, lambda: down(w, "cmp-2"))), "cold", UnknownOutcome,
           "nova-compute on cmp-2 went down while it was moved", (10, 22)),
    Ending("a host that has no part in it is down", lambda w: w.course(ends_after=30), "live",
           None, "now on cmp-2", (30, 36)),
    Ending("its owner suspends it at once",
           lambda w: w.later(1, lambda: w.fake.nova.before.update({w.server.id: "SUSPENDED"})),
           "live", None, "now on cmp-2", (2, 6)),
    Ending("it arrives in ERROR",
           lambda w: w.later(1, lambda: w.fake.nova.before.update({w.server.id: "ERROR"})),
           "cold", StepFailed, "It is on cmp-2 now, in ERROR", (2, 6)),
    Ending("services are busy while it is followed",
           lambda w: w.later(0, lambda: busy(w)), "live", None, "now on cmp-2", (2, 8)),
    Ending("and connections are cut", lambda w: w.later(1, lambda: w.fake.fail(
           "os-migrations", cut=True, times=9)) or w.later(1, lambda: w.fake.fail(
               "GET .*/servers/", half=True, times=5)), "cold", None, "now on cmp-2", (2, 9)),
    Ending("the right to look is taken away", lambda w: w.later(1, lambda: w.fake.fail(
           "os-migrations", 403, times=math.inf)), "live", UnknownOutcome, REFUSED, (1, 4)),
    Ending("the right to look at the server is taken away", lambda w: w.later(1, lambda:
           w.fake.fail("GET .*/servers/", 403, times=math.inf)), "cold", UnknownOutcome,
           "It cannot be followed", (1, 6)),
    Ending("the request is refused", lambda w: w.fake.fail("POST .*/action", 409, body={
           "conflictingRequest": {"message": "It is busy."}}), "live", CloudError,
           "live-migrating", (0, 1)),
    Ending("the request is answered by a failing service",
           lambda w: w.fake.fail("POST .*/action", 500), "live", UnknownOutcome, "500", (0, 1)),
    Ending("the answer is lost", lambda w: w.fake.fail("POST .*/action", cut=True, late=True),
           "live", UnknownOutcome, "whether it was done is not known", (0, 1)),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("case", ENDINGS, ids=[case.id for case in ENDINGS])
def test_how_a_move_ends(case: Ending, world: World) -> None:
    step = world.planned(case.how)
    case.happens(world)
    began, found = world.clock.now, None
    try:
        found = perform(step, world.cloud, world.attempt)
        said, error = found["said"], None
    except RunbookError as raised:
        said, error = str(raised), type(raised)
    took = world.clock.now - began
    assert (error, case.words in said) == (case.error, True), said
    assert case.within[0] <= took <= case.within[1], f"it took {took}"
    if found:
        assert (found["from"], found["to"], found["how"]) == ("cmp-1", "cmp-2", case.how)
        assert found["took"] == pytest.approx(took, abs=0.1)
        assert world.server.host == "cmp-2"
    assert len([m for m in world.fake.migrations if m.source == "cmp-1"]) <= 1, "asked for once"
    assert world.posts.count("confirmResize") <= 1
    assert "newest_migration" in world.attempt.notes


def test_the_target_is_asked_for(world: World) -> None:
    world.fake.hypervisors[2].state = "up"
    for how in ("live", "cold"):
        world.server.host = "cmp-1"
        asked: Any = {"server": "a", "migration": how, "target": "cmp-3"}
        step, _ = drawn(world.cloud, "server.migrate", **asked).steps()
        assert perform(step, world.cloud, world.attempt)["to"] == "cmp-3"


def test_the_newest_migration_is_noted_before_anything_is_sent(world: World) -> None:
    world.moved_before()
    step = world.planned()
    world.fake.fail("POST .*/action", 409)
    with pytest.raises(CloudError):
        perform(step, world.cloud, world.attempt)
    assert world.attempt.notes == {"newest_migration": 1}


def test_a_refusal_because_it_is_moved_already_is_looked_into(world: World) -> None:
    """An earlier request of ours, given up when no answer came, has arrived after all."""
    step = world.planned()
    world.server.status, world.server.task = "MIGRATING", "migrating"
    world.fake.fail("POST .*/action", 409)
    with pytest.raises(UnknownOutcome, match="It may be on its way already"):
        perform(step, world.cloud, world.attempt)


# -- the look-up -------------------------------------------------------------------------------


def test_find_of_what_was_never_sent(world: World) -> None:
    step = world.planned()
    before = world.fake.count()
    assert look_up(step, world.cloud, FakeAttempt(world.clock.wait)) is None
    assert world.fake.count() == before


class Found(NamedTuple):
    """What becomes of a request whose answer was lost, and what its look-up says."""

    id: str
    how: str
    says: str
    within: tuple[float, float]
    course: dict[str, Any] = {}  # noqa: RUF012 - never changed
    meanwhile: Callable[[World], None] = lambda world: None


def confirm(world: World) -> None:
    world.clock.wait(10)
    world.fake.nova.advance()
    world.fake.nova.confirm(world.server)


def forget(world: World) -> None:
    world.clock.wait(10)
    world.fake.nova.advance()
    world.fake.migrations.clear()


WAITS = "it is off cmp-1 and its migration waits to be confirmed"
FOUND = [
    Found("under way", "live", "now on cmp-2", (1, 5)),
    Found("done", "live", "now on cmp-2", (0, 1), meanwhile=lambda world: world.clock.wait(10)),
    Found("failed", "live", "no RAM", (1, 5), {"ends": "error", "why": "no RAM"}),
    Found("the record comes late", "live", "now on cmp-2", (3, 8),
          {"record_after": 2, "ends_after": 4}),
    Found("cold, under way: it goes on from where it awaits us", "cold", WAITS, (1, 5)),
    Found("cold, awaiting us", "cold", WAITS, (0, 1),
          meanwhile=lambda world: world.clock.wait(10)),
    Found("cold, confirmed by Nova itself", "cold", "now on cmp-2", (0, 1), meanwhile=confirm),
    Found("deleted meanwhile", "live", "The server was deleted meanwhile.", (0, 1),
          meanwhile=remove),
    Found("gone elsewhere without a record", "live", "found on cmp-2", (3, 5), meanwhile=forget),
]  # fmt: skip


@pytest.mark.parametrize("case", FOUND, ids=[case.id for case in FOUND])
def test_find_of_what_arrived(case: Found, world: World) -> None:
    world.course(**case.course)
    step = lost(world, case.how)
    case.meanwhile(world)
    began = world.clock.now
    try:
        found = look_up(step, world.cloud, world.attempt)
        said = (found.result if isinstance(found, Begun) else found)["said"]
        assert isinstance(found, Begun) == (case.says == WAITS)
    except StepFailed as failed:
        said = str(failed)
    assert case.says in said
    took = world.clock.now - began
    assert case.within[0] <= took <= case.within[1], f"it took {took}"
    assert world.posts == ["os-migrateLive" if case.how == "live" else "migrate"]


def test_find_of_what_never_arrived(world: World) -> None:
    world.moved_before()
    step = lost(world, arrives=False)
    began = world.clock.now
    assert look_up(step, world.cloud, world.attempt) is None
    assert 3 <= world.clock.now - began <= 5, "it could still be on its way for a while"


def test_a_cold_move_goes_on_where_it_was_left(world: World) -> None:
    step = lost(world, "cold")
    assert isinstance(look_up(step, world.cloud, world.attempt), Begun)
    found = perform(step, world.cloud, world.attempt)
    assert (found["to"], world.posts) == ("cmp-2", ["migrate", "confirmResize"])
    assert len(world.fake.migrations) == 1


def test_a_move_that_was_confirmed_and_not_told_is_found(world: World) -> None:
    step = world.planned("cold")
    world.later(1, lambda: world.fake.fail("POST .*/action", cut=True, late=True))
    with pytest.raises(UnknownOutcome):
        perform(step, world.cloud, world.attempt)
    assert look_up(step, world.cloud, world.attempt)["to"] == "cmp-2"


def test_a_look_up_that_is_refused_says_so(world: World) -> None:
    step = lost(world)
    world.fake.fail("GET .*/servers/", 403, times=math.inf)
    with pytest.raises(RunbookError, match="403"):
        look_up(step, world.cloud, world.attempt)
