"""The engine, judged by what happens in a world that misbehaves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from support import sample_runbooks as toys
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, Fault, World
from workflow_api import Context, Interrupted, Plan, step, workflow


def paint(*names: str, **more: Any) -> dict[str, Any]:
    return {"do": "paint", "to": list(names), **more}


def knock(*names: str, **more: Any) -> dict[str, Any]:
    return {"do": "knock", "to": list(names), **more}


class Case(NamedTuple):
    """What is to be done, what goes wrong, and what that comes to."""

    id: str
    stages: list[dict[str, Any]]
    faults: dict[str, list[Fault]]
    kind: str
    run: str
    states: str
    effects: str
    held: bool = False


CASES = [
    Case("all goes well", [paint("a"), paint("b", "c")], {}, "done", "succeeded",
         "a=done b=done c=done", "paint a, paint b, paint c"),
    Case("nothing to do", [], {}, "done", "succeeded", "", ""),
    Case("a failure ends the run", [paint("a"), paint("b")], {"a": ["refused"]}, "failed", "failed",
         "a=failed b=pending", ""),
    Case("stop starts no further one", [paint("a", "b", "c")], {"b": ["failed"]}, "failed",
         "failed", "a=done b=failed c=pending", "paint a"),
    Case("continue goes on, in the group and after it",
         [paint("a", "b", "c", on_failure="continue"), paint("d")], {"b": ["failed"]}, "failed",
         "failed", "a=done b=failed c=done d=done", "paint a, paint c, paint d"),
    Case("continue goes on after a group of one", [paint("a", on_failure="continue"), paint("b")],
         {"a": ["failed"]}, "failed", "failed", "a=failed b=done", "paint b"),
    Case("a lost answer is looked up and not repeated", [paint("a"), paint("b")], {"a": ["lost"]},
         "done", "succeeded", "a=done b=done", "paint a, paint b"),
    Case("a dropped request is looked up and repeated", [paint("a")],
         {"a": ["dropped", "dropped"]}, "done", "succeeded", "a=done", "paint a"),
    Case("and that three times at most", [paint("a"), paint("b")], {"a": ["dropped"] * 5},
         "failed", "failed", "a=failed b=pending", ""),
    Case("without find a lost answer ends the run, and nothing is repeated",
         [knock("a"), paint("b")], {"a": ["lost"]}, "failed", "failed", "a=unknown b=pending",
         "knock a"),
    Case("what is repeatable is repeated without a look",
         [{"do": "sweep", "to": ["a"]}], {"a": ["lost"]}, "done", "succeeded", "a=done",
         "sweep a, sweep a"),
    Case("a poll that fails says nothing of the change before it", [paint("a")], {"a": ["busy"]},
         "done", "succeeded", "a=done", "paint a"),
    Case("a bug before anything was sent is a failure", [paint("a")], {"a": ["bug_before"]},
         "failed", "failed", "a=failed", ""),
    Case("a bug after the change was sent is looked up", [paint("a")], {"a": ["bug_after"]},
         "done", "succeeded", "a=done", "paint a"),
    Case("a bug of a step that sends past its accounts may have happened",
         [{"do": "ring", "to": ["a"]}], {}, "failed", "failed", "a=unknown", ""),
    Case("a look-up that is not answered leaves the step open", [paint("a"), paint("b")],
         {"a": ["lost", "unanswered"]}, "interrupted", "interrupted", "a=unknown b=pending",
         "paint a", held=True),
    Case("what gave up starts no further one of its group", [paint("a", "b")],
         {"a": ["lost", "unanswered"]}, "interrupted", "interrupted", "a=unknown b=pending",
         "paint a", held=True),
    Case("and so does one that breaks", [paint("a")], {"a": ["lost", "bug_find"]}, "interrupted",
         "interrupted", "a=unknown", "paint a", held=True),
    Case("a check that fails", [{"do": "check", "to": ["a"]}, paint("b")], {}, "failed", "failed",
         "a=failed b=pending", ""),
    Case("on failure what the plan says is undone, last first",
         [paint("a", undo="on_failure"), paint("b", undo="never"),
          paint("c", undo="on_failure"), paint("d", undo="on_cancel"),
          paint("e", undo="on_failure")],
         {"e": ["failed"]}, "failed", "failed", "a=undone b=done c=undone d=done e=failed",
         "paint a, paint b, paint c, paint d, strip c, strip a"),
    Case("an undo that fails is said, and the others are undone",
         [paint("a", "b", undo="on_failure"), paint("c")], {"b": ["undo_fails"], "c": ["failed"]},
         "failed", "failed", "a=undone b=done c=failed", "paint a, paint b, strip a"),
    Case("nothing is undone while something is open",
         [paint("a", undo="on_failure"), paint("b")], {"b": ["lost", "unanswered"]},
         "interrupted", "interrupted", "a=done b=unknown", "paint a, paint b", held=True),
    Case("a child run", [{"run": [paint("a"), paint("b")]}, paint("c")], {}, "done", "succeeded",
         "0=done c=done", "paint a, paint b, paint c"),
    Case("a child that fails fails its step", [{"run": [paint("a"), paint("b")]}, paint("c")],
         {"b": ["failed"]}, "failed", "failed", "0=failed c=pending", "paint a"),
    Case("what a child did is undone with its parent",
         [{"run": [paint("a", undo="on_failure")]}, paint("b")], {"b": ["failed"]}, "failed",
         "failed", "0=done b=failed", "paint a, strip a"),
    Case("a child that is left open leaves its parent open", [{"run": [paint("a")]}, paint("b")],
         {"a": ["lost", "unanswered"]}, "interrupted", "interrupted", "0=unknown b=pending",
         "paint a", held=True),
]  # fmt: skip


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_becomes_of_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_house(**case.faults) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        kind, result = house.work(*case.stages)
        run = result["run"]
        told = " ".join(f"{key}={state}" for key, state in house.states(run).items())
        assert (kind, house.run(run).state, told) == (case.kind, case.run, case.states)
        assert ", ".join(entry["what"] for entry in world.state["log"]) == case.effects
        assert bool(house.claims(run)) == case.held


RESUMED = [case for case in CASES if case.kind == "interrupted"]


@pytest.mark.parametrize("case", RESUMED, ids=[case.id for case in RESUMED])
def test_what_was_left_open_is_settled_by_a_resume(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with toy_house(**case.faults) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work(*case.stages)
        kind, resumed = house.ask("run.resume", run=result["run"])
        assert (kind, resumed["run"]) == ("done", result["run"])
        assert set(world.effects.values()) == {1}
        assert set(house.states(result["run"]).values()) == {"done"}
        assert not house.claims(result["run"])


@pytest.mark.parametrize("case", RESUMED, ids=[case.id for case in RESUMED])
def test_what_was_left_open_is_settled_by_a_cancel(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with toy_house(**case.faults) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work(*case.stages)
        before = world.effects
        kind, cancelled = house.ask("run.cancel", run=result["run"])
        assert kind == "done", cancelled["text"]
        assert house.run(result["run"]).state == "cancelled"
        assert not house.claims(result["run"])
        with house.journal() as journal:
            family = [result["run"], *(child.id for child in journal.children(result["run"]))]
            states = {step.state for run in family for step in journal.steps(run)}
        assert "unknown" not in states
        assert {what for what in world.effects - before if what.startswith("paint")} == set()


@pytest.mark.long
def test_at_most_so_many_at_once(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def pause(where: str) -> None:
        if where.startswith("before"):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.05)
        elif where.startswith("after"):
            with lock:
                now[0] -= 1

    monkeypatch.setattr(World, "pause", staticmethod(pause))
    kind, _ = house.work(paint(*"abcdefgh", at_most=3))
    assert kind == "done"
    assert most[0] == 3


@pytest.mark.parametrize("within", [False, True], ids=["of its own", "of a child"])
def test_an_undo_that_was_left_is_gone_on_with(house: House, within: bool) -> None:
    stops = [Interrupted("The process was told to stop.")]

    def put_back(yard: toys.Yard, name: str) -> None:
        if stops and name == "a":
            raise stops.pop()
        yard.world.change("put back", name, None)

    @step("test_workflow_api_engine.take", "take {name}", key="{name}", undo=put_back)
    def take(yard: toys.Yard, name: str) -> None:
        yard.world.change("take", name, "taken")

    @workflow("toy.taking")
    def taking(ctx: Context, yard: toys.Yard, within: bool, check: bool = True) -> Plan:
        plan = Plan("Take")
        if within:
            plan.run("toy.taking", within=False, check=False)
        else:
            plan.each(take, [{"name": "a"}, {"name": "b"}], undo="on_failure")
        if check:
            plan.add(toys.check, name="nothing")
        return plan

    kind, result = house.ask("toy.taking", within=within)
    assert kind == "interrupted"
    done = {"toy.taking": "done"} if within else {"a": "done", "b": "undone"}
    assert house.states(result["run"]) == {**done, "nothing": "failed"}
    kind, _ = house.ask("run.resume", run=result["run"])
    assert kind == "failed"
    with house.journal() as journal:
        run = journal.children(result["run"])[0].id if within else result["run"]
    assert {name: house.states(run)[name] for name in "ab"} == {"a": "undone", "b": "undone"}
    each = {"take a", "take b", "put back a", "put back b"}
    assert World(os.environ[WORLD]).effects == dict.fromkeys(each, 1)


def test_a_failed_undo_is_told_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_house(a=["undo_fails"], b=["failed"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work(paint("a", undo="on_failure"), paint("b"))
        whys = {entry["what"]: entry["why"] for entry in result["failed"]}
        assert "could not be undone: The paint sticks." in whys["paint a green"]
        assert [entry["what"] for entry in result["changed"]] == ["paint a green"]


def test_a_later_step_gets_what_an_earlier_one_returned(house: House) -> None:
    @workflow("toy.chain")
    def chain(ctx: Context, yard: toys.Yard) -> Plan:
        plan = Plan("Chain")
        first = plan.add(toys.paint, name="a", color="red")
        plan.add(toys.paint, name="b", color=first["color"])
        plan.run("toy.work", stages=[paint("c", data={"color": first["color"]})])
        plan.add(toys.paint, name="d", color=first["nothing"])
        return plan

    kind, shown = house.ask("toy.chain", dry_run=True)
    assert kind == "done"
    assert "paint b <toys.paint:a.color>" in shown["text"]
    assert "an earlier step has to end first" in shown["text"]
    kind, result = house.ask("toy.chain")
    assert kind == "failed"
    assert "of an earlier step" in result["failed"][0]["why"]
    assert World(os.environ[WORLD]).things == {"a": "red", "b": "red", "c": "red"}
