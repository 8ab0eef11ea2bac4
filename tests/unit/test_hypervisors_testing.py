"""hypervisor.test against a fake cloud: its phases, what fails, what is cut off, what is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from query_api.lookups import placement
from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import Course, Hypervisor, Server
from support.fake_cloud_http import Request
from support.fake_cloud_power import Power
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, finish, look_up, perform
from support.fake_cloud_volume import Course as VolumeCourse
from workflow_api import Begun, Interrupted, NotFound, Refused, StepFailed, UnknownOutcome
from workflow_api.planned import PlannedStep

SMALL = {"id": "1", "name": "small", "vcpus": 1, "ram": 512, "disk": 5}
LARGE = {"id": "2", "name": "large", "vcpus": 4, "ram": 9000, "disk": 50}
IMAGE = {"id": "image-1", "name": "cirros", "status": "active", "visibility": "public"}
ALL_PHASES = ["boot", "port", "volume", "attach", "detach", "away", "back", "delete"]


@dataclass
class World:
    """Two hypervisors, and whatever a test takes."""

    fake: FakeCloud
    clock: Clock
    devices: FakeDevices
    attempt: FakeAttempt

    def planned(self, **more: Any) -> PlannedStep:
        """Return the one step of a test of cmp-1."""
        asked = {"hypervisors": ["cmp-1"], "live_migrate": True, "within": "1m", **more}
        (step,) = drawn(self.fake.account(), "hypervisor.test", **asked).steps()
        self.attempt.key = step.key
        return step

    def cut(self, pattern: str, number: int, *, late: bool) -> None:
        """Lose the answer to the request of that number whose line contains the pattern."""
        seen = 0

        def lose(request: Request) -> None:
            nonlocal seen
            seen += bool(re.search(pattern, request.line))
            if seen == number - 1:
                self.fake.hooks.remove(lose)
                self.fake.fail(pattern, cut=True, late=late)

        if number == 1:
            self.fake.fail(pattern, cut=True, late=late)
        else:
            self.fake.hooks.append(lose)

    def left(self) -> list[str]:
        """Return what there is of servers, volumes and ports, and an open hypervisor."""
        volumes = [str(volume["name"]) for volume in self.devices.cinder.volumes]
        ports = [str(port["id"]) for port in self.devices.tables.ports]
        opened = sorted(self.fake.placement.opened)
        return [server.name for server in self.fake.servers] + volumes + ports + opened


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, no_back_off: None) -> Iterator[World]:
    clock = Clock()
    clock.rule(monkeypatch)
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
    with FakeCloud(hosts, now=clock.monotonic) as fake:
        devices = fake.part(FakeDevices)
        devices.tables.flavors += [LARGE, SMALL]
        devices.network("only")
        fake.images.append(dict(IMAGE))
        yield World(fake, clock, devices, FakeAttempt(clock.wait))


@pytest.mark.long
def test_a_server_lives_there_and_leaves_nothing(world: World) -> None:
    result = perform(world.planned(), world.fake.account(), world.attempt)
    assert list(result["seconds"]) == ALL_PHASES
    assert result["seconds"]["away"] >= 2
    assert result["said"].startswith("boot ")
    assert world.left() == []
    moves = [(m.source, m.to) for m in world.fake.migrations]
    assert moves == [("cmp-1", "cmp-2"), ("cmp-2", "cmp-1")]


@pytest.mark.parametrize(
    ("options", "phases"),
    [
        ({"live_migrate": False}, ["boot", "port", "volume", "attach", "detach", "delete"]),
        ({"volume": False}, ["boot", "port", "away", "back", "delete"]),
        ({"network": "none"}, ["boot", "volume", "attach", "detach", "away", "back", "delete"]),
    ],
)
def test_phases_are_left_out(world: World, options: dict[str, Any], phases: list[str]) -> None:
    result = perform(world.planned(**options), world.fake.account(), world.attempt)
    assert list(result["seconds"]) == phases
    assert world.left() == []


@pytest.mark.long
def test_a_disabled_hypervisor_lets_only_the_test_in(world: World) -> None:
    parked, _ = world.fake.hypervisors
    parked.status = "disabled"
    seen = []
    world.fake.hooks.append(lambda request: seen.append(set(world.fake.placement.opened)))
    result = perform(world.planned(), world.fake.account(), world.attempt)
    assert list(result["seconds"]) == ALL_PHASES
    assert {parked.id} in seen
    assert placement.DISABLED in placement.traits(world.fake.account(), parked.id).traits
    assert parked.status == "disabled"
    assert world.left() == []


@pytest.mark.long
def test_a_provider_that_changes_meanwhile_is_read_again(world: World) -> None:
    parked, _ = world.fake.hypervisors
    parked.status = "disabled"
    world.fake.fail("PUT /placement", status=409, times=2)
    result = perform(world.planned(), world.fake.account(), world.attempt)
    assert list(result["seconds"]) == ALL_PHASES
    assert world.left() == []


def _birth(world: World) -> None:
    world.fake.nova.lives.birth = Power(ends="ERROR", fault="out of vCPUs")


def _unborn(world: World) -> None:
    world.fake.nova.lives.birth = Power(seconds=None)


def _binding(world: World) -> None:
    world.devices.vif_type = "binding_failed"


def _unbound(world: World) -> None:
    world.devices.vif_type = "unbound"


def _volume(world: World) -> None:
    world.devices.cinder.birth = VolumeCourse(ends="error")


def _course_of_the_server(world: World, **course: Any) -> None:
    def once_there(server: Server, given: Any) -> None:
        world.fake.courses[server.id] = Course(**course)

    world.fake.nova.lives.born.append(once_there)


def _migration(world: World) -> None:
    _course_of_the_server(world, ends="error", why="CPU has no such flag")


def _astray(world: World) -> None:
    world.fake.hypervisors[1].status = "disabled"


def _attachment(world: World) -> None:
    def once_there(server: Server, given: Any) -> None:
        world.fake.nova.power.courses[server.id] = Power(ends="ERROR")

    world.fake.nova.lives.born.append(once_there)


FAILURES: dict[str, tuple[Callable[[World], None], str]] = {
    "boot": (_birth, r"boot: it is in ERROR: out of vCPUs\. What it had made is deleted\."),
    "never born": (_unborn, r"boot: Nova has found it no place after 1m\."),
    "binding": (_binding, r"port: the binding of port .* failed \(before: boot"),
    "unbound": (_unbound, r"port: its port is not bound after 1m"),
    "volume": (_volume, r"volume: volume .* is error"),
    "attachment": (_attachment, r"attach: volume .* is not in-use after 1m"),
    "migration": (_migration, r"away: Nova ended the migration .*CPU has no such flag"),
    "no target": (_astray, r"away: Nova ended the migration .*No valid host"),
}


@pytest.mark.long
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_says_where_and_clears_away(world: World, failure: str) -> None:
    happens, words = FAILURES[failure]
    happens(world)
    # What Nova says of a migration is what it records of the newest action.
    step = world.planned(volume="migration" not in words)
    with pytest.raises(StepFailed, match=words):
        perform(step, world.fake.account(), world.attempt)
    assert world.left() == []


@pytest.mark.long
def test_what_cannot_be_deleted_is_named(world: World) -> None:
    def once_there(server: Server, given: Any) -> None:
        world.fake.nova.power.courses[server.id] = Power(seconds=None)

    world.fake.nova.lives.born.append(once_there)
    step = world.planned(live_migrate=False, volume=False)
    words = r"delete: Not deleted: server [0-9a-f-]{36} \(before: "
    with pytest.raises(StepFailed, match=words) as told:
        perform(step, world.fake.account(), world.attempt)
    (server,) = world.fake.servers
    assert server.id in str(told.value)


_ACTION = r"POST .*/action"
CHANGES = {
    "the server": (r"POST .*/servers$", 1),
    "the volume": (r"POST .*/volumes$", 1),
    "the attachment": (r"POST .*/os-volume_attachments", 1),
    "the detachment": (r"DELETE .*/os-volume_attachments", 1),
    "the migration": (_ACTION, 1),
    "the migration back": (_ACTION, 2),
    "the end of the server": (_ACTION, 3),
    "the end of the volume": (r"DELETE .*/volumes/[^/]+$", 1),
}


@pytest.mark.long
@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("what", CHANGES)
def test_after_a_lost_answer_it_is_made_anew(world: World, what: str, arrived: bool) -> None:
    step = world.planned()
    world.cut(*CHANGES[what], late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, world.fake.account(), world.attempt)
    found = look_up(step, world.fake.account(), world.attempt)
    assert found is None or isinstance(found, Begun)
    assert list(perform(step, world.fake.account(), world.attempt)["seconds"]) == ALL_PHASES
    assert world.left() == []


class Cut:
    """A wait that is broken off when it comes for the n-th time, as by a signal."""

    def __init__(self, clock: Clock, at: int) -> None:
        self._clock, self._left = clock, at

    def __call__(self, seconds: float, *, between: bool = False) -> None:
        """Wait, or be broken off."""
        self._left -= 1
        if self._left == 0:
            raise Interrupted("somebody has stopped it")
        self._clock.wait(seconds)


@pytest.mark.long
@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("status", ["enabled", "disabled"])
def test_it_is_cut_off_at_every_wait(world: World, status: str, goes_on: bool) -> None:
    world.fake.hypervisors[0].status = status
    step, cloud, waits = world.planned(), world.fake.account(), 0
    while True:
        waits += 1
        attempt = FakeAttempt(Cut(world.clock, waits), key=step.key)
        try:
            perform(step, cloud, attempt)
            break
        except Interrupted:
            pass
        attempt.wait = world.clock.wait
        if goes_on:
            look_up(step, cloud, attempt)
            assert list(perform(step, cloud, attempt)["seconds"]) == ALL_PHASES
        elif isinstance(look_up(step, cloud, attempt), Begun):
            with pytest.raises(StepFailed, match="It was given up"):
                finish(step, cloud, attempt)
        assert world.left() == []
    assert waits > len(ALL_PHASES)


@pytest.mark.long
def test_where_servers_are_deleted_softly_it_is_gone_for_good(world: World) -> None:
    world.fake.nova.lives.softly = True
    perform(world.planned(), world.fake.account(), world.attempt)
    assert world.left() == []


@pytest.mark.long
def test_a_volume_that_outlives_its_server_attached_is_freed(world: World) -> None:
    """As Nova leaves one whose server was deleted while the volume was attached."""
    records = world.devices.cinder.records

    def dies(server: Server) -> None:
        for volume in world.devices.cinder.volumes:
            records.attach(volume, server.id)
            volume["status"] = "in-use"

    world.fake.nova.lives.died.append(dies)
    perform(world.planned(), world.fake.account(), world.attempt)
    assert world.left() == []


@pytest.mark.long
def test_others_servers_of_the_name_stay(world: World) -> None:
    step = world.planned()
    name = f"openstack-ops-test-{world.attempt.run[:8]}"
    world.fake.servers.append(Server(name, metadata={"openstack_ops:run": world.attempt.run}))
    perform(step, world.fake.account(), world.attempt)
    assert world.left() == [name]


# -- the plan ----------------------------------------------------------------------------------


def _tests(world: World, **more: Any) -> list[tuple[str, str]]:
    plan = drawn(world.fake.account(), "hypervisor.test", **more)
    return [(step.data["name"], step.data["flavor"]) for step in plan.steps()]


def test_which_flavors_are_tried_where(world: World) -> None:
    both = ["cmp-1", "cmp-2"]
    world.fake.servers.append(Server("big", "cmp-2"))
    world.fake.servers[0].flavor.ram = 12000
    assert _tests(world, hypervisors=both) == [("cmp-1", "small"), ("cmp-2", "small")]
    every = [("cmp-1", "small"), ("cmp-1", "large"), ("cmp-2", "small")]
    assert _tests(world, hypervisors=both, flavors=["all"]) == every
    named = _tests(world, hypervisors=["cmp-1"], flavors=["large", "1"])
    assert named == [("cmp-1", "large"), ("cmp-1", "small")]


def test_what_the_configuration_says(world: World) -> None:
    world.devices.network("other")
    config = {"network": "other", "flavors": ["large"], "volume_gib": 3}
    plan = drawn(
        world.fake.account(hypervisor_test=config), "hypervisor.test", hypervisors=["cmp-1"]
    )
    (step,) = plan.steps()
    assert step.data["flavor"] == "large"
    assert step.data["asked"]["volume_gib"] == 3
    (network,) = (n for n in world.devices.tables.networks if n["name"] == "other")
    assert step.data["asked"]["network"] == network["id"]


REFUSED: dict[str, tuple[Callable[[World], object], dict[str, Any], str]] = {
    "down": (lambda w: setattr(w.fake.hypervisors[0], "state", "down"), {}, "cmp-1 is down"),
    "several networks": (lambda w: w.devices.network("more"), {},
                         r"there are 2 networks to choose from \(more, only\): name one"),
    "no network": (lambda w: w.devices.tables.networks.clear(), {}, "no network of its own"),
    "no image": (lambda w: w.fake.images.clear(), {}, "there is no public image: name one"),
    "too large": (lambda w: w.fake.servers.append(Server("x", "cmp-1")),
                  {"flavors": ["huge"]}, "cmp-1 has no room for flavor huge"),
    "image needs more": (lambda w: w.fake.images[0].update(min_ram=4096), {"flavors": ["small"]},
                         "needs 4096 MiB of memory, and small has less"),
    "quota": (lambda w: w.fake.nova.lives.quota.update(instances=0), {},
              "quota of instances is 0.*for 1 test at once"),
    "volumes": (lambda w: w.devices.cinder.quota.update(volumes=0), {}, "quota of volumes is 0"),
    "target": (lambda w: None, {"target": "cmp-2"}, "set live_migrate=true"),
    "itself": (lambda w: None, {"target": "cmp-1", "live_migrate": True}, "is tested itself"),
    "nobody": (lambda w: None, {"hypervisors": []}, "no hypervisor is named"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(world: World, case: str) -> None:
    happens, asked, words = REFUSED[case]
    world.devices.tables.flavors.append({**LARGE, "id": "3", "name": "huge", "ram": 10**6})
    happens(world)
    with pytest.raises(Refused, match=words):
        drawn(world.fake.account(), "hypervisor.test", **{"hypervisors": ["cmp-1"], **asked})
    assert world.fake.changes == []


@pytest.mark.parametrize("wrong", [{"hypervisors": ["cmp-9"]}, {"flavors": ["tiny"]},
                                   {"image": "debian"}, {"network": "outer"}])  # fmt: skip
def test_names_that_are_nothing(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        drawn(world.fake.account(), "hypervisor.test", **{"hypervisors": ["cmp-1"], **wrong})


def test_a_plan_costs_the_same_for_any_number_of_hosts(world: World) -> None:
    def cost(names: list[str]) -> int:
        cloud = world.fake.new_account()
        before = len(world.fake.requests)
        drawn(cloud, "hypervisor.test", hypervisors=names)
        return len(world.fake.requests) - before

    few = cost(["cmp-1"])
    world.fake.hypervisors += [Hypervisor(f"new-{number}") for number in range(30)]
    assert cost([host.name for host in world.fake.hypervisors]) == few
    assert few <= 24
