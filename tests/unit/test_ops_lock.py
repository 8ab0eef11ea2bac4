"""ops.lock: what rules start is held up, what people start goes on and says so."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest

from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World
from workflow_api import Requester

Place = tuple[House, World]
PAINT = {"do": "paint", "to": ["a"]}
RULE = Requester(user="st2", origin="test", trigger_id="t-1")
WHY = "the storage is being moved"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


def lock(house: House, **how: str) -> str:
    kind, result = house.ask("ops.lock", reason=WHY, **how)
    assert kind == "done", result["text"]
    return str(result["text"])


def test_a_rule_starts_nothing_and_a_person_does(place: Place) -> None:
    house, world = place
    lock(house, until="4h")
    kind, result = house.work(PAINT, requester=RULE)
    assert kind == "refused"
    assert WHY in result["summary"]
    assert "held up by ann until" in result["summary"]
    assert world.effects == {}
    kind, result = house.work(PAINT)
    assert kind == "done"
    assert "Note: what rules start is held up by ann until" in result["text"]
    assert world.effects == {"paint a": 1}


def test_a_rule_may_look_and_plan(place: Place) -> None:
    house, world = place
    lock(house)
    kind, result = house.work(PAINT, requester=RULE, dry_run=True)
    assert kind == "done"
    kind, refused = house.ask("run.apply", RULE, run=result["run"])
    assert kind == "refused"
    assert "until ops.unlock" in refused["summary"]
    assert house.ask("run.list", RULE)[0] == "done"
    assert world.effects == {}


def test_a_rule_goes_on_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_house(a=["lost", "unanswered"]) as (other, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = other.work(PAINT)
        lock(other)
        assert other.ask("run.resume", RULE, run=result["run"])[0] == "refused"
        assert other.ask("run.resume", run=result["run"])[0] == "done"


def test_unlocked_rules_go_on(place: Place) -> None:
    house, _ = place
    lock(house)
    kind, result = house.ask("ops.unlock")
    assert (kind, result["failed"]) == ("done", [])
    assert "Note:" not in result["text"]
    assert house.work(PAINT, requester=RULE)[0] == "done"
    kind, result = house.ask("ops.unlock")
    assert kind == "done"
    assert "no lock is set" in result["text"]


def test_a_lock_whose_end_is_over_holds_up_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = place
    lock(house, until="90m")
    later = time.time() + 5401
    monkeypatch.setattr("state.ops_lock.time.time", lambda: later)
    assert house.work(PAINT, requester=RULE)[0] == "done"


def test_an_end_has_a_zone_and_is_not_over(place: Place) -> None:
    house, _ = place
    ahead = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    zone = datetime.timezone(datetime.timedelta(hours=9))
    text = lock(house, until=f"{ahead.astimezone(zone):%Y-%m-%dT%H:%M%z}")
    assert f"until {ahead:%Y-%m-%d %H:%M} UTC" in text
    behind = ahead - datetime.timedelta(hours=2)
    kind, result = house.ask("ops.lock", reason=WHY, until=f"{behind:%Y-%m-%dT%H:%MZ}")
    assert kind == "refused"
    assert "over already" in result["summary"]
    assert house.ask("ops.lock", reason=WHY, until="tomorrow")[0] == "refused"
    assert house.ask("ops.lock", reason="  ")[0] == "refused"


def test_a_new_lock_takes_the_place_of_the_old_one(place: Place) -> None:
    house, _ = place
    lock(house)
    kind, result = house.ask("ops.lock", reason="another", dry_run=True)
    assert kind == "done"
    assert "takes the place of the lock that is set: what rules start" in result["text"]
    assert WHY in result["text"]
    kind, result = house.ask("ops.lock", reason="another")
    assert "Note: what rules start is held up by ann until ops.unlock: another" in result["text"]


@pytest.mark.parametrize("by", ["a rule", "a person"])
def test_what_a_rule_started_and_is_paused_waits_for_the_end_of_the_lock(
    place: Place, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, world = place
    until = time.time() + 3600
    stages = [PAINT, {"do": "wait", "to": ["w"], "data": {"until": until}}]
    house.work(*stages, **({"requester": RULE} if by == "a rule" else {}))
    lock(house)
    monkeypatch.setattr("time.time", lambda: until + 1)
    kind, result = house.ask("run.resume_due")
    assert kind == "done", result["summary"]
    if by == "a rule":
        assert result["summary"] == "0 runs resumed, 1 held up by ops.lock"
        assert WHY in result["rows"][0]["said"]
        assert world.effects == {"paint a": 1}
        house.ask("ops.unlock")
        assert house.ask("run.resume_due")[1]["summary"] == "1 run resumed"
    assert world.effects == {"paint a": 1, "sweep w": 1}
