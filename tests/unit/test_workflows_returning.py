"""hypervisor.return: leftovers first, then Nova's belief, the test, and scheduling last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from state.journal import Journal
from state.store import Store
from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import Course, Hypervisor, Server
from support.fake_cloud_power import Power
from support.runs import new_state

Ended = tuple[str, dict[str, Any]]
FLAVOR = {"id": "1", "name": "small", "vcpus": 1, "ram": 512, "disk": 5}
IMAGE = {"id": "image-1", "name": "cirros", "status": "active", "visibility": "public"}
LATER = 0.5


class House:
    """A cloud whose cmp-1 was evacuated."""

    def __init__(self, fake: FakeCloud, state: str) -> None:
        self.fake, self.host = fake, fake.hypervisors[0]
        self.config: dict[str, Any] = fake.config(state_url=state)
        self.journal = Journal(Store(state))

    def evacuated(self) -> None:
        """Have its server be evacuated, as an earlier run has done."""
        self.host.status, self.host.reason, self.host.forced_down = "disabled", "dead", True
        (server,) = self.fake.servers
        self.fake.courses[server.id] = Course(ends_after=0)
        self.fake.nova.evacuations.evacuate(server, {})
        self.fake.nova.advance()
        assert self.fake.nova.evacuations.remain(self.host)

    def ask(self, **parameters: Any) -> Ended:
        """Return cmp-1."""
        asked = {"hypervisor": "cmp-1", "dry_run": False, "within": "20s", **parameters}
        return dispatch("hypervisor.return", asked, self.config)

    def restart_later(self) -> None:
        """Have its nova-compute start while it is waited for."""
        threading.Timer(LATER, self.fake.nova.evacuations.restart, [self.host]).start()

    def steps(self, run: str) -> dict[str, str]:
        """Return the states of a run's steps by the names of their functions."""
        return {step.key.partition(":")[0]: step.state for step in self.journal.steps(run)}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    hosts = [Hypervisor("cmp-1", state="down"), Hypervisor("cmp-2")]
    with FakeCloud(hosts, [Server("web-1", image="")]) as fake:
        devices = fake.part(FakeDevices)
        devices.tables.flavors.append(FLAVOR)
        devices.network("only")
        fake.images.append(dict(IMAGE))
        yield House(fake, new_state(tmp_path / "state.db"))


@pytest.mark.long
def test_an_evacuated_host_comes_back(house: House) -> None:
    house.evacuated()
    house.restart_later()
    kind, ended = house.ask()
    assert kind == "done", ended
    assert (house.host.status, house.host.forced_down) == ("enabled", False)
    assert [change.line for change in house.fake.asked("PUT .*/os-services")] != []
    assert [server.name for server in house.fake.servers] == ["web-1"]
    assert house.fake.placement.allocated(house.host) == {}
    order = [step.key.partition(":")[0] for step in house.journal.steps(ended["run"])]
    assert order == [
        "hypervisor.check_leftovers",
        "hypervisor.believe",
        "hypervisor.wait_up",
        "plan.run",
        "hypervisor.enable_scheduling",
        "hypervisor.give_back",
    ]


@pytest.mark.long
def test_a_host_that_fails_its_test_is_not_enabled(house: House) -> None:
    house.evacuated()
    house.restart_later()
    house.fake.nova.lives.birth = Power(ends="ERROR", fault="no such CPU")
    kind, ended = house.ask()
    assert kind == "failed"
    assert "no such CPU" in ended["text"]
    assert house.host.status == "disabled"
    assert house.steps(ended["run"])["hypervisor.enable_scheduling"] == "pending"


@pytest.mark.long
def test_while_leftovers_are_there_it_is_not_believed(house: House) -> None:
    house.evacuated()
    kind, ended = house.ask(within="1s")
    assert kind == "failed"
    assert "1 evacuated server not cleared away" in ended["text"]
    assert "start nova-compute there" in ended["text"]
    assert house.host.forced_down
    assert house.host.status == "disabled"
    assert house.fake.changes == []


def test_leftovers_are_shown_before(house: House) -> None:
    house.evacuated()
    kind, shown = house.ask(dry_run=True)
    assert kind == "done", shown["summary"]
    assert "Left on it: 1 evacuated server not cleared away" in shown["text"]
    assert house.fake.changes == []


@pytest.mark.long
def test_what_only_placement_knows_is_a_leftover(house: House) -> None:
    house.host.state = "up"
    house.host.status = "disabled"
    house.fake.placement.leaked["cmp-1"] = {"some-consumer": {"VCPU": 1}}
    kind, ended = house.ask(within="1s")
    assert kind == "failed"
    assert "VCPU 1 allocated to it" in ended["text"]
    assert house.host.status == "disabled"


@pytest.mark.long
def test_a_host_that_stays_silent_is_not_enabled(house: House) -> None:
    house.host.status = "disabled"
    kind, ended = house.ask(within="1s")
    assert kind == "failed"
    assert "nova-compute on cmp-1 is down after 1s" in ended["text"]
    assert house.host.status == "disabled"


def test_one_in_service_is_left_as_it_is(house: House) -> None:
    house.host.state = "up"
    kind, ended = house.ask()
    assert kind == "done", ended
    assert [row["what"] for row in ended["skipped"]] == ["cmp-1"]
    assert house.fake.changes == []


@pytest.mark.long
def test_a_parked_host_is_tested_and_its_servers_stay(house: House) -> None:
    house.host.state, house.host.status = "up", "disabled"
    kind, shown = house.ask(dry_run=True)
    assert kind == "done", shown
    assert "test cmp-1 with small" in shown["text"], "the plan of the test is shown with it"
    kind, ended = house.ask(test=False)
    assert kind == "done", ended
    assert house.host.status == "enabled"
    assert [(s.name, s.host) for s in house.fake.servers] == [("web-1", "cmp-1")]


def test_what_its_test_lacks_is_said_before_anything_is_done(house: House) -> None:
    house.evacuated()
    house.fake.part(FakeDevices).tables.networks.clear()
    kind, told = house.ask()
    assert kind == "refused"
    assert "no network of its own" in told["summary"]


def test_evacuations_under_way_are_not_disturbed(house: House) -> None:
    house.host.status, house.host.forced_down = "disabled", True
    (server,) = house.fake.servers
    house.fake.courses[server.id] = Course(ends_after=None)
    house.fake.nova.evacuations.evacuate(server, {})
    kind, told = house.ask()
    assert kind == "refused"
    assert "being evacuated off it just now" in told["summary"]
