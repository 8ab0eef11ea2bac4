"""Deciding by a person's word what nothing else can tell: ``run.settle`` and what is said of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import update

from state.schema import runs
from support import sample_parts  # noqa: F401 - it registers the steps
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, Fault, World
from workflow_api import Requester

Place = tuple[House, World, str]
BEA = Requester(user="bea", origin="st2:7", execution_id="7")
OPEN: dict[str, list[Fault]] = {"a": ["dropped", "unanswered"], "b": ["dropped", "unanswered"]}
STAGES = [
    {"do": "paint", "to": ["a", "b"], "at_most": 2},
    {"do": "paint", "to": ["c"]},
]


@contextmanager
def begun_together() -> Iterator[None]:
    """Let the first two steps wait for each other: one that fails alone keeps the other away."""
    both, original = threading.Barrier(2), World.fault

    def fault(world: World, name: str, *kinds: Fault) -> Fault | None:
        if "dropped" in kinds and name in ("a", "b"):
            both.wait(20)
        return original(world, name, *kinds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "fault", fault)
        yield


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with toy_house(**OPEN) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        with begun_together():
            kind, result = house.work(*STAGES)
        assert (kind, house.states(result["run"])) == (
            "interrupted",
            {"a": "unknown", "b": "unknown", "c": "pending"},
        )
        yield house, world, result["run"]


def settle(house: House, run: str, **given: Any) -> tuple[str, dict[str, Any]]:
    asked = {"run": run, "step": "paint a", "as": "done", "reason": "I have seen it", **given}
    return house.ask("run.settle", BEA, **asked)


@pytest.mark.long
def test_as_done_it_is_not_done_again(place: Place) -> None:
    house, world, run = place
    kind, result = settle(house, run)
    assert kind == "done"
    assert "paint a green: settled as done by bea: I have seen it. Nothing was sent." in (
        result["summary"]
    )
    assert "Open is still: paint b green." in result["summary"]
    assert house.states(run) == {"a": "done", "b": "unknown", "c": "pending"}
    assert (house.run(run).state, bool(house.claims(run))) == ("interrupted", True)
    assert house.ask("run.resume", run=run)[0] == "done"
    assert world.effects == {"paint b": 1, "paint c": 1}


def test_as_not_done_it_is_done_by_a_resume(place: Place) -> None:
    house, world, run = place
    assert settle(house, run, **{"as": "not_done"})[0] == "done"
    assert house.states(run)["a"] == "pending"
    assert house.ask("run.resume", run=run)[0] == "done"
    assert world.effects == {"paint a": 1, "paint b": 1, "paint c": 1}


def test_what_is_open_is_looked_up_before_anything_else_can_fail(place: Place) -> None:
    house, world, run = place
    settle(house, run, **{"as": "not_done"})
    with house.journal() as journal:
        plan = journal.run(run).plan
        assert plan is not None
        plan["stages"][0]["at_most"] = 1
        with journal.store.transaction() as tx:
            tx.execute(update(runs).where(runs.c.id == run).values(plan=plan))
    world.path.write_text(json.dumps({**world.state, "faults": {"a": ["failed"]}}))
    assert house.ask("run.resume", run=run)[0] == "failed"
    assert house.states(run) == {"a": "failed", "b": "done", "c": "pending"}


def test_who_said_so_is_journalled_and_shown(place: Place) -> None:
    house, _, run = place
    settle(house, run)
    with house.journal() as journal:
        (attempt,) = [a for a in journal.attempts(run) if a.kind == "settle"]
    assert attempt.notes == {
        "by": "bea",
        "origin": "st2:7",
        "execution_id": "7",
        "reason": "I have seen it",
        "was": "unknown",
    }
    shown = house.ask("run.show", run=run)[1]
    assert "paint a green: settled by bea: I have seen it" in shown["text"]
    assert shown["rows"][0]["said"] == "settled as done by bea: I have seen it"


def test_when_all_is_settled_the_run_can_be_given_up(place: Place) -> None:
    house, world, run = place
    settle(house, run)
    settle(house, run, step="toys.paint:b", **{"as": "not_done"})
    assert house.ask("run.cancel", run=run)[0] == "done"
    assert house.run(run).state == "cancelled"
    assert not house.claims(run)
    assert not world.effects


def test_the_only_open_step_needs_no_name(place: Place) -> None:
    house, _, run = place
    settle(house, run)
    assert settle(house, run, step=None)[0] == "done"
    assert house.states(run) == {"a": "done", "b": "done", "c": "pending"}


@pytest.mark.long
def test_what_is_done_in_part_can_be_settled(place: Place) -> None:
    house, world, _ = place
    world.path.write_text(json.dumps({**world.state, "faults": {"h": ["lost", *["stuck"] * 9]}}))
    _, result = house.work({"do": "build", "to": ["h"]})
    assert house.states(result["run"]) == {"h": "begun"}
    assert settle(house, result["run"], step="h")[0] == "done"
    assert house.ask("run.resume", run=result["run"])[0] == "done"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"step": None}, "2 steps are open: toys.paint:a, toys.paint:b. Say which one."),
        ({"step": "paint"}, "'paint' is the name of several step that is open."),
        ({"step": "roof"}, "Those of run"),
        ({"step": "toys.paint:c"}, "'paint c green' is pending: it needs nobody's word."),
        ({"reason": "  "}, "reason must have 1 to 1000 characters"),
        ({"as": "perhaps"}, "run.settle: as is one of done, not_done, not 'perhaps'."),
        ({"as": None}, "run.settle needs as."),
        ({"run": "nonesuch"}, "There is no run 'nonesuch'"),
    ],
)
def test_what_it_refuses(place: Place, given: dict[str, Any], why: str) -> None:
    house, _, run = place
    kind, result = settle(house, given.pop("run", run), **given)
    assert (kind, why in result["summary"]) == ("refused", True), result["summary"]
    assert house.states(run) == {"a": "unknown", "b": "unknown", "c": "pending"}
    assert house.run(run).state == "interrupted"


def test_a_run_that_has_ended_is_not_settled(place: Place) -> None:
    house, _, run = place
    house.ask("run.resume", run=run)
    kind, result = settle(house, run)
    assert (kind, "is succeeded" in result["summary"]) == ("refused", True)


@pytest.mark.long
def test_a_step_of_a_child_is_settled_in_the_child(place: Place) -> None:
    house, world, _ = place
    world.path.write_text(json.dumps({**world.state, "faults": {"k": ["dropped", "unanswered"]}}))
    _, result = house.work({"run": [{"do": "paint", "to": ["k"]}]}, {"do": "paint", "to": ["m"]})
    run = result["run"]
    with house.journal() as journal:
        (child,) = journal.children(run)
    kind, refused = settle(house, run, step=None)
    assert (kind, f"run.settle run={child.id}" in refused["summary"]) == ("refused", True)
    kind, told = settle(house, child.id, step=None)
    assert kind == "done"
    assert f"run.resume run={run}" in told["summary"]
    assert house.ask("run.resume", run=run)[0] == "done"
    assert "paint k" not in world.effects


def test_run_show_tells_what_went_wrong_with_its_requests(place: Place) -> None:
    house, _, run = place
    text = house.ask("run.show", run=run)[1]["text"]
    assert "paint a green: unknown: No answer came." in text
    assert "look up: paint a green: unknown: It could not be looked up" in text
    assert f"run.settle run={run}" in text
