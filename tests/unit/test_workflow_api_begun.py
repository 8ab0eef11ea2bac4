"""Steps that are done in part: continued, finished or undone, and never told as not started."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from engine.reporter import LineReporter
from support import sample_parts  # noqa: F401 - it registers the steps
from support.fake_cloud_runs import FakeAttempt
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, Fault, World
from support.state import expire
from support.victims import Victim
from workflow_api import Attempt, Begun, Context, Plan, step, workflow
from workflow_api.step import definition_of

KILLS = int(os.environ.get("CRASH_KILLS", "6"))
BUILD = {"do": "build", "to": ["h"]}
PAINT = {"do": "paint", "to": ["a"]}
SLOW_BUILD = {**BUILD, "data": {"seconds": 60}}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, World]]:
    with toy_house() as (house, world):
        house.limits = {"lease": "1s", "grace": "0.2s"}
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


class Case(NamedTuple):
    """A plan with a step that is done in part, what goes wrong, and what that comes to."""

    id: str
    stages: list[dict[str, Any]]
    faults: dict[str, list[Fault]]
    run: str
    states: str
    log: str


CASES = [
    Case("it is continued", [BUILD, PAINT], {"h": ["lost"]}, "succeeded", "h=done a=done",
         "raise h, roof h, paint a"),
    Case("a refusal to go on leaves it begun, and the next try ends it", [BUILD],
         {"h": ["lost", "stuck"]}, "succeeded", "h=done", "raise h, roof h"),
    Case("what failed beside it ends the run only when it is finished",
         [{"do": "build", "to": ["x", "h"], "at_most": 2, "on_failure": "continue"},
          {"do": "check", "to": ["z"]}], {"h": ["lost", "stuck"]}, "failed",
         "x=done h=done z=failed", ""),
    Case("what cannot be finished keeps its run open", [BUILD, PAINT],
         {"h": ["lost", "stuck", "stuck", "stuck"]}, "interrupted", "h=begun a=pending", "raise h"),
    Case("on failure it is undone where the plan says so",
         [{**BUILD, "undo": "on_failure", "on_failure": "continue"}, {"do": "check", "to": ["z"]}],
         {"h": ["lost", "stuck"]}, "failed", "h=undone z=failed", "raise h, raze h"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_becomes_of_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_house(**case.faults) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work(*case.stages)
        told = " ".join(f"{key}={state}" for key, state in house.states(result["run"]).items())
        assert (house.run(result["run"]).state, told) == (case.run, case.states), result["text"]
        log = ", ".join(entry["what"] for entry in world.state["log"])
        assert case.log in ("", log)
        assert "walls" not in world.things.values() or case.run == "interrupted"
        assert "was not started" not in str([e for e in result["left"] if "build" in e["what"]])
        assert bool(house.claims(result["run"])) == (case.run == "interrupted")


def break_things(world: World, **faults: list[Fault]) -> None:
    world.path.write_text(json.dumps({**world.state, "faults": faults}))


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def last_run(house: House) -> str:
    with house.journal() as journal:
        return journal.recent(limit=1)[0].id


def killed(house: House, world: World, at: str, *stages: dict[str, Any]) -> str:
    """Kill a run there, let its lease end and return the run."""
    house.limits["lease"] = "30s"
    with Victim(house, world.path, "toy.work", at, stages=list(stages)) as victim:
        assert victim.kill_when_stopped() is None
    return expired(house)


def expired(house: House) -> str:
    """Let the lease of the last run have ended; return the run."""
    run = last_run(house)
    with house.journal() as journal:
        expire(journal, run)
    return run


@pytest.mark.long
def test_a_cancel_after_a_kill_finishes_it(place: tuple[House, World]) -> None:
    house, world = place
    run = killed(house, world, "after raise h", BUILD, PAINT)
    kind, result = house.ask("run.cancel", run=run)
    assert (kind, house.run(run).state) == ("done", "cancelled")
    assert house.states(run) == {"h": "done", "a": "pending"}
    assert world.effects == {"raise h": 1, "roof h": 1}
    assert [entry["why"] for entry in result["left"]] == ["it was not started"]


@pytest.mark.long
def test_a_cancel_after_a_kill_undoes_it_where_the_plan_says_so(
    place: tuple[House, World],
) -> None:
    house, world = place
    run = killed(house, world, "after raise h", {**BUILD, "undo": "on_cancel"})
    assert house.ask("run.cancel", run=run)[0] == "done"
    assert house.states(run) == {"h": "undone"}
    assert world.effects == {"raise h": 1, "raze h": 1}
    assert house.ask("run.show", run=run)[1]["rows"][0]["said"].startswith("it was undone")


@pytest.mark.long
def test_a_resume_that_ends_because_a_sibling_failed_finishes_it(
    place: tuple[House, World],
) -> None:
    house, world = place
    break_things(world, x=["failed"])
    stages = [{**SLOW_BUILD, "to": ["x", "h"], "at_most": 2}, PAINT]
    house.limits["lease"] = "30s"
    with Victim(house, world.path, "toy.work", "before end_attempt", stages=stages) as victim:
        victim.wait_for("before end_attempt")  # with x: nothing is begun beside what has failed
        wait_until(lambda: "h" in world.things)
        victim.go_on()
        wait_until(lambda: house.states(last_run(house))["x"] == "failed")
        victim.kill()
    run = expired(house)
    kind, _ = house.ask("run.resume", run=run)
    assert (kind, house.run(run).state) == ("failed", "failed")
    assert house.states(run) == {"x": "failed", "h": "done", "a": "pending"}
    assert world.effects == {"raise h": 1, "roof h": 1}


@pytest.mark.long
def test_a_cancel_that_cannot_finish_it_keeps_the_run_and_advises_what_works(
    place: tuple[House, World],
) -> None:
    house, world = place
    run = killed(house, world, "after raise h", BUILD)
    break_things(world, h=["stuck", "stuck"])
    for _ in range(2):
        kind, result = house.ask("run.cancel", run=run)
        assert (kind, house.run(run).state) == ("interrupted", "interrupted")
        assert house.states(run) == {"h": "begun"}
        assert "run.cancel" not in result["summary"]
        assert f"run.settle run={run} step=toy_parts.build:h" in result["summary"]
        assert "h has no roof yet; There are no tiles" in result["summary"]
        assert house.claims(run)
    assert house.ask("run.cancel", run=run)[0] == "done"
    assert world.things["h"] == "house"


@pytest.mark.long
def test_a_second_cancel_after_the_grace_finishes_it(place: tuple[House, World]) -> None:
    house, world = place
    house.limits["lease"] = "30s"
    with Victim(house, world.path, "toy.work", stages=[SLOW_BUILD]) as victim:
        wait_until(lambda: "h" in world.things)
        run = last_run(house)
        victim.signal(signal.SIGINT)
        victim.answer()
    assert house.states(run) == {"h": "unknown"}
    assert house.ask("run.cancel", run=run)[0] == "done"
    assert world.effects == {"raise h": 1, "roof h": 1}
    assert house.run(run).state == "cancelled"


# -- many parts --------------------------------------------------------------------------------

POST = {"do": "post", "to": ["p"], "data": {"seconds": 0.3}}


def wait_for_letters(world: World, number: int) -> None:
    wait_until(lambda: world.effects.total() >= number)


@pytest.mark.long
def test_a_cancel_tells_the_parts(place: tuple[House, World]) -> None:
    house, world = place
    with Victim(house, world.path, "toy.work", stages=[POST, PAINT]) as victim:
        wait_for_letters(world, 2)
        run = last_run(house)
        house.ask("run.cancel", run=run)
        answer = victim.answer()
    posted = world.effects.total()
    said = f"{posted} of 6 letters posted"
    assert house.run(run).state == "cancelled"
    result = answer["result"]
    assert said in result["summary"]
    assert {"what": "post 6 letters of p", "why": f"it was done in part: {said}"} in result["left"]
    (row,) = result["changed"]
    assert (row["state"], row["said"], row["posted"]) == ("begun", said, posted)
    shown = house.ask("run.show", run=run)[1]
    assert (shown["rows"][0]["state"], shown["rows"][0]["said"]) == ("begun", said)
    assert said in house.run(run).summary


@pytest.mark.long
def test_a_kill_and_a_cancel_tell_the_parts(place: tuple[House, World]) -> None:
    house, world = place
    run = killed(house, world, "after post p-2", POST)
    _, result = house.ask("run.cancel", run=run)
    assert house.run(run).state == "cancelled"
    assert "3 of 6 letters posted" in result["summary"]
    assert "not started" not in result["text"]


@pytest.mark.long
def test_what_is_interrupted_between_parts_is_gone_on_with(place: tuple[House, World]) -> None:
    house, world = place
    house.limits["lease"] = "30s"
    with Victim(house, world.path, "toy.work", stages=[POST]) as victim:
        wait_for_letters(world, 2)
        victim.signal(signal.SIGTERM)
        result = victim.answer()["result"]
    assert house.states(result["run"]) == {"p": "begun"}
    assert "of 6 letters posted" in result["summary"]
    assert house.ask("run.resume", run=result["run"])[0] == "done"
    assert set(world.effects.values()) == {1}
    assert world.effects.total() == 6


# -- what the engine asks of such steps --------------------------------------------------------


def test_a_finish_needs_a_find() -> None:
    with pytest.raises(TypeError, match="no find"):
        step("toy.do", "do {name}", finish=lambda name: None)(lambda name: None)


def test_a_step_that_is_begun_needs_a_find(place: tuple[House, World]) -> None:
    house, _ = place

    @step("test_workflow_api_begun.halve", "halve")
    def halve(attempt: Attempt) -> Begun:
        return Begun("a half")

    @workflow("toy.halving")
    def halving(ctx: Context) -> Plan:
        plan = Plan("Halve")
        plan.add(halve)
        return plan

    _, result = house.ask("toy.halving")
    with house.journal() as journal:
        (attempt,) = journal.attempts(result["run"])
    assert (attempt.state, house.states(result["run"])) == ("unknown", {"": "unknown"})
    assert "this is a bug in the pack" in (attempt.error or "")


# -- progress ----------------------------------------------------------------------------------


def counts(text: str) -> list[tuple[int, int]]:
    return [(int(n), int(of)) for n, of in re.findall(r"\[(\d+)/(\d+)\]$", text, re.M)]


def test_progress_counts_each_step_once_and_on_from_where_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = [
        {**PAINT, "undo": "on_failure"},
        {"run": [{"do": "paint", "to": ["a2"], "undo": "on_failure"}]},
        {"do": "paint", "to": ["b"]},
        {"do": "check", "to": ["nothing"]},
    ]
    faults: dict[str, list[Fault]] = {"b": ["lost", "unanswered"]}
    with toy_house(**faults) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        house.reporter = LineReporter()  # type: ignore[assignment]
        _, first = house.work(*stages)
        before = capsys.readouterr().out
        house.reporter = LineReporter()  # type: ignore[assignment]
        house.ask("run.resume", run=first["run"])
        after = capsys.readouterr().out
    assert counts(before)[-1] == (3, 5)
    assert "4 steps, 2 of them ended before" in after
    assert counts(after)[0] == (3, 4), after
    assert all(0 < n <= of for n, of in counts(before + after)), after
    assert counts(after)[-1] == (5, 5)


# -- killed anywhere ---------------------------------------------------------------------------


@pytest.mark.long
def test_killed_anywhere_and_then_gone_on_with_or_given_up_nothing_is_left_in_part() -> None:
    """Killed at a seeded moment, before a step that fails, and then resumed or cancelled."""
    stages = [{"do": "build", "to": ["h", "i"], "at_most": 2}, PAINT, {"do": "check", "to": ["z"]}]
    wrong = []
    for seed in range(KILLS):
        choose = random.Random(seed)
        with toy_house() as (house, world), pytest.MonkeyPatch.context() as patch:
            house.limits = {"lease": "30s", "grace": "5s"}
            patch.setenv(WORLD, str(world.path))
            stop_at = choose.randint(4, 40)
            with Victim(house, world.path, "toy.work", stop_at, stages=stages) as victim:
                victim.kill_when_stopped()
            with house.journal() as journal:
                if not journal.recent(limit=1):
                    continue
            run = expired(house)
            if house.run(run).shown_state == "interrupted":
                house.ask(choose.choice(["run.resume", "run.cancel"]), run=run)
            in_part = [name for name, what in world.things.items() if what == "walls"]
            if in_part or house.run(run).state not in ("failed", "cancelled"):
                wrong.append((seed, stop_at, in_part, house.run(run).state))
            if any(times > 1 for times in world.effects.values()):
                wrong.append((seed, stop_at, dict(world.effects), "twice"))
    assert wrong == []


@pytest.mark.parametrize("left", [["a"], [{"what": "a"}], "a"])
def test_what_is_said_to_be_left_has_a_reason(left: Any) -> None:
    """A report lists it; what is not of that form is told as the step's bug, at once."""

    @step("begun.leaves", "leave something", repeatable=True)
    def leaves() -> Begun:
        return Begun("in part", left=left)

    with pytest.raises(TypeError, match="left is a list of what and why"):
        definition_of(leaves).call(leaves, FakeAttempt(), {}, {})
