"""hypervisor.stop_servers and start_servers: off and on again, those alone that were stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Group, Hypervisor, Server
from support.fake_cloud_power import Power
from support.runs import new_state

Ended = tuple[str, dict[str, Any]]
SERVERS = ("db-1", "web-1", "web-2", "web-3")


class House:
    """A cloud with running servers on cmp-1, and a journal."""

    def __init__(self, fake: FakeCloud, state: str) -> None:
        self.fake = fake
        self.config = fake.config(state_url=state)

    def ask(self, action: str, **parameters: Any) -> Ended:
        """Carry an action out."""
        return dispatch(action, {"dry_run": False, **parameters}, self.config)

    def stop(self, **parameters: Any) -> Ended:
        """Stop the servers of cmp-1."""
        return self.ask("hypervisor.stop_servers", hypervisor="cmp-1", **parameters)

    def states(self) -> dict[str, str]:
        """Return the status of each server."""
        return {server.name: server.status for server in self.fake.servers}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    servers = [Server(name) for name in SERVERS]
    servers += [Server("off-1", status="SHUTOFF"), Server("other-1", "cmp-2")]
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], servers) as fake:
        yield House(fake, new_state(tmp_path / "state.db"))


@pytest.mark.long
def test_exactly_those_are_started_that_were_stopped(house: House) -> None:
    kind, stopped = house.stop()
    assert kind == "done", stopped
    assert house.states() == {**dict.fromkeys((*SERVERS, "off-1"), "SHUTOFF"), "other-1": "ACTIVE"}
    assert [row["what"] for row in stopped["skipped"]] == ["off-1"]

    kind, started = house.ask("hypervisor.start_servers", run=stopped["run"])

    assert kind == "done", started
    assert house.states() == {**dict.fromkeys(SERVERS, "ACTIVE"), "off-1": "SHUTOFF",
                              "other-1": "ACTIVE"}  # fmt: skip


@pytest.mark.long
def test_what_has_happened_meanwhile_is_heeded(house: House) -> None:
    _, stopped = house.stop()
    house.fake.server("db-1").status = "ACTIVE"  # by its owner
    house.fake.server("web-1").host = "cmp-2"  # moved
    house.fake.server("web-3").status = "ERROR"
    house.fake.servers.remove(house.fake.server("web-2"))
    before = len(house.fake.changes)

    kind, started = house.ask("hypervisor.start_servers", run=stopped["run"][:8])

    assert kind == "done", started
    assert [row["what"] for row in started["skipped"]] == ["db-1"]
    assert {row["what"].partition(" ")[0]: row["why"] for row in started["left"]} == {
        "web-2": "it is gone",
        "web-3": "it is in ERROR",
    }
    assert house.states()["web-1"] == "ACTIVE"
    assert len(house.fake.changes) == before + 1


@pytest.mark.long
def test_what_did_not_stop_is_not_started(house: House) -> None:
    house.fake.nova.power.courses[house.fake.server("web-2").id] = Power(ends="ACTIVE")
    kind, stopped = house.stop()
    assert kind == "failed"
    assert house.states()["web-2"] == "ACTIVE"
    house.fake.server("web-2").status = "SHUTOFF"  # later, by its owner
    house.ask("hypervisor.start_servers", run=stopped["run"])
    assert house.states()["web-2"] == "SHUTOFF"


@pytest.mark.long
def test_protected_and_locked_servers_run_on(house: House) -> None:
    house.fake.server("db-1").tags = ["openstack-ops-protected"]
    house.fake.server("web-1").locked = True
    kind, stopped = house.stop(exclude=["web-2"])
    assert kind == "done"
    running = {name for name, status in house.states().items() if status == "ACTIVE"}
    assert running == {"db-1", "web-1", "web-2", "other-1"}
    why = {row["what"].partition(" ")[0]: row["why"] for row in stopped["left"]}
    assert why["db-1"].startswith("it is protected by the tag")
    assert why["web-1"].startswith("it is locked")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"hypervisor": "cmp-3"}, "hypervisor 'cmp-3'"),
        ({"hypervisor": "cmp-1", "exclude": ["web-9"]}, "not on the hypervisor: web-9"),
    ],
)
def test_what_is_refused(house: House, asked: dict[str, Any], words: str) -> None:
    kind, told = house.ask("hypervisor.stop_servers", **asked)
    assert (kind, words in told["summary"]) == ("refused", True), told["summary"]


def test_a_host_that_is_down_stops_nothing(house: House) -> None:
    house.fake.hypervisors[0].state = "down"
    kind, told = house.stop()
    assert kind == "refused"
    assert "its compute service is down" in told["summary"]


@pytest.mark.long
def test_runs_that_stopped_nothing_are_refused(house: House) -> None:
    _, shown = house.ask("server.stop", server="web-1")
    kind, told = house.ask("hypervisor.start_servers", run=shown["run"])
    assert kind == "refused"
    assert "run of server.stop" in told["summary"]
    kind, planned = house.stop(dry_run=True)
    kind, told = house.ask("hypervisor.start_servers", run=planned["run"])
    assert kind == "refused"
    assert "is planned" in told["summary"]


@pytest.mark.long
def test_another_cloud_is_refused(house: House) -> None:
    _, stopped = house.stop()
    (entry,) = house.config["clouds"]
    house.config["clouds"].append({**entry, "name": "west"})
    kind, told = house.ask("hypervisor.start_servers", run=stopped["run"], cloud="west")
    assert kind == "refused"
    assert "was about cloud fake, not west" in told["summary"]


@pytest.mark.long
def test_plans_cost_the_same_for_any_number_of_servers(house: House) -> None:
    def cost(action: str, **parameters: Any) -> int:
        before = len(house.fake.requests)
        house.ask(action, dry_run=True, **parameters)
        return len(house.fake.requests) - before

    few = cost("hypervisor.stop_servers", hypervisor="cmp-1")
    house.fake.servers += [Server(f"more-{number}") for number in range(60)]
    assert cost("hypervisor.stop_servers", hypervisor="cmp-1") == few
    _, stopped = house.stop(max_changes=100)
    started = cost("hypervisor.start_servers", run=stopped["run"])
    assert started <= 8
    for server in house.fake.servers:
        server.host = "cmp-2"
    assert cost("hypervisor.start_servers", run=stopped["run"]) <= started + 2


@pytest.mark.long
def test_a_disruption_budget_keeps_servers_running_unless_it_is_gone_past(house: House) -> None:
    house.fake.groups.append(Group("web", "anti-affinity", ["web-1", "web-2", "web-3"]))
    house.config["disruption_budgets"] = {"policies": {"anti-affinity": 2}}
    kind, result = house.stop()
    assert kind == "refused"
    assert "server group web (anti-affinity) would have 3 of 3 members down" in result["summary"]
    assert "past_budgets=true" in result["summary"]
    assert house.fake.changes == []
    kind, result = house.stop(past_budgets=True, trigger_id="t-1")
    assert kind == "refused"
    assert "a rule never goes past the budgets" in result["summary"]
    assert house.stop(exclude=["web-1"])[0] == "done"
    kind, result = house.stop(past_budgets=True, dry_run=True)
    assert kind == "done"
    assert "Past the budgets: server group web" in result["text"]
