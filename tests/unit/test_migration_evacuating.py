"""Evacuating one server: the step and its look-up, against evacuations that take their course."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from accounts.config import load
from migration.evacuating import evacuate_server, evacuation, lost_with_it, priority
from query_api.lookups.compute_types import Flavor, Server
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.fake_cloud_estate import Server as FakeServer
from support.fake_cloud_runs import Clock, FakeAttempt, look_up, perform
from support.moves import World, down
from workflow_api import Plan, StepFailed, UnknownOutcome
from workflow_api.planned import PlannedStep


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, no_back_off: None) -> Iterator[World]:
    clock = Clock()
    clock.rule(monkeypatch)
    hosts = [Hypervisor("cmp-1", state="down"), Hypervisor("cmp-2"), Hypervisor("cmp-3")]
    with FakeCloud(hosts, [FakeServer("a"), FakeServer("b", "cmp-2")], now=clock.monotonic) as fake:
        yield World(fake, clock)


def planned(world: World, **more: Any) -> PlannedStep:
    plan = Plan("Evacuate")
    about = {"server": world.server.id, "name": "a", "size": "small", "source": "cmp-1"}
    plan.add(evacuate_server, **about, **more)
    (step,) = plan.steps()
    return step


class Ending(NamedTuple):
    """What happens after an evacuation is asked for, and what the step says of it."""

    id: str
    happens: Callable[[World], object]
    error: type[Exception] | None
    words: str


ENDINGS = [
    Ending("it is rebuilt", lambda w: None, None, "now on cmp-2"),
    Ending("it is rebuilt late", lambda w: w.course(ends_after=400), None, "now on cmp-2"),
    Ending("it was in ERROR", lambda w: setattr(w.server, "status", "ERROR"), None, "now on"),
    Ending("the record comes late", lambda w: w.course(record_after=5, ends_after=9), None, "on"),
    Ending("no host takes it", lambda w: (down(w, "cmp-2"), down(w, "cmp-3")), StepFailed,
           "No valid host was found"),
    Ending("the new host fails it", lambda w: w.course(ends="failed", why="no such image"),
           StepFailed, "no such image"),
    Ending("it never ends", lambda w: w.course(ends_after=None), UnknownOutcome,
           "It has not ended within 10m: its migration is at 'pre-migrating'."),
    Ending("the new host dies", lambda w: (w.course(ends_after=None),
           w.later(3, lambda: down(w, "cmp-2"))), UnknownOutcome, "nova-compute on cmp-2 went"),
    Ending("somebody has evacuated it already", lambda w: setattr(w.server, "host", "cmp-3"),
           None, "found on cmp-3"),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.id)
def test_how_it_ends(world: World, ending: Ending) -> None:
    ending.happens(world)
    if ending.error:
        with pytest.raises(ending.error, match=ending.words):
            perform(planned(world), world.cloud, world.attempt)
        return
    result = perform(planned(world), world.cloud, world.attempt)
    assert ending.words in result["said"]
    assert world.server.status == "ACTIVE"
    assert len(world.fake.changes) == (ending.id != "somebody has evacuated it already")


def test_a_target_is_told(world: World) -> None:
    result = perform(planned(world, target="cmp-3"), world.cloud, world.attempt)
    assert (result["to"], world.server.host) == ("cmp-3", "cmp-3")


def test_one_that_nova_rebuilds_already_is_followed_and_not_asked_for_again(world: World) -> None:
    world.fake.nova.evacuations.evacuate(world.server, {})
    result = perform(planned(world), world.cloud, world.attempt)
    assert result["to"] == "cmp-2"
    assert world.fake.changes == []
    assert len(world.fake.migrations) == 1


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("after", [0, 30])
def test_a_lost_answer_is_looked_up(world: World, arrived: bool, after: float) -> None:
    step = planned(world)
    world.fake.fail("POST .*/action", cut=True, late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, world.cloud, world.attempt)
    world.clock.wait(after)
    found = look_up(step, world.cloud, world.attempt)
    assert (found is not None) is arrived
    if found is None:
        perform(step, world.cloud, world.attempt)
    assert world.server.host == "cmp-2"
    assert len(world.fake.migrations) == 1


def test_it_is_cut_off_at_every_wait_and_rebuilt_once(world: World) -> None:
    class Cut(Exception):
        pass

    def cut_at(count: int) -> Callable[..., None]:
        left = [count]

        def wait(seconds: float, *, between: bool = False) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Cut
            world.clock.wait(seconds)

        return wait

    waits, ended = 0, False
    while not ended:
        waits += 1
        world.server.host, world.server.status, world.server.task = "cmp-1", "ACTIVE", None
        world.fake.migrations.clear()
        attempt = FakeAttempt(cut_at(waits))
        step = planned(world)
        try:
            perform(step, world.cloud, attempt)
            ended = True
        except Cut:
            attempt.wait = world.clock.wait
            assert look_up(step, world.cloud, attempt)["to"] == "cmp-2"
        assert len(world.fake.migrations) == 1
    assert waits > 1


# -- which can be ------------------------------------------------------------------------------

CONFIG = load({"protected": {"tag": "hands off"}})
SHARED = load({"evacuation": {"shared_storage": True}})
VOLUME = Server("1", "a", status="ACTIVE", image="")
LOCAL = Server("1", "a", status="ACTIVE", image={"id": "image-1"})


def why(server: Server, **more: Any) -> str:
    asked = {"config": CONFIG, "under_way": set(), "rebuild_local": False, **more}
    return evacuation(server, **asked).why


def changed(server: Server, **facts: Any) -> Server:
    return Server(**{**{name: getattr(server, name) for name in server.__struct_fields__}, **facts})


def test_which_servers_can_be_evacuated() -> None:
    assert why(VOLUME) == ""
    assert "rebuilt from its image without its data" in why(LOCAL)
    assert why(LOCAL, rebuild_local=True) == ""
    assert why(LOCAL, config=SHARED) == ""
    assert why(changed(VOLUME, locked=True)) == ""
    assert "protected by the tag" in why(changed(VOLUME, tags=["hands off"]))
    for status in ("SHUTOFF", "ERROR"):
        assert why(changed(VOLUME, status=status)) == ""
    for status in ("PAUSED", "SUSPENDED", "RESCUE", "VERIFY_RESIZE", "MIGRATING", "SOFT_DELETED"):
        assert why(changed(VOLUME, status=status)) != ""
    assert "no server that is PASSWORD" in why(changed(VOLUME, status="PASSWORD"))
    assert why(changed(VOLUME, task_state="powering-off")) == "", "Nova minds no task of a dead one"
    rebuilding = changed(VOLUME, task_state="rebuilding")
    assert why(rebuilding, under_way={"1"}) == "it is being evacuated already"
    assert why(rebuilding) == "", "it was being rebuilt when its host died"


@pytest.mark.parametrize(
    ("value", "number"), [("10", 10), ("-1", -1), ("2.5", 2.5), ("high", 0), ("nan", 0), ("", 0)]
)
def test_priorities(value: str, number: float) -> None:
    assert priority(changed(VOLUME, metadata={"p": value}), "p") == number
    assert priority(VOLUME, "p") == 0


def test_what_is_lost_with_the_host() -> None:
    assert lost_with_it(VOLUME) == ""
    flavor = Flavor(ephemeral=10, swap=512)
    assert lost_with_it(changed(LOCAL, flavor=flavor)) == "a (root disk, ephemeral disk, swap)"
