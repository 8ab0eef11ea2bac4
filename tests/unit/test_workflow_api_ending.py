"""How a run ends that did not come to its end: what is settled, undone, kept, and left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from engine.stop import Stop
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World, Yard
from support.stops import stops
from workflow_api import Attempt, Context, Plan, step, workflow

__all__ = ["stops"]

A = {"do": "paint", "to": ["a"]}
B = {"do": "paint", "to": ["b"]}


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        house.limits["grace"] = "0.5s"
        yield house


def test_a_cancel_undoes_what_a_failure_would(monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_house(b=["lost", "unanswered"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work({**A, "undo": "on_failure"}, B)
        assert house.ask("run.cancel", run=result["run"])[0] == "done"
        assert house.states(result["run"]) == {"a": "undone", "b": "done"}


def test_what_a_cancel_could_not_undo_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_house(a=["undo_fails"], b=["lost", "unanswered"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work({**A, "undo": "on_cancel"}, B)
        kind, cancelled = house.ask("run.cancel", run=result["run"])
        assert (kind, house.run(result["run"]).state) == ("failed", "cancelled")
        assert "Not everything could be undone" in cancelled["summary"]


@pytest.mark.parametrize("within", [False, True], ids=["a step", "a child"])
def test_a_cancel_does_not_give_up_what_is_still_open(
    monkeypatch: pytest.MonkeyPatch, within: bool
) -> None:
    with toy_house(b=["lost", "unanswered", "unanswered"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        name = "0" if within else "b"
        stages: list[dict[str, Any]] = [{"run": [B]} if within else B]
        if not within:
            stages.insert(0, {**A, "undo": "on_cancel"})
        _, result = house.work(*stages)
        kind, _ = house.ask("run.cancel", run=result["run"])
        assert (kind, house.run(result["run"]).state) == ("interrupted", "interrupted")
        assert house.states(result["run"])[name] == "unknown"
        assert house.claims(result["run"])
        assert "strip a" not in world.effects, "nothing is undone while something is open"
        assert house.ask("run.cancel", run=result["run"])[0] == "done"
        assert house.run(result["run"]).state == "cancelled"


def test_a_run_that_is_left_is_not_told_as_failed_by_what_failed_before(
    monkeypatch: pytest.MonkeyPatch, stops: list[Stop]
) -> None:
    def pause(where: str) -> None:
        if where == "after paint b" and not stops[-1].requested:
            stops[-1].request("interrupt", "its timeout is near")

    monkeypatch.setattr(World, "pause", staticmethod(pause))
    with toy_house(a=["failed"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        kind, result = house.work({**A, "to": ["a", "b", "c"], "on_failure": "continue"})
        assert (kind, bool(house.claims(result["run"]))) == ("interrupted", True)
        monkeypatch.undo()
        monkeypatch.setenv(WORLD, str(world.path))
        assert house.ask("run.resume", run=result["run"])[0] == "failed"
        assert house.states(result["run"]) == {"a": "failed", "b": "done", "c": "done"}


# -- a step that is left under way while its run is cancelled ----------------------------------


def find_slowly(attempt: Attempt, yard: Yard, stops: int) -> dict[str, Any]:
    attempt.wait(0.01)
    return {"said": "it was done"}


def leave(attempt: Attempt, yard: Yard, stops: int) -> None:
    """Have the run cancelled and be left when the grace is over."""
    STOPS[stops][-1].request("cancel", "ann cancelled it")
    attempt.wait(30)


STOPS: dict[int, list[Stop]] = {}
found = step("test_workflow_api_ending.found", "be left", find=find_slowly)(leave)


@step("test_workflow_api_ending.swept", "be left", repeatable=True)
def swept(attempt: Attempt, yard: Yard, stops: int) -> None:
    """Be left, where doing it twice does no harm."""
    leave(attempt, yard, stops)


@workflow("toy.leaving")
def leaving(ctx: Context, yard: Yard, stops: int, repeatable: bool) -> Plan:
    plan = Plan("Leave")
    plan.add(swept if repeatable else found, stops=stops)
    return plan


@pytest.mark.long
@pytest.mark.parametrize(("repeatable", "state"), [(False, "done"), (True, "unknown")])
def test_what_a_cancel_left_is_settled_in_a_time_of_its_own(
    house: House, stops: list[Stop], repeatable: bool, state: str
) -> None:
    """What nobody is going to repeat is not said to be as it was, repeatable or not."""
    STOPS[os.getpid()] = stops
    _, result = house.ask("toy.leaving", stops=os.getpid(), repeatable=repeatable)
    assert house.run(result["run"]).state == "cancelled"
    assert house.states(result["run"]) == {"": state}
