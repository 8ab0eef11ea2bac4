"""Runs that wait: parked after a failure until they are resumed, or paused until a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.runs import House, toy_house
from support.sample_runbooks import WORLD, Fault, World
from support.state import expire
from support.victims import Victim

GUARD = {"do": "paint", "to": ["guard"], "undo": "on_park"}
A = {"do": "paint", "to": ["a"]}
B = {"do": "paint", "to": ["b"]}
C = {"do": "paint", "to": ["c"]}
Place = tuple[House, World]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Place]:
    faults: dict[str, list[Fault]] = getattr(request, "param", {"b": ["once"]})
    with toy_house(**faults) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


def resume(house: House, result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return house.ask("run.resume", run=result["run"])


# -- parked ------------------------------------------------------------------------------------


def test_a_failed_step_parks_the_run_and_it_goes_on_from_there(place: Place) -> None:
    house, world = place
    kind, result = house.work(GUARD, A, B, C, parks=True)
    assert kind == "interrupted"
    assert "Work: parked: 2 of 4 steps done" in result["summary"]
    assert "b is too wet" in result["summary"]
    assert f"Go on with run.resume run={result['run']}" in result["summary"]
    assert world.effects == {"paint guard": 1, "paint a": 1, "strip guard": 1}
    assert house.run(result["run"]).shown_state == "interrupted"
    assert len(house.claims(result["run"])) == 4
    kind, result = resume(house, result)
    assert (kind, result["failed"], result["left"]) == ("done", [], [])
    once = {"paint guard": 1, "paint a": 1, "strip guard": 1, "paint b": 1, "paint c": 1}
    assert world.effects == once
    assert house.claims(result["run"]) == []


@pytest.mark.parametrize("place", [{"b": ["once", "once"]}], indirect=True)
def test_each_failure_parks_it(place: Place) -> None:
    house, world = place
    _, result = house.work(GUARD, B, parks=True)
    _, result = resume(house, result)
    assert "parked" in result["summary"]
    assert world.effects["strip guard"] == 2
    assert resume(house, result)[0] == "done"


def test_a_run_that_failed_as_a_step_is_run_anew(place: Place) -> None:
    house, world = place
    _, result = house.work(GUARD, {"run": [A, B]}, C, parks=True)
    with house.journal() as journal:
        (first,) = journal.children(result["run"])
    assert first.state == "failed"
    kind, result = resume(house, result)
    assert kind == "done"
    with house.journal() as journal:
        children = journal.children(result["run"])
    assert [child.state for child in children] == ["failed", "succeeded"]
    # A plan that is drawn again does what it finds to do; this one does not look.
    assert world.effects == {
        "paint guard": 1,
        "strip guard": 1,
        "paint a": 2,
        "paint b": 1,
        "paint c": 1,
    }


def test_as_a_step_of_another_run_it_has_failed(place: Place) -> None:
    """So a campaign goes on with its other hosts, and does not come back to this one."""
    house, world = place
    kind, result = house.work({"run": [GUARD, B], "parks": True})
    assert kind == "failed"
    assert world.effects == {"paint guard": 1, "strip guard": 1}
    assert house.run(result["run"]).state == "failed"
    assert house.claims(result["run"]) == []


def test_a_parked_run_can_be_given_up(place: Place) -> None:
    house, world = place
    _, result = house.work(GUARD, A, B, parks=True)
    kind, _ = house.ask("run.cancel", run=result["run"])
    assert (kind, house.run(result["run"]).state) == ("done", "cancelled")
    assert house.claims(result["run"]) == []
    assert world.effects == {"paint guard": 1, "paint a": 1, "strip guard": 1}


def test_an_equal_start_goes_on_with_a_parked_run(place: Place) -> None:
    house, world = place
    _, first = house.work(GUARD, A, B, parks=True)
    kind, second = house.work(GUARD, A, B, parks=True)
    assert (kind, second["run"]) == ("done", first["run"])
    assert world.effects["paint a"] == 1


FLAG = {"do": "paint", "to": ["flag"], "undo": "always"}


def test_what_holds_only_for_the_work_is_undone_with_it_and_done_anew(place: Place) -> None:
    house, world = place
    kind, result = house.work(FLAG, A, B, C, parks=True)
    assert kind == "interrupted"
    assert world.effects == {"paint flag": 1, "paint a": 1, "strip flag": 1}
    assert resume(house, result)[0] == "done"
    again = {"paint flag": 2, "paint a": 1, "strip flag": 1, "paint b": 1, "paint c": 1}
    assert world.effects == again


@pytest.mark.parametrize("parks", [True, False])
def test_what_holds_only_for_the_work_ends_once(place: Place, parks: bool) -> None:
    house, world = place
    _, result = house.work(FLAG, A, B, parks=parks)
    assert world.effects["strip flag"] == 1
    house.ask("run.cancel", run=result["run"])
    assert world.effects == {"paint flag": 1, "paint a": 1, "strip flag": 1}


@pytest.mark.parametrize("place", [{}], indirect=True)
def test_what_holds_only_for_the_work_ends_with_a_run_that_is_given_up(place: Place) -> None:
    house, world = place
    _, result = house.work(FLAG, waiting(time.time() + 3600), A)
    assert world.effects == {"paint flag": 1}
    house.ask("run.cancel", run=result["run"])
    assert world.effects == {"paint flag": 1, "strip flag": 1}


@pytest.mark.parametrize("place", [{"b": ["lost", "unanswered"]}], indirect=True)
def test_what_nobody_knows_parks_it_too(place: Place) -> None:
    house, world = place
    kind, result = house.work(GUARD, A, B, C, parks=True)
    assert kind == "interrupted"
    assert world.effects == {"paint guard": 1, "paint a": 1, "paint b": 1, "strip guard": 1}
    assert resume(house, result)[0] == "done"
    assert (world.effects["paint b"], world.effects["paint c"]) == (1, 1)
    assert world.effects["strip guard"] == 1


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before strip guard", "after strip guard"])
def test_killed_while_it_is_parked_it_goes_on(place: Place, moment: str) -> None:
    house, world = place
    house.limits = {"lease": "1s", "grace": "0.2s"}
    stages = [GUARD, A, B, C]
    with Victim(house, world.path, "toy.work", moment, stages=stages, parks=True) as victim:
        victim.wait_for(moment)
        victim.kill()
    with house.journal() as journal:
        run = journal.recent(limit=1)[0].id
        expire(journal, run)
    kind, result = house.ask("run.resume", run=run)
    assert kind == "done", result["text"]
    assert world.effects["paint a"] == world.effects["paint b"] == world.effects["paint c"] == 1


# -- paused ------------------------------------------------------------------------------------


def waiting(until: float) -> dict[str, Any]:
    return {"do": "wait", "to": ["w"], "data": {"until": until}}


@pytest.mark.parametrize("child", [False, True])
@pytest.mark.parametrize("place", [{}], indirect=True)
def test_a_run_waits_for_its_time_outside_any_process(
    place: Place, child: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, world = place
    until = time.time() + 3600
    stages = [A, waiting(until), B]
    kind, result = house.work(*([{"run": stages}] if child else stages))
    assert kind == "interrupted"
    assert "Work: paused: " in result["summary"]
    assert result["summary"].endswith("UTC by run.resume_due")
    run = result["run"]
    assert house.run(run).shown_state == "paused"
    assert house.claims(run)
    assert [row["id"] for row in house.ask("run.list", state="paused")[1]["rows"]] == [run]
    assert house.ask("run.list", state="interrupted")[1]["rows"] == []
    assert "it goes on at" in house.ask("run.show", run=run)[1]["text"]
    kind, result = house.ask("run.resume_due")
    assert (kind, result["summary"]) == ("done", "no run is due")
    assert world.effects == {"paint a": 1}
    monkeypatch.setattr("time.time", lambda: until + 1)
    kind, result = house.ask("run.resume_due")
    assert (kind, result["summary"]) == ("done", "1 run resumed")
    assert world.effects == {"paint a": 1, "sweep w": 1, "paint b": 1}
    assert house.run(run).state == "succeeded"
    assert house.ask("run.resume_due")[1]["summary"] == "no run is due"


@pytest.mark.parametrize("place", [{}], indirect=True)
def test_by_hand_it_goes_on_sooner_only_if_its_time_has_come(place: Place) -> None:
    house, world = place
    _, result = house.work(A, waiting(time.time() + 3600))
    kind, result = resume(house, result)
    assert kind == "interrupted"
    assert "paused" in result["summary"]
    assert house.ask("run.cancel", run=result["run"])[0] == "done"
    assert world.effects == {"paint a": 1}


@pytest.mark.parametrize("place", [{}], indirect=True)
def test_one_that_cannot_go_on_keeps_no_other_from_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = place
    soon = time.time() + 60
    _, first = house.work(waiting(soon), {"do": "check", "to": ["nothing"]})
    _, second = house.work({**waiting(soon + 1), "to": ["v"]}, A)
    monkeypatch.setattr("time.time", lambda: soon + 10)
    kind, result = house.ask("run.resume_due")
    assert kind == "failed"
    assert [entry["run"] for entry in result["failed"]] == [first["run"]]
    assert house.run(second["run"]).state == "succeeded"


@pytest.mark.parametrize("order", [["late", "soon"], ["soon", "late"]])
@pytest.mark.parametrize("place", [{}], indirect=True)
def test_a_run_goes_on_when_the_first_of_its_steps_can(place: Place, order: list[str]) -> None:
    house, _ = place
    until = time.time() + 3600
    stage = {**waiting(until), "to": order, "at_most": 2, "on_failure": "continue"}
    stage["data"]["later"] = {"late": 600}
    _, result = house.work(stage)
    with house.journal() as journal:
        run = journal.run(result["run"])
    assert run.go_on_at == pytest.approx(until, abs=1)
