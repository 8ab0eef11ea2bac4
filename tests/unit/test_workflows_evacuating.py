"""hypervisor.evacuate: what proves that a host is off, what is planned, and what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from state.journal import Journal
from state.store import Store
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Course, Flavor, Group, Hypervisor, Server
from support.fake_cloud_tables import Tables
from support.runs import new_state
from support.ssh import SSH_CONFIG
from workflow_api.plan import Plan

Ended = tuple[str, dict[str, Any]]
LONG_AGO, NOW = "2026-01-02T00:00:00.000000", "2026-01-02T00:10:00.000000"
ADVICE = "Turn its power off, see that it is off, and give power_is_off=cmp-1."


class House:
    """A cloud whose cmp-1 is dead, with servers that boot from volumes."""

    def __init__(self, fake: FakeCloud, state: str) -> None:
        self.fake = fake
        self.config: dict[str, Any] = fake.config(state_url=state)
        self.journal = Journal(Store(state))

    def ask(self, dry_run: bool = False, /, **parameters: Any) -> Ended:
        """Evacuate cmp-1."""
        asked = {"hypervisor": "cmp-1", "reason": "dead", "power_is_off": "cmp-1", **parameters}
        asked = {name: value for name, value in asked.items() if value is not None}
        return dispatch("hypervisor.evacuate", {**asked, "dry_run": dry_run}, self.config)

    def plan(self, **parameters: Any) -> Plan:
        """Return the plan that is shown."""
        kind, shown = self.ask(True, **parameters)
        assert kind == "done", shown["summary"]
        stored = self.journal.run(shown["run"]).plan
        assert stored is not None
        return Plan.from_data(stored)

    def refused(self, **parameters: Any) -> str:
        """Return why it is refused; nothing is changed."""
        kind, told = self.ask(**parameters)
        assert kind == "refused", told["summary"]
        assert self.fake.changes == []
        return str(told["text"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    hosts = [
        Hypervisor("cmp-1", state="down", heard=LONG_AGO),
        Hypervisor("cmp-2", heard=NOW),
        Hypervisor("cmp-3", heard=NOW),
    ]
    servers = [Server(name, image="") for name in ("web-1", "web-2", "web-3")]
    with FakeCloud(hosts, servers) as fake:
        fake.part(Tables)
        for server in servers:
            fake.courses[server.id] = Course(ends_after=0.1)
        yield House(fake, new_state(tmp_path / "state.db"))


@pytest.mark.long
def test_each_is_rebuilt_once_and_the_host_is_down_for_nova(house: House) -> None:
    kind, ended = house.ask()
    assert kind == "done", ended["summary"]
    assert [server.host for server in house.fake.servers] == ["cmp-2"] * 3
    assert sorted(m.server.name for m in house.fake.migrations) == ["web-1", "web-2", "web-3"]
    dead = house.fake.hypervisors[0]
    assert (dead.forced_down, dead.status, dead.reason) == (True, "disabled", "dead")
    names = [change.line.rpartition("/")[2] for change in house.fake.changes]
    assert names[2:] == ["action"] * 3, "nothing is rebuilt before it is called down"


@pytest.mark.long
def test_the_order_of_the_plan(house: House) -> None:
    house.fake.server("web-2").metadata = {"openstack_ops:priority": "10"}
    house.fake.server("web-3").metadata = {"openstack_ops:priority": "-1"}
    said = [step.sentence for step in house.plan().steps()]
    assert said == [
        "take cmp-1 in work, within the brakes",
        "disable scheduling of cmp-1: dead",
        "tell Nova that cmp-1 is down",
        "evacuate web-2 (1 vCPU, 1 GiB) from cmp-1",
        "evacuate web-1 (1 vCPU, 1 GiB) from cmp-1",
        "evacuate web-3 (1 vCPU, 1 GiB) from cmp-1",
        "check that what was moved arrived well",
    ]
    house.config["evacuation"] = {"priority_key": "urgent"}
    house.fake.server("web-3").metadata["urgent"] = "1"
    moves = [step.data["name"] for step in house.plan().steps() if step.name == "server.evacuate"]
    assert moves == ["web-3", "web-1", "web-2"]


@pytest.mark.long
def test_a_second_run_does_what_is_left(house: House) -> None:
    house.fake.courses[house.fake.server("web-2").id] = Course(ends_after=0.1, ends="failed")
    kind, ended = house.ask()
    assert kind == "failed"
    failed, _still_there = ended["failed"]
    assert failed["what"].startswith("evacuate web-2")
    assert [server.host for server in house.fake.servers] == ["cmp-2", "cmp-1", "cmp-2"]
    house.fake.courses.clear()
    kind, ended = house.ask()
    assert kind == "done", ended["summary"]
    assert house.fake.server("web-2").host == "cmp-2"
    assert len(house.fake.migrations) == 4


def _up(house: House) -> None:
    house.fake.hypervisors[0].state = "up"


def _just_silent(house: House) -> None:
    house.fake.hypervisors[0].heard = "2026-01-02T00:07:00.000000"


def _full(house: House) -> None:
    for host in house.fake.hypervisors[1:]:
        host.holds["VCPU"] = 1


def _command(house: House) -> None:
    house.config["evacuation"] = {"power_off": "power_off"}
    house.config["ssh_commands"] = {"power_off": {"command": ["ipmi-off", "{host}"]}}


REFUSED: dict[str, tuple[Callable[[House], object], dict[str, Any], str]] = {
    "it is up": (_up, {}, "its compute service is up"),
    "no proof": (lambda house: None, {"power_is_off": None}, ADVICE),
    "another name": (lambda house: None, {"power_is_off": "cmp-2"},
                     "power_is_off is 'cmp-2', and the hypervisor is cmp-1"),
    "not silent for long": (_just_silent, {}, "was heard of 3m before others were"),
    "no room for all": (_full, {}, "no room for all together"),
    "the target is down": (lambda house: setattr(house.fake.hypervisors[2], "state", "down"),
                           {"target": "cmp-3"}, "the target cmp-3 is down"),
    "nobody": (lambda house: None, {"exclude": ["web-9"]}, "not on the hypervisor: web-9"),
    "a command for the dead host itself": (_command, {"power_is_off": None}, "has no run_on"),
    "brakes": (lambda house: setattr(house.fake.hypervisors[2], "state", "down"), {},
               "brakes.hosts_percent"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(house: House, case: str) -> None:
    happens, asked, words = REFUSED[case]
    happens(house)
    assert words in house.refused(**asked)


def test_the_brakes_are_gone_past_by_hand(house: House) -> None:
    house.fake.hypervisors[2].state = "down"
    assert any("Past the brakes" in note for note in house.plan(past_brakes=True).notes)


def test_a_power_command_is_run_before_nova_is_told(house: House, tmp_path: Path) -> None:
    _command(house)
    (known := tmp_path / "known_hosts").touch()
    house.config["ssh_commands"]["power_off"]["run_on"] = "bastion"
    house.config["ssh_accounts"] = [
        {"name": "ops", "user": "ops", "agent": True, "known_hosts": str(known)}
    ]
    plan = house.plan(power_is_off=None)
    names = [step.name for step in plan.steps()]
    assert names.index("ssh.run_command") < names.index("hypervisor.force_down")
    (command,) = (step for step in plan.steps() if step.name == "ssh.run_command")
    assert (command.data["words"], command.data["address"]) == (["ipmi-off", "cmp-1"], "bastion")
    assert command.accounts == {"ssh": "ops"}
    assert "It turns the power off, as ops: ipmi-off cmp-1" in plan.notes


@pytest.mark.long
def test_without_a_power_command_that_succeeded_nothing_is_rebuilt(house: House) -> None:
    """Nobody listens where it would be run."""
    house.config |= SSH_CONFIG
    command = {"command": ["ipmi-off", "{host}"], "run_on": "127.0.0.1"}
    house.config["ssh_commands"] = {"power_off": command}
    house.config["evacuation"] = {"power_off": "power_off"}
    kind, ended = house.ask(power_is_off=None)
    assert kind == "failed", ended
    assert ended["failed"][0]["what"] == "run power_off on cmp-1"
    assert house.fake.migrations == []
    assert not house.fake.hypervisors[0].forced_down


@pytest.mark.long
def test_a_host_that_comes_back_keeps_its_servers(house: House) -> None:
    """Between the plan and the step that calls it down."""

    def back(request: Any) -> None:
        if request.line.startswith("PUT"):  # its scheduling is disabled
            house.fake.hypervisors[0].state = "up"

    house.fake.hooks.append(back)
    kind, ended = house.ask()
    assert kind == "failed"
    assert "is heard of again" in ended["summary"] + ended["text"]
    assert house.fake.migrations == []
    assert not house.fake.hypervisors[0].forced_down


def left(plan: Plan) -> dict[str, str]:
    return {entry["what"].partition(" (")[0]: entry["why"] for entry in plan.left}


def test_what_cannot_be_rebuilt_is_named_before(house: House) -> None:
    fake = house.fake
    fake.servers += [
        Server("local", image="image-1"),
        Server("kept", image="", tags=["openstack-ops-protected"]),
        Server("paused", image="", status="PAUSED"),
        Server("huge", image="", flavor=Flavor(ram=10**6)),
        Server("zoned", image="", zone="west"),
        Server("pair-1", image=""),
        Server("pair-2", image=""),
    ]
    fake.aggregates.append(Aggregate("west", ["cmp-1"], {"availability_zone": "west"}))
    fake.groups.append(Group("pair", "affinity", ["pair-1", "pair-2"]))
    plan = house.plan(exclude=["web-3"])
    moves = [step.data["name"] for step in plan.steps() if step.name == "server.evacuate"]
    assert moves == ["web-1", "web-2"]
    why = left(plan)
    assert why["local"].startswith("its root disk was on the dead host alone")
    assert why["kept"].startswith("it is protected by the tag")
    assert why["paused"].startswith("it was paused")
    assert why["huge"] == "it fits on no other hypervisor"
    assert "availability zone" in why["zoned"]
    assert "affinity group pair" in why["pair-1"]
    assert "affinity group pair" in why["pair-2"]
    assert [entry["what"] for entry in plan.skipped] == ["web-3"]


def test_local_disks_are_rebuilt_if_asked(house: House) -> None:
    house.fake.servers.append(Server("local", image="image-1"))
    plan = house.plan(local_disks="rebuild")
    assert plan.left == []
    assert "Lost with it unless on shared storage: local (root disk)." in plan.notes
    house.config["evacuation"] = {"shared_storage": True}
    assert house.plan().left == []


@pytest.mark.long
def test_a_plan_costs_the_same_for_any_number_of_servers(house: House) -> None:
    def cost() -> int:
        before = len(house.fake.requests)
        house.ask(True, max_changes=500)
        return len(house.fake.requests) - before

    few = cost()
    house.fake.servers += [Server(f"more-{n}", image="", flavor=Flavor(ram=16)) for n in range(15)]
    assert cost() <= few + 1, "one more for each different size"
    for number in range(20):
        new = Hypervisor(f"new-{number}", heard=NOW)
        house.fake.hypervisors.append(new)
        house.fake.part(Tables).providers.append({"uuid": new.id, "name": new.name})
    house.fake.servers += [Server(f"many-{n}", image="", flavor=Flavor(ram=16)) for n in range(90)]
    assert cost() <= few + 1
    assert few <= 26
