"""Runs that are killed, suspended and told to stop: real processes, real signals.

What happened is counted in the world that the processes share. ``CRASH_KILLS`` says how many kills
the seeded crash test does (4 by default; 60 with ``-m crash``).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World
from support.state import expire
from support.victims import Victim

KILLS = int(os.environ.get("CRASH_KILLS", "4"))
LEASE = "1s"
# A group, a chain, a child run with a step before and after: 8 changes.
STAGES: list[dict[str, Any]] = [
    {"do": "paint", "to": ["a"]},
    {"do": "paint", "to": ["b", "c", "d"], "at_most": 2},
    {"run": [{"do": "paint", "to": ["e", "f"], "at_most": 2}, {"do": "check", "to": ["e"]}]},
    {"do": "paint", "to": ["g", "h"]},
]
CHANGES = {f"paint {name}" for name in "abcdefgh"}
# More moments than a run of STAGES comes by.
MOMENTS = 80


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, World]]:
    with toy_house() as (house, world):
        house.limits = {"lease": LEASE, "grace": "0.2s"}
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


def killed_until_done(seed: int, kills: int) -> tuple[int, list[str]]:
    """Kill a run and those that go on with it, so many times; return how many kills it took.

    Every one is killed at a moment of its own, before or after something is journalled or
    changed, until one comes to its end.
    """
    choose, done, wrong = random.Random(seed), 0, []
    while done < kills:
        with toy_house() as (house, world):
            house.limits = {"lease": LEASE}
            name, parameters = "toy.work", {"stages": STAGES}
            answer = None
            while answer is None:
                stop_at = choose.randint(1, MOMENTS) if done < kills else 0
                with Victim(house, world.path, name, stop_at, **parameters) as victim:
                    answer = victim.kill_when_stopped()
                done += answer is None
                name, parameters = next_request(house)
                if answer is not None and answer["kind"] != "done" and name:
                    answer = None  # as after a lease that was lost on a busy machine
            with house.journal() as journal:
                last, *_ = journal.recent(limit=1)
                left = journal.claims_of(last.id)
            if (
                dict(world.effects) != dict.fromkeys(CHANGES, 1)
                or last.state != "succeeded"
                or left
            ):
                wrong.append(f"{seed}: {last.state}: {dict(world.effects)}, claims {left}")
    return done, wrong


def next_request(house: House) -> tuple[str, dict[str, Any]]:
    """Return what an operator asks for after a kill: to go on, or the same again."""
    with house.journal() as journal:
        for run in journal.recent(limit=5):
            if run.plan is not None and run.state in ("running", "interrupted"):
                return "run.resume", {"run": run.id}
    return "toy.work", {"stages": STAGES}


def crash(kills: int) -> None:
    # Several at a time: a killed run's lease has to be waited for.
    share = max(1, kills // 4)
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda seed: killed_until_done(seed, share), range(4)))
    assert sum(done for done, _ in ended) >= 4 * share
    assert [text for _, wrong in ended for text in wrong] == []


@pytest.mark.long
def test_killed_anywhere_nothing_is_lost_and_nothing_happens_twice() -> None:
    crash(KILLS)


@pytest.mark.crash
def test_killed_anywhere_many_times() -> None:
    crash(60)


@pytest.mark.long
def test_a_suspended_process_changes_nothing_more(place: tuple[House, World]) -> None:
    house, world = place
    stages = [{"do": "paint", "to": ["a", "b"]}]
    with Victim(house, world.path, "toy.work", "before paint a", stages=stages) as victim:
        victim.wait_for("before paint a")
        victim.signal(signal.SIGSTOP)
        with house.journal() as journal:
            (run,) = journal.recent(limit=5)
        kind, _ = house.ask("run.resume", run=run.id)  # waits until the lease has ended
        assert kind == "done"
        assert world.effects == {"paint a": 1, "paint b": 1}
        victim.signal(signal.SIGCONT)
        victim.go_on()
        answer = victim.answer()
    assert answer["kind"] == "interrupted"
    assert "lease" in answer["result"]["summary"]
    assert world.effects == {"paint a": 1, "paint b": 1}
    assert set(world.actors) == {os.getpid()}
    assert house.run(run.id).state == "succeeded"


SLOW = {"do": "paint", "to": ["a"], "data": {"seconds": 60}, "undo": "on_cancel"}
QUICK = {"do": "paint", "to": ["b"]}
PAINT = {"do": "paint", "to": ["a"]}


def run_of(house: House) -> str:
    with house.journal() as journal:
        return journal.recent(limit=1)[0].id


def wait_until_painted(world: World, name: str) -> None:
    until = time.monotonic() + 20
    while name not in world.things:
        assert time.monotonic() < until, f"nobody has painted {name}"
        time.sleep(0.02)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_step_where_a_look_up_finds_it(
    place: tuple[House, World], number: signal.Signals
) -> None:
    house, world = place
    house.limits["lease"] = "30s"
    with Victim(house, world.path, "toy.work", stages=[SLOW, QUICK]) as victim:
        wait_until_painted(world, "a")
        victim.signal(number)
        answer = victim.answer()
    run = answer["result"]["run"]
    assert answer["kind"] == "interrupted"
    assert number.name in answer["result"]["summary"]
    assert f"run.resume run={run}" in answer["result"]["summary"]
    assert house.run(run).state == "interrupted"
    assert house.states(run) == {"a": "unknown", "b": "pending"}
    assert house.claims(run) == ["thing:home:a", "thing:home:b"]
    assert house.ask("run.resume", run=run)[0] == "done"
    assert world.effects == {"paint a": 1, "paint b": 1}
    assert house.claims(run) == []


@pytest.mark.long
def test_ctrl_c_twice_does_not_wait_for_the_grace(place: tuple[House, World]) -> None:
    house, world = place
    house.limits = {"lease": "30s", "grace": "600s"}
    with Victim(house, world.path, "toy.work", stages=[SLOW, QUICK]) as victim:
        wait_until_painted(world, "a")
        victim.signal(signal.SIGINT)
        assert not victim.wait(0.2)
        victim.signal(signal.SIGINT)
        answer = victim.answer()
    assert answer["kind"] == "interrupted"
    assert house.states(answer["result"]["run"]) == {"a": "unknown", "b": "pending"}


@pytest.mark.long
def test_the_deadline_stops_a_run_in_time(place: tuple[House, World]) -> None:
    house, world = place
    house.limits["lease"] = "30s"
    started = time.monotonic()
    parameters = {"stages": [SLOW, QUICK], "deadline": "3"}
    with Victim(house, world.path, "toy.work", **parameters) as victim:
        answer = victim.answer()
    assert answer["kind"] == "interrupted"
    assert "its timeout is near" in answer["result"]["summary"]
    assert time.monotonic() - started < 20
    assert house.run(answer["result"]["run"]).state == "interrupted"


@pytest.mark.long
def test_a_cancel_from_another_process_settles_and_undoes(place: tuple[House, World]) -> None:
    house, world = place
    with Victim(house, world.path, "toy.work", stages=[SLOW, QUICK]) as victim:
        wait_until_painted(world, "a")
        run = run_of(house)
        kind, result = house.ask("run.cancel", run=run)
        answer = victim.answer()
    assert (kind, answer["kind"]) == ("done", "interrupted")
    assert "ann cancelled it" in result["summary"]
    assert house.run(run).state == "cancelled"
    assert house.states(run) == {"a": "undone", "b": "pending"}
    assert house.claims(run) == []
    assert world.effects == {"paint a": 1, "strip a": 1}


@pytest.mark.long
def test_a_cancel_of_a_dead_run_looks_before_it_undoes(place: tuple[House, World]) -> None:
    house, world = place
    with Victim(house, world.path, "toy.work", "after paint a", stages=[SLOW, QUICK]) as victim:
        assert victim.kill_when_stopped() is None
    run = run_of(house)
    with house.journal() as journal:
        expire(journal, run)  # an operator sees it as interrupted
    kind, _ = house.ask("run.cancel", run=run)
    assert kind == "done"
    assert house.run(run).state == "cancelled"
    assert house.states(run) == {"a": "undone", "b": "pending"}
    assert house.claims(run) == []
    assert world.effects == {"paint a": 1, "strip a": 1}


@pytest.mark.long
def test_a_plan_that_was_never_shown_is_not_carried_out_after_a_kill(
    place: tuple[House, World],
) -> None:
    house, world = place
    _, shown = house.work(QUICK, dry_run=True)
    with Victim(house, world.path, "run.apply", "claimed", run=shown["run"]) as victim:
        assert victim.kill_when_stopped() is None
    kind, result = house.ask("run.resume", run=shown["run"])
    assert (kind, house.run(shown["run"]).state) == ("refused", "planned")
    assert f"run.apply run={shown['run']}" in result["text"]
    assert not world.effects


@pytest.mark.long
def test_a_plan_whose_apply_was_killed_while_it_was_drawn_can_still_be_applied(
    place: tuple[House, World],
) -> None:
    house, world = place
    run = house.work(QUICK, dry_run=True)[1]["run"]
    with Victim(house, world.path, "run.apply", "claimed", run=run) as victim:
        assert victim.kill_when_stopped() is None
    with house.journal() as journal:
        expire(journal, run)
        assert [one.id for one in journal.recent(limit=5, state="planned")] == [run]
        assert journal.recent(limit=5, state="interrupted") == []
    told = house.ask("run.show", run=run)[1]["text"]
    assert "was not carried out" in told
    assert f"carry it out with run.apply run={run}" in told
    assert house.work(QUICK)[0] == "done"  # what it had claimed is in nobody's way
    assert (house.run(run).state, house.claims(run)) == ("planned", [])
    assert house.ask("run.apply", run=run)[0] == "done"
    assert world.effects == {"paint b": 2}


def test_of_two_starts_at_once_one_runs_and_the_other_names_it(
    place: tuple[House, World],
) -> None:
    house, world = place
    house.limits["lease"] = "30s"
    with (
        Victim(house, world.path, "toy.work", "before paint a", stages=[PAINT]) as one,
        Victim(house, world.path, "toy.work", "before paint a", stages=[PAINT]) as other,
    ):
        # Whoever runs stands before the change until the other has been refused.
        lines = {one: one.read(), other: other.read()}
        runs, refused = sorted(lines, key=lambda victim: not lines[victim].startswith("at "))
        runs.go_on()
        answer, refusal = runs.answer(), json.loads(lines[refused])
    assert (answer["kind"], refusal["kind"]) == ("done", "refused")
    assert f"is held by run {answer['result']['run']}" in refusal["result"]["summary"]
    assert world.effects == {"paint a": 1}
