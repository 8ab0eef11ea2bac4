"""hypervisor.maintain: the whole circle, parked wherever it goes wrong, resumed from there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_cloud_estate import Group
from support.maintenance_house import SETTINGS, House, maintenance_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with maintenance_house(tmp_path) as house:
        yield house


@pytest.mark.long
def test_a_host_goes_round_and_is_back(house: House) -> None:
    kind, result = house.maintain()
    assert kind == "done", result["text"]
    assert (house.first.status, house.works()) == ("enabled", [])
    assert {server.host for server in house.fake.servers} <= {"cmp-2", "cmp-3"}
    assert house.host.commands == ["patch-host", "next-kernel", "reboot", "site-check"]
    assert house.quiet() == [False]
    assert house.subjects() == ["cmp-1 of cloud fake, region one is back from maintenance"]


STAGES = ["patch-host", "reboot", "next-kernel", "site-check"]


@pytest.mark.long
@pytest.mark.parametrize("word", STAGES)
def test_what_fails_parks_it_and_it_goes_on_from_there(house: House, word: str) -> None:
    house.fails.add(word)
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "Maintain cmp-1: parked: " in result["summary"]
    assert house.first.status == "disabled"
    assert house.first.reason.startswith(f"parked by run {result['run']}: run ")
    assert "no space left" in house.first.reason
    assert house.works() == ["cmp-1"]
    assert house.quiet() == [True]
    assert house.subjects() == ["Maintenance of cmp-1 stopped"]
    before = len(house.host.commands)
    house.fails.clear()
    kind, again = house.ask("run.resume", run=result["run"])
    assert (kind, again["run"]) == ("done", result["run"]), again["text"]
    assert house.host.commands[before] == word
    assert (house.first.status, house.works()) == ("enabled", [])
    moved = [request for request in house.fake.changes if "os-migrateLive" in str(request.body)]
    assert len(moved) == 2
    assert len(house.subjects()) == 2


@pytest.mark.long
def test_the_same_failure_again_is_told_again(house: House) -> None:
    house.fails.add("patch-host")
    _, result = house.maintain()
    house.ask("run.resume", run=result["run"])
    assert house.subjects() == ["Maintenance of cmp-1 stopped"] * 2
    house.ask("run.cancel", run=result["run"])
    assert (house.first.status, house.works()) == ("disabled", ["cmp-1"])
    assert len(house.subjects()) == 2


@pytest.mark.long
def test_another_kernel_than_the_one_to_be_booted_parks_it(house: House) -> None:
    house.host.behaviour = lambda command: (
        (command.say(b"6.2.0\n"), command.exit())  # type: ignore[func-returns-value]
        if command.text == "next-kernel"
        else house.obey(command)
    )
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "cmp-1 runs kernel 6.1.1, and 6.2.0 was expected" in result["summary"]
    assert house.first.status == "disabled"


@pytest.mark.long
def test_services_that_do_not_report_anew_park_it(house: House) -> None:
    house.silent = True
    house.settings = {**SETTINGS, "within": "1s"}
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "cmp-1 is not whole after 1s: not heard of: nova-compute" in result["summary"]
    assert house.first.status == "disabled"


@pytest.mark.long
def test_stages_are_left_out_and_nothing_is_begun_by_a_dry_run(house: House) -> None:
    skip = ["patch", "reboot", "test"]
    kind, result = house.maintain(skip=skip, dry_run=True)
    assert kind == "done"
    assert house.fake.changes == []
    assert house.host.commands == []
    assert [entry["what"] for entry in result["skipped"]][-3:] == skip
    kind, _ = house.ask("run.apply", run=result["run"])
    assert kind == "done"
    assert house.host.commands == ["site-check"]
    assert house.first.status == "enabled"


@pytest.mark.long
def test_a_second_host_is_held_up_by_the_brakes(house: House) -> None:
    house.fails.add("patch-host")
    house.maintain()
    kind, result = house.maintain(hypervisor="cmp-2")
    assert kind == "refused"
    assert "2 of 3 hosts would be down or in work (cmp-1 in work by run" in result["summary"]
    assert "past_brakes=true" in result["summary"]
    kind, result = house.maintain(hypervisor="cmp-2", past_brakes=True, dry_run=True)
    assert kind == "done"
    assert "Past the brakes: 2 of 3 hosts would be" in result["text"]


def test_a_rule_never_goes_past_the_brakes(house: House) -> None:
    kind, result = house.maintain(past_brakes=True, trigger_id="t-1")
    assert kind == "refused"
    assert "a rule never goes past the brakes" in result["summary"]
    assert house.fake.changes == []


@pytest.mark.long
def test_a_budget_keeps_it_from_being_begun_unless_skip_goes_past(house: House) -> None:
    house.fake.groups.append(Group("web", "anti-affinity", ["web-1", "web-2"]))
    house.more = {"disruption_budgets": {"policies": {"anti-affinity": 1}}}
    kind, result = house.maintain()
    assert kind == "refused"
    assert "would have 2 of 2 members down (web-1 here, web-2 here)" in result["summary"]
    assert "skip=budgets" in result["summary"]
    assert house.fake.changes == []
    kind, result = house.maintain(skip=["budgets"], dry_run=True)
    assert kind == "done"


@pytest.mark.long
def test_an_alert_pauses_it_before_anything_is_begun(house: House) -> None:
    house.settings = {**SETTINGS, "alerts": {"main": ['severity="critical"']}}
    house.monitor.fire(alertname="HostDown", severity="critical")
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "Alert HostDown fires since" in result["text"]
    assert (house.works(), house.fake.changes) == ([], [])


def test_what_is_wrong_with_the_configuration_is_told_at_once(house: House) -> None:
    house.settings = {**SETTINGS, "patch": "patsch", "before": {"drain": ["sight"]}}
    kind, result = house.maintain()
    assert kind == "refused"
    for word in ("patsch", "patch", "sight", "site"):
        assert word in result["summary"]
    assert house.fake.changes == []


@pytest.mark.long
def test_it_waits_for_its_time_outside_any_process(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, result = house.maintain(start="2h")
    assert kind == "interrupted"
    assert "paused" in result["summary"]
    assert house.fake.changes == []
    assert house.works() == []
    later, real = 7300.0, time.time
    monkeypatch.setattr("time.time", lambda: real() + later)
    kind, result = house.ask("run.resume_due")
    assert kind == "done", result["text"]
    assert house.first.status == "enabled"


@pytest.mark.long
def test_the_spare_host_of_the_configuration_is_filled_first(house: House) -> None:
    house.settings = {**SETTINGS, "spare": ["cmp-3"]}
    kind, result = house.maintain(skip=["patch", "reboot", "test"])
    assert kind == "done", result["text"]
    assert {server.host for server in house.fake.servers} == {"cmp-3"}
