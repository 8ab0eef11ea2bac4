"""What observers remember and have to tell must be the same on every database.

A module that runs it has the fixture ``url``, and those of this module.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cases.journal_cases import store
from state.observations import Found, Observations, Taken, Turn, TurnLost
from state.store import Store
from support.state import empty

__all__ = ["observations", "store"]
STRANGE = "\N{GRINNING FACE}'\";--\\ %s :x \u202e"


@pytest.fixture
def observations(store: Store) -> Observations:
    """Observers' part of a store that is empty."""
    empty(store)
    return Observations(store)


def taken(observations: Observations, holder: str = "me", seconds: float = 60.0) -> Turn:
    """Return the turn that must be free."""
    turn = observations.take("toy", "prod", holder, seconds)
    assert isinstance(turn, Turn)
    return turn


def found(id: str, **payload: Any) -> Found:
    """Return an event."""
    return Found(id, f"toy:{id}", "toy", {"id": id, **payload})


class ObservationCases:
    """Turns, memories and events."""

    def test_what_is_stored_is_what_was(self, observations: Observations) -> None:
        turn = taken(observations)
        assert turn.memory is None
        one, two = found("1", name=STRANGE), found("2", facts={"deep": [1, None, 2.5]})
        observations.remember(turn, '{"known":{}}', [two, one])
        assert observations.untold("toy", "prod") == [two, one]
        assert observations.untold("toy", "other") == observations.untold("boy", "prod") == []
        assert taken(observations).memory == '{"known":{}}'
        assert observations.told(["2", "2", "9"]) == 1
        assert observations.untold("toy", "prod") == [one]

    def test_turns_are_by_observer_and_cloud(self, observations: Observations) -> None:
        taken(observations, "me")
        assert isinstance(observations.take("toy", "other", "you", 60.0), Turn)
        assert isinstance(observations.take("boy", "prod", "you", 60.0), Turn)
        assert isinstance(observations.take("toy", "prod", "you", 60.0), Taken)

    def test_who_leaves_keeps_nobody_waiting(self, observations: Observations) -> None:
        turn = taken(observations, "me")
        observations.remember(turn, "{}", [found("1")])
        observations.leave("toy", "you")
        assert isinstance(observations.take("toy", "prod", "you", 60.0), Taken)
        observations.leave("toy", "me")
        assert taken(observations, "you").memory == "{}"
        assert len(observations.untold("toy", "prod")) == 1

    def test_only_the_newest_turn_writes(self, observations: Observations) -> None:
        old = taken(observations)
        new = taken(observations)
        with pytest.raises(TurnLost):
            observations.remember(old, "{}", [found("1")])
        with pytest.raises(TurnLost):
            observations.failed(old, "too late")
        observations.remember(new, "{}", [found("1")])
        assert len(observations.untold("toy", "prod")) == 1

    def test_of_many_at_once_one_has_the_turn(self, observations: Observations) -> None:
        begin = threading.Barrier(6)

        def take(number: int) -> Turn | Taken:
            begin.wait()
            return observations.take("toy", "prod", f"node-{number}", 60.0)

        with ThreadPoolExecutor(6) as pool:
            turns = list(pool.map(take, range(6)))
        assert sum(isinstance(turn, Turn) for turn in turns) == 1

    def test_another_takes_over_when_the_lease_is_over(self, observations: Observations) -> None:
        taken(observations, "me", seconds=-1.0)
        after = taken(observations, "you")
        assert after.generation == 2

    def test_how_each_is_getting_on(self, observations: Observations) -> None:
        turn = taken(observations)
        observations.remember(turn, "{}", [found("1"), found("2")])
        observations.failed(turn, "no connection")
        (known,) = observations.all()
        assert (known.observer, known.cloud, known.holder) == ("toy", "prod", "me")
        assert (known.error, known.untold) == ("no connection", 2)
        assert known.looked_at is not None
        assert known.succeeded_at is not None
        assert known.succeeded_at <= known.looked_at <= known.now <= known.lease_until

    def test_what_was_told_long_ago_is_forgotten(self, observations: Observations) -> None:
        observations.remember(taken(observations), "{}", [found("1"), found("2")])
        observations.told(["1"])
        observations.forget(-1.0)
        assert [one.id for one in observations.untold("toy", "prod")] == ["2"]
