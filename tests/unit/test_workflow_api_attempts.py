"""One try at a step: what it may do, what is journalled of it, and what its end means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from common import tracing
from engine.stop import Stop
from support import sample_runbooks as toys
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World, Yard
from support.stops import stops
from workflow_api import (
    Attempt,
    Begun,
    CloudError,
    Context,
    Plan,
    UnknownOutcome,
    step,
    workflow,
)

__all__ = ["stops"]

A = {"do": "paint", "to": ["a"]}


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house


def kinds(house: House, run: str) -> list[str]:
    """Return what was tried at the steps of a run, in order."""
    with house.journal() as journal:
        return [attempt.kind for attempt in journal.attempts(run)]


def world() -> World:
    return World(os.environ[WORLD])


# -- notes -------------------------------------------------------------------------------------

NOTES: list[list[dict[str, Any]]] = []
SEEN: list[dict[str, Any]] = []


def find_measured(attempt: Attempt, yard: Yard) -> dict[str, Any] | None:
    SEEN.append(dict(attempt.notes))
    return None if NOTES else {"said": "it is measured"}


@step("test_workflow_api_attempts.measure", "measure", find=find_measured)
def measure(attempt: Attempt, yard: Yard) -> None:
    """Note what is to be known before the change, and get no answer."""
    for facts in NOTES.pop(0):
        attempt.note(**facts)
    tracing.current().sending()  # type: ignore[union-attr]
    raise UnknownOutcome("No answer came.")


@workflow("toy.measuring")
def measuring(ctx: Context, yard: Yard) -> Plan:
    plan = Plan("Measure")
    plan.add(measure)
    return plan


@pytest.mark.parametrize(
    ("notes", "seen"),
    [
        ([[{"newest": 7}, {"host": "cmp-1"}]], [{"newest": 7, "host": "cmp-1"}]),
        (
            [[{"newest": 7, "host": "cmp-1"}], [{"newest": 8}]],
            [{"newest": 7, "host": "cmp-1"}, {"newest": 8, "host": "cmp-1"}],
        ),
    ],
    ids=["of one try", "of a try and an earlier one"],
)
def test_a_look_up_sees_what_was_noted_before_the_change(
    house: House, notes: list[list[dict[str, Any]]], seen: list[dict[str, Any]]
) -> None:
    NOTES[:], SEEN[:] = notes, []
    kind, _ = house.ask("toy.measuring")
    assert (kind, SEEN) == ("done", seen)


# -- who may change something ------------------------------------------------------------------


def find_by_knocking(yard: Yard) -> None:
    yard.world.change("knock", "door", "knocked")


@step("test_workflow_api_attempts.call", "call", find=find_by_knocking)
def call(yard: Yard) -> None:
    """Get no answer."""
    raise UnknownOutcome("No answer came.")


@step("test_workflow_api_attempts.look", "look", changes=False)
def look(yard: Yard) -> None:
    """Do what a check must not."""
    yard.world.change("knock", "door", "knocked")


@workflow("toy.forbidden")
def forbidden(ctx: Context, yard: Yard, check: bool) -> Plan:
    plan = Plan("Change nothing")
    plan.add(look if check else call)
    return plan


@pytest.mark.parametrize(("check", "state"), [(True, "failed"), (False, "unknown")])
def test_neither_a_check_nor_a_look_up_changes_anything(
    house: House, check: bool, state: str
) -> None:
    _, result = house.ask("toy.forbidden", check=check)
    assert (house.states(result["run"]), dict(world().effects)) == ({"": state}, {})


# -- what an error means -----------------------------------------------------------------------


def find_rung(yard: Yard, status: int | None, sent: bool) -> dict[str, Any] | None:
    return {"said": "it rang"} if "bell" in yard.world.things else None


@step("test_workflow_api_attempts.ring", "ring", find=find_rung)
def ring(yard: Yard, status: int | None, sent: bool) -> None:
    """Send a change, or not, and be answered so."""
    if sent:
        yard.world.change("ring", "bell", "rung")
    tracing.current().request_ids.append("req-1")  # type: ignore[union-attr]
    raise CloudError("https://me:hunter2@db/ says \x1b[31mno", status=status)


@workflow("toy.ringing")
def ringing(ctx: Context, yard: Yard, sent: bool, status: int | None = None) -> Plan:
    plan = Plan("Ring")
    plan.add(ring, status=status, sent=sent)
    return plan


@pytest.mark.parametrize("status", [None, 408, 429, 500, 503])
def test_an_error_that_may_be_of_a_poll_says_nothing_of_the_change(
    house: House, status: int | None
) -> None:
    kind, result = house.ask("toy.ringing", status=status, sent=True)
    assert (kind, kinds(house, result["run"])) == ("done", ["apply", "find"])


@pytest.mark.parametrize(
    ("status", "sent"), [(400, True), (403, True), (409, True), (503, False), (None, False)]
)
def test_a_refusal_and_an_error_before_the_change_are_failures(
    house: House, status: int | None, sent: bool
) -> None:
    kind, result = house.ask("toy.ringing", status=status, sent=sent)
    assert (kind, kinds(house, result["run"])) == ("failed", ["apply"])
    assert house.states(result["run"]) == {"": "failed"}


@pytest.mark.parametrize(("status", "kind"), [(403, "failed"), (503, "done")])
def test_what_is_journalled_of_an_error(house: House, status: int, kind: str) -> None:
    ended, result = house.ask("toy.ringing", status=status, sent=True)
    with house.journal() as journal:
        tried = journal.attempts(result["run"])[0]
    assert (ended, tried.request_ids) == (kind, ["req-1"])
    assert tried.error == "https://me:********@db/ says no", "safe to print, and without secrets"


def test_what_a_cloud_called_a_change_is_journalled(house: House) -> None:
    @step("test_workflow_api_attempts.name", "name")
    def name(yard: Yard) -> None:
        tracing.current().request_ids.append("req-1")  # type: ignore[union-attr]

    @workflow("toy.naming")
    def naming(ctx: Context, yard: Yard) -> Plan:
        plan = Plan("Name")
        plan.add(name)
        return plan

    _, result = house.ask("toy.naming")
    with house.journal() as journal:
        assert [tried.request_ids for tried in journal.attempts(result["run"])] == [["req-1"]]


def test_a_bug_does_not_take_back_what_is_begun(house: House) -> None:
    answers = [Begun("half of it")]

    def find(yard: Yard) -> Begun:
        return Begun("half of it")

    @step("test_workflow_api_attempts.halve", "halve", find=find)
    def halve(yard: Yard) -> Begun:
        if answers:
            return answers.pop()
        raise KeyError("the other half")

    @workflow("toy.half")
    def half(ctx: Context, yard: Yard) -> Plan:
        plan = Plan("Halve")
        plan.add(halve)
        return plan

    kind, result = house.ask("toy.half")
    assert (kind, house.states(result["run"])) == ("interrupted", {"": "begun"})


# -- going on ----------------------------------------------------------------------------------


def test_who_goes_on_knows_what_earlier_processes_have_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with toy_house(b=["lost", "unanswered"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))

        @workflow("toy.alike")
        def alike(ctx: Context, yard: Yard) -> Plan:
            plan = Plan("Paint alike")
            first = plan.add(toys.paint, name="a", color="red")
            plan.add(toys.paint, name="b")
            plan.add(toys.paint, name="c", color=first["color"])
            return plan

        kind, result = house.ask("toy.alike")
        assert kind == "interrupted"
        assert house.ask("run.resume", run=result["run"])[0] == "done"
        assert world.things == {"a": "red", "b": "green", "c": "red"}


def test_a_run_that_is_to_stop_begins_no_further_step_of_a_group(
    house: House, stops: list[Stop], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause(where: str) -> None:
        if where == "after paint a":
            stops[-1].request("interrupt", "its timeout is near")

    monkeypatch.setattr(World, "pause", staticmethod(pause))
    kind, result = house.work({**A, "to": ["a", "b"]}, {**A, "to": ["c"]})
    assert (kind, world().effects) == ("interrupted", {"paint a": 1})
    assert house.states(result["run"]) == {"a": "done", "b": "pending", "c": "pending"}


def test_a_check_that_was_left_is_made_again(house: House, stops: list[Stop]) -> None:
    house.limits["grace"] = "0.05s"
    made = []

    @step("test_workflow_api_attempts.watch", "watch", changes=False)
    def watch(attempt: Attempt, yard: Yard) -> None:
        made.append(attempt.key)
        if len(made) == 1:
            stops[-1].request("interrupt", "its timeout is near")
            attempt.wait(30)

    @workflow("toy.watching")
    def watching(ctx: Context, yard: Yard) -> Plan:
        plan = Plan("Watch")
        plan.add(watch)
        return plan

    kind, result = house.ask("toy.watching")
    assert (kind, house.states(result["run"])) == ("interrupted", {"": "unknown"})
    assert house.ask("run.resume", run=result["run"])[0] == "done"
    assert len(made) == 2


def test_a_run_that_is_to_stop_sends_nothing_once_more(house: House, stops: list[Stop]) -> None:
    def find(yard: Yard) -> None:
        stops[-1].request("interrupt", "its timeout is near")

    @step("test_workflow_api_attempts.drop", "drop", find=find)
    def drop(yard: Yard) -> None:
        raise UnknownOutcome("No answer came.")

    @workflow("toy.dropping")
    def dropping(ctx: Context, yard: Yard) -> Plan:
        plan = Plan("Drop")
        plan.add(drop)
        return plan

    kind, result = house.ask("toy.dropping")
    assert (kind, kinds(house, result["run"])) == ("interrupted", ["apply", "find"])
