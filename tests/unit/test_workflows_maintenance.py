"""maintenance.campaign: from host to host, within its window and with room left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from support.fake_cloud_estate import Group
from support.maintenance_house import House, maintenance_house

FEW = ["patch", "reboot", "test", "silence", "unsilence", "tell"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with maintenance_house(tmp_path) as house:
        house.brakes = {"hosts_percent": 100, "aggregate_percent": 100, "cool_down": "1s"}
        house.settings = {"within": "30s", "before": {"enable": ["site"]}}
        yield house


def campaign(house: House, **more: Any) -> tuple[str, dict[str, Any]]:
    asked = {"reason": "new kernel", "where": "state = up", "spare_host": False, "skip": FEW}
    return house.ask("maintenance.campaign", **{"dry_run": False, **asked, **more})


def closed_window() -> str:
    """Return a window that opens in two hours."""
    opens = datetime.now(timezone.utc) + timedelta(hours=2)
    return f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"


def status(house: House, run: str) -> dict[str, str]:
    _, result = house.ask("maintenance.status", run=run)
    return {row["hypervisor"]: row["state"] for row in result["rows"]}


@pytest.mark.long
def test_all_are_done_the_emptiest_first(house: House) -> None:
    kind, result = campaign(house)
    assert kind == "done", result["text"]
    done = [row["what"] for row in result["rows"] if row["what"].startswith("maintain ")]
    assert done == ["maintain cmp-2", "maintain cmp-3", "maintain cmp-1"]
    assert {host.status for host in house.fake.hypervisors} == {"enabled"}
    assert house.works() == []
    assert set(status(house, result["run"]).values()) == {"done"}


@pytest.mark.long
def test_one_that_fails_is_parked_and_no_other_is_begun(house: House) -> None:
    house.fails.add("site-check")
    kind, result = campaign(house)
    assert kind == "failed"
    assert "1 host failed, and the campaign stops after 1" in result["text"]
    states = {host.name: host.status for host in house.fake.hypervisors}
    assert states == {"cmp-1": "enabled", "cmp-2": "disabled", "cmp-3": "enabled"}
    assert house.works() == ["cmp-2"]
    assert status(house, result["run"]) == {
        "cmp-2": "parked",
        "cmp-3": "pending",
        "cmp-1": "pending",
    }


@pytest.mark.long
def test_others_follow_as_long_as_no_more_fail(house: House) -> None:
    house.fails.add("site-check")
    kind, result = campaign(house, stop_after=2)
    assert kind == "failed"
    states = {host.name: host.status for host in house.fake.hypervisors}
    assert states == {"cmp-1": "enabled", "cmp-2": "disabled", "cmp-3": "disabled"}
    assert "2 hosts failed, and the campaign stops after 2" in result["text"]


@pytest.mark.long
def test_outside_its_window_it_is_paused_and_goes_on_by_itself(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, result = campaign(house, window=closed_window())
    assert kind == "interrupted"
    assert "paused" in result["summary"]
    assert house.fake.changes == []
    later, real = 7260.0, time.time
    monkeypatch.setattr("time.time", lambda: real() + later)
    kind, ended = house.ask("run.resume_due")
    assert kind == "done", ended["text"]
    assert set(status(house, result["run"]).values()) == {"done"}


@pytest.mark.long
def test_the_pace_of_the_brakes_pauses_it(house: House) -> None:
    house.brakes["hosts_per_hour"] = 2
    kind, result = campaign(house)
    assert kind == "interrupted"
    assert "paused" in result["summary"]
    assert status(house, result["run"]) == {"cmp-2": "done", "cmp-3": "done", "cmp-1": "pending"}


@pytest.mark.long
def test_a_floor_keeps_hosts_from_being_taken(house: House) -> None:
    kind, result = campaign(house, floor_percent=100)
    assert kind == "refused"
    assert "free in the cloud, less than 100 %" in result["summary"]
    assert house.fake.changes == []


@pytest.mark.long
def test_a_spare_host_is_kept(house: House) -> None:
    kind, result = campaign(house, spare_host=True, dry_run=True, floor_percent=0)
    assert kind == "done", result["text"]


@pytest.mark.long
def test_an_alert_holds_up_the_next_host_until_it_has_been_silent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.settings |= {"alerts": {"main": ['severity="critical"']}, "settle": "5m"}
    clock, real = [0.0], time.time
    monkeypatch.setattr("time.time", lambda: real() + clock[0])
    _, result = campaign(house)
    run = result["run"]
    assert "paused" in result["summary"]
    assert "and have to be for 5m" in result["text"]
    assert status(house, run) == {"cmp-2": "done", "cmp-3": "pending", "cmp-1": "pending"}
    house.monitor.fire(alertname="HostDown", severity="critical", instance="cmp-2")
    clock[0] += 301
    house.ask("run.resume_due")
    text = house.ask("run.show", run=run)[1]["text"]
    assert "Alert HostDown of cmp-2 fires since 2026-01-01 00:00" in text
    house.monitor.alerts.clear()
    clock[0] += 301
    house.ask("run.resume_due")
    assert status(house, run)["cmp-3"] == "pending"
    clock[0] += 301
    house.ask("run.resume_due")
    assert status(house, run) == {"cmp-2": "done", "cmp-3": "done", "cmp-1": "pending"}


@pytest.mark.long
def test_skip_goes_past_alerts(house: House) -> None:
    house.settings |= {"alerts": {"main": ['severity="critical"']}, "settle": "5m"}
    house.monitor.fire(alertname="HostDown", severity="critical")
    kind, result = campaign(house, skip=[*FEW, "alerts"])
    assert kind == "done", result["text"]


@pytest.mark.long
def test_a_budget_that_is_used_up_holds_up_the_host_that_has_members(house: House) -> None:
    house.fake.groups.append(Group("web", "anti-affinity", ["web-1", "web-2"]))
    house.more = {"disruption_budgets": {"policies": {"anti-affinity": 1}}}
    kind, result = campaign(house)
    assert kind == "interrupted"
    assert "server group web (anti-affinity) would have 2 of 2 members down" in result["text"]
    assert "skip=budgets" in result["text"]
    assert status(house, result["run"])["cmp-1"] == "pending"
    kind, result = campaign(house, batch=3, floor_percent=0)
    assert kind == "refused"


@pytest.mark.long
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"where": ""}, "where"),
        ({"window": "at night"}, "is no window"),
        ({"batch": 0}, "at least 1"),
        ({"stop_after": -1}, "at least 1"),
        ({"floor_percent": 101}, "from 0 to 100"),
        ({"where": "name = nothing"}, "no hypervisor passes"),
    ],
)
def test_what_is_refused(house: House, asked: dict[str, Any], said: str) -> None:
    kind, result = campaign(house, **asked)
    assert kind == "refused"
    assert said in result["summary"]
