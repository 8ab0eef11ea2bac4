"""What a drain moved goes back, exactly that; a parked host that is given back is heard again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_cloud_estate import Course, Server
from support.maintenance_house import House, maintenance_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with maintenance_house(tmp_path) as house:
        yield house


def hosts(house: House) -> dict[str, str]:
    """Return where each server is."""
    return {server.name: server.host for server in house.fake.servers}


def drained(house: House) -> str:
    """Drain cmp-1, have it be enabled again, and return the run."""
    asked: dict[str, Any] = {"hypervisor": "cmp-1", "reason": "disk", "dry_run": False}
    kind, ended = house.ask("hypervisor.drain", **asked)
    assert kind == "done", ended
    house.first.status = "enabled"
    return str(ended["run"])


def back(house: House, run: str, **more: Any) -> tuple[str, dict[str, Any]]:
    asked = {"hypervisor": "cmp-1", "run": run, "dry_run": False, **more}
    return house.ask("hypervisor.migrate_back", **asked)


@pytest.mark.long
def test_exactly_what_was_moved_comes_back(house: House) -> None:
    house.fake.servers.append(Server("other-1", "cmp-2"))
    run = drained(house)
    assert "cmp-1" not in hosts(house).values()
    kind, ended = back(house, run)
    assert kind == "done", ended
    assert hosts(house) == {"web-1": "cmp-1", "web-2": "cmp-1", "other-1": "cmp-2"}
    kind, again = back(house, run[:8])
    assert kind == "done"
    assert {row["why"] for row in again["skipped"]} == {"it is back already"}


@pytest.mark.long
def test_what_has_happened_meanwhile_is_heeded(house: House) -> None:
    house.fake.servers += [Server("web-3"), Server("web-4")]
    run = drained(house)
    house.fake.servers.remove(house.fake.server("web-1"))
    moved = house.fake.server("web-2")
    moved.host = "cmp-3" if moved.host == "cmp-2" else "cmp-2"
    house.fake.server("web-3").status = "ERROR"
    before = dict(hosts(house))
    kind, ended = back(house, run)
    assert kind == "done", ended
    assert hosts(house) == {**before, "web-4": "cmp-1"}
    why = {row["what"].partition(" ")[0]: row["why"] for row in ended["skipped"]}
    assert why["web-1"] == "it is gone"
    assert why["web-2"].startswith(f"it is on {moved.host} by now, and was moved to cmp-")
    assert [row["why"] for row in ended["left"]] == ["it is in ERROR"]


@pytest.mark.long
def test_what_fits_no_longer_is_left(house: House) -> None:
    run = drained(house)
    taken = {"MEMORY_MB": house.first.holds["MEMORY_MB"] - 1024}
    house.fake.placement.leaked["cmp-1"] = {"somebody": taken}
    kind, ended = back(house, run)
    assert kind == "done", ended
    assert sorted(hosts(house).values()).count("cmp-1") == 1
    assert [row["why"] for row in ended["left"]] == ["it has no room for it beside the others"]


@pytest.mark.long
def test_a_run_that_moved_nothing_is_refused(house: House) -> None:
    _, ended = house.ask("hypervisor.disable", hypervisor="cmp-2", reason="x", dry_run=False)
    kind, told = back(house, ended["run"])
    assert kind == "refused"
    assert "has moved no servers off cmp-1" in told["summary"]
    house.first.status = "disabled"
    kind, told = back(house, ended["run"])
    assert kind == "refused"
    assert "cmp-1 is up and disabled" in told["summary"]


@pytest.mark.long
def test_maintained_they_come_back_also_those_of_a_drain_that_was_drawn_anew(house: House) -> None:
    stuck = house.fake.server("web-2")
    house.fake.courses[stuck.id] = Course(ends="error", why="no route")
    kind, ended = house.maintain(migrate_back=True)
    assert kind == "interrupted", ended
    assert hosts(house)["web-1"] != "cmp-1"
    house.fake.courses.clear()
    kind, ended = house.ask("run.resume", run=ended["run"])
    assert kind == "done", ended["text"]
    assert hosts(house) == {"web-1": "cmp-1", "web-2": "cmp-1"}
    assert (house.first.status, house.works()) == ("enabled", [])


def parked(house: House) -> str:
    """Have a campaign park cmp-1, and return the campaign."""
    house.fails.add("patch-host")
    asked = {"where": "name = cmp-1", "reason": "new kernel", "spare_host": False}
    kind, ended = house.ask("maintenance.campaign", **asked, skip=["test"], dry_run=False)
    assert kind == "failed", ended
    assert (house.first.status, house.works()) == ("disabled", ["cmp-1"])
    return str(ended["run"])


def given_back(house: House, **more: Any) -> tuple[str, dict[str, Any]]:
    asked = {"hypervisor": "cmp-1", "dry_run": False, **more}
    return house.ask("hypervisor.return", **asked)


@pytest.mark.long
@pytest.mark.parametrize("named", [False, True])
def test_a_parked_host_that_is_given_back_is_quiet_no_more(house: House, named: bool) -> None:
    campaign = parked(house)
    (mine,) = house.quiet()
    assert mine
    kind, shown = given_back(house, dry_run=True, migrate_back=True)
    assert kind == "done", shown
    assert "expire silence" in shown["text"]
    assert "and fit: web-1, web-2." in shown["text"]
    more = {"migrate_back": True, "run": campaign} if named else {}
    kind, ended = given_back(house, **more)
    assert kind == "done", ended["text"]
    assert house.quiet() == [False]
    assert (house.first.status, house.works()) == ("enabled", [])
    assert ("cmp-1" in hosts(house).values()) == named


@pytest.mark.long
def test_what_ends_the_silence_is_gone_on_with(house: House) -> None:
    parked(house)
    fault = house.monitor.fail("DELETE", 500, times=99)
    kind, ended = given_back(house)
    assert kind != "done", ended
    assert house.first.status == "enabled"
    house.monitor.faults.remove(fault)
    again = house.ask("run.resume", run=ended["run"]) if kind == "interrupted" else None
    kind, ended = again or given_back(house)
    assert kind == "done", ended["text"]
    assert (house.quiet(), house.works()) == ([False], [])


@pytest.mark.long
def test_nothing_is_brought_back_by_a_guess(house: House) -> None:
    house.first.status = "disabled"
    kind, told = given_back(house, migrate_back=True)
    assert kind == "refused"
    assert "no run has cmp-1 in work" in told["summary"]
