"""Moves whose records do not tell the truth: never ended, ended too soon, or waiting for us."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import Clock, drawn, finish, look_up, perform
from support.moves import World, down, idle, lost
from workflow_api import Begun, CloudError, StepFailed, UnknownOutcome
from workflows.hypervisor import draining  # noqa: F401 - it registers the drain


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, no_back_off: None) -> Iterator[World]:
    clock = Clock()
    clock.rule(monkeypatch)
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2"), Hypervisor("cmp-3")]
    with FakeCloud(hosts, [Server("a"), Server("b", "cmp-2")], now=clock.monotonic) as fake:
        yield World(fake, clock)


def up(world: World, name: str) -> None:
    next(host for host in world.fake.hypervisors if host.name == name).state = "up"


def arrive(world: World, host: str = "cmp-2") -> None:
    """Let the server be settled on a host; the record of its migration stays as it is."""
    world.fake.nova.advance()
    world.server.host = host
    idle(world)


def left_for_good(world: World, host: str = "cmp-2") -> Any:
    """Lose a move's answer and let its record never end, while the server is settled."""
    world.course(ends_after=None)
    step = lost(world)
    world.clock.wait(30)
    arrive(world, host)
    return step


# -- records that never end --------------------------------------------------------------------


def test_a_look_up_believes_a_settled_server(world: World) -> None:
    step, began = left_for_good(world), world.clock.now
    found = look_up(step, world.cloud, world.attempt)
    assert (found["to"], found["said"]) == (
        "cmp-2",
        "found on cmp-2 (Nova left its migration 1 at 'running')",
    )
    assert world.clock.now - began < 12


@pytest.mark.long
def test_a_look_up_says_what_it_sees(world: World) -> None:
    world.course(ends_after=60)
    step = lost(world)
    began = world.clock.now
    assert look_up(step, world.cloud, world.attempt)["to"] == "cmp-2"
    took = world.clock.now - began
    sees = "looking at a: its migration is at 'running', and it is MIGRATING on cmp-1, migrating"
    assert world.attempt.said.count(sees) >= took / 7
    assert len(world.attempt.said) <= took / 4


def test_a_server_that_is_back_where_it_was_has_not_moved(world: World) -> None:
    step = left_for_good(world, "cmp-1")
    with pytest.raises(StepFailed, match="left its migration 1 at 'running', and it is ACTIVE on"):
        look_up(step, world.cloud, world.attempt)


def test_a_server_that_is_in_error_has_not_arrived(world: World) -> None:
    step = left_for_good(world)
    world.server.status = "ERROR"
    with pytest.raises(StepFailed, match="at 'running', and it is ERROR on cmp-2"):
        look_up(step, world.cloud, world.attempt)


def test_nothing_is_believed_while_a_service_is_down(world: World) -> None:
    step = left_for_good(world)
    down(world, "cmp-1")
    with pytest.raises(UnknownOutcome, match="nova-compute on cmp-1 went down"):
        look_up(step, world.cloud, world.attempt)
    up(world, "cmp-1")
    assert look_up(step, world.cloud, world.attempt)["to"] == "cmp-2"


@pytest.mark.long
def test_a_server_under_way_is_not_settled(world: World) -> None:
    world.course(ends_after=None)
    step = lost(world)
    with pytest.raises(UnknownOutcome, match="It has not ended within 2m"):
        look_up(step, world.cloud, world.attempt)


@pytest.mark.long
def test_the_attempt_itself_doubts_a_record_without_news(world: World) -> None:
    world.course(ends_after=None)
    world.later(40, lambda: arrive(world))
    began = world.clock.now
    assert "left its migration" in world.move()["said"]
    assert 45 <= world.clock.now - began <= 60
    assert world.attempt.said == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda world: down(world, "cmp-1"), "nova-compute on cmp-1 went down"),
        (lambda world: world.fake.fail("os-hypervisors", 503, times=math.inf), "not ended within"),
    ],
    ids=["it is down", "nobody tells"],
)
def test_nor_is_the_server_believed_unless_its_services_are_known_to_be_up(
    world: World, happens: Callable[[World], Any], said: str
) -> None:
    """They are looked at seldom: what befell them since counts as well."""
    world.course(ends_after=None)
    world.later(41, lambda: arrive(world))
    world.later(42, lambda: happens(world))
    with pytest.raises(UnknownOutcome, match=said):
        world.move()


@pytest.mark.long
def test_a_server_without_a_record_is_not_looked_at_for_ever(world: World) -> None:
    world.course(record_after=None, ends_after=None)
    step = lost(world)
    with pytest.raises(UnknownOutcome, match="MIGRATING on cmp-1, migrating for 2m"):
        look_up(step, world.cloud, world.attempt)


# -- records that end too soon -----------------------------------------------------------------


def moved_by_the_record(world: World) -> Any:
    """Move a server of which only the record says that it has arrived; return the last check."""
    move, verify = drawn(world.cloud, "server.migrate", server="a").steps()
    world.fake.hooks.append(lambda request: stay(world))
    assert perform(move, world.cloud, world.attempt)["said"] == "now on cmp-2"
    return verify


def stay(world: World) -> None:
    world.server.host = "cmp-1"


def test_a_server_that_its_record_alone_has_moved_fails_the_check(world: World) -> None:
    verify = moved_by_the_record(world)
    with pytest.raises(StepFailed, match=r"a is still on cmp-1 \(ACTIVE\), though its migration"):
        perform(verify, world.cloud, world.attempt)


def test_a_cold_move_is_done_when_the_server_is_elsewhere_whatever_its_record_says(
    world: World,
) -> None:
    def late(request: Any) -> None:
        if world.fake.migrations[-1].status == "confirmed":
            stay(world)

    step = world.planned("cold")
    world.later(1, lambda: world.fake.hooks.append(late))
    world.later(20, lambda: (world.fake.hooks.clear(), arrive(world)))
    began = world.clock.now
    assert perform(step, world.cloud, world.attempt)["to"] == "cmp-2"
    assert world.clock.now - began >= 20


@pytest.mark.long
def test_one_that_is_still_migrating_has_a_while_to_arrive(world: World) -> None:
    verify = moved_by_the_record(world)
    world.server.status, world.server.task = "MIGRATING", "migrating"
    world.later(20, lambda: (world.fake.hooks.clear(), arrive(world)))
    assert perform(verify, world.cloud, world.attempt) == {"said": "1 server looked at"}


@pytest.mark.long
def test_and_fails_the_check_if_it_does_not(world: World) -> None:
    verify = moved_by_the_record(world)
    world.server.status, world.server.task = "MIGRATING", "migrating"
    with pytest.raises(StepFailed, match=r"still on cmp-1 \(MIGRATING, migrating\)"):
        perform(verify, world.cloud, world.attempt)


@pytest.mark.long
def test_nor_is_one_done_that_still_migrates_on_its_target(world: World) -> None:
    move, verify = drawn(world.cloud, "server.migrate", server="a").steps()
    perform(move, world.cloud, world.attempt)
    world.server.status, world.server.task = "MIGRATING", "migrating"
    with pytest.raises(StepFailed, match=r"not settled on cmp-2 \(MIGRATING, migrating\)"):
        perform(verify, world.cloud, world.attempt)


def test_all_are_compared_in_as_many_requests_as_one(world: World) -> None:
    world.fake.servers += [Server(f"more-{number}") for number in range(20)]
    *_, verify, _ = drawn(
        world.cloud, "hypervisor.drain", hypervisor="cmp-1", reason="proof"
    ).steps()
    for server in world.fake.servers:
        server.host = "cmp-2"
    before = world.fake.count()
    assert perform(verify, world.cloud, world.attempt)["said"] == "21 servers looked at"
    assert world.fake.count() - before == 3, "in ERROR, on the source, MIGRATING"


# -- what waits for its confirmation -----------------------------------------------------------


def begun(world: World) -> Any:
    """Lose a cold migration's answer and let it come to wait for us."""
    step = lost(world, "cold")
    world.clock.wait(10)
    assert isinstance(look_up(step, world.cloud, world.attempt), Begun)
    return step


def test_finishing_confirms_it(world: World) -> None:
    step = begun(world)
    assert finish(step, world.cloud, world.attempt)["to"] == "cmp-2"
    assert world.posts == ["migrate", "confirmResize"]
    assert world.server.status == "ACTIVE"


def test_one_that_was_reverted_by_hand_has_failed(world: World) -> None:
    step = begun(world)
    world.fake.migrations[-1].status = "reverted"
    arrive(world, "cmp-1")
    with pytest.raises(StepFailed, match="reverted"):
        finish(step, world.cloud, world.attempt)
    assert world.posts == ["migrate"]


def test_one_that_was_confirmed_by_hand_is_not_migrated_again(world: World) -> None:
    step = begun(world)
    world.fake.nova.confirm(world.server)
    assert perform(step, world.cloud, world.attempt)["said"] == "found on cmp-2"
    assert world.posts == ["migrate"]


def test_a_refused_confirmation_is_no_failure_of_the_move(world: World) -> None:
    step = begun(world)
    world.fake.fail("POST .*/action", 403, times=9)
    with pytest.raises((CloudError, UnknownOutcome), match="403"):
        finish(step, world.cloud, world.attempt)
