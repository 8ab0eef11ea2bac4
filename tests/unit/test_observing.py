"""Polls: one node looks, what is news is stored with the memory of it, and told until confirmed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import update

from common.errors import CloudError
from observing.child import serve
from observing.polling import Poller
from state.journal import Journal
from state.observations import Found, Observations, Taken, Turn, TurnLost
from state.schema import observations
from support import sampling
from support.state import LEASE, new_run
from support.watching import CLOUD, ENTRY, NAME, Nursery, nursery


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    with nursery(monkeypatch) as made:
        yield made


def told(polled: Any) -> list[tuple[str, str, str]]:
    return [
        (e.payload["change"], e.payload["subject_id"], e.payload["state"]) for e in polled.events
    ]


def ids(polled: Any) -> list[str]:
    return [event.id for event in polled.events]


def test_what_is_news_is_told_until_it_is_confirmed(toys: Nursery) -> None:
    poller = toys.poller()
    toys.toys.states = {"a": "broken"}
    first = toys.poll(poller)
    assert told(first) == [("new", "a", "broken")]
    assert first.states == {"broken": 1}
    again = toys.poll(toys.poller())  # the process was killed and started anew
    assert again.events == first.events
    toys.toys.states = {"a": "fine"}
    both = toys.poll(poller)
    assert told(both) == [("new", "a", "broken"), ("changed", "a", "fine")]
    assert poller.confirm(ids(first)) == 1
    assert poller.confirm(ids(first)) == 0
    assert told(toys.poll(poller)) == [("changed", "a", "fine")]


def test_one_of_two_polls_and_the_other_takes_over(toys: Nursery) -> None:
    first, second = toys.poller("one"), toys.poller("two")
    toys.toys.states = {"a": "broken"}
    seen = toys.poll(first)
    waiting = toys.poll(second)
    assert (waiting.waits_for, list(waiting.events), toys.toys.looks) == ("one", [], 1)
    with first.store.transaction() as tx:
        tx.execute(update(observations).values(lease_until=observations.c.lease_until - 1e6))
    assert ids(toys.poll(second)) == ids(seen), "what the first has not confirmed"
    assert toys.poll(first).waits_for == "two"


def test_a_look_that_lost_its_turn_decides_nothing(toys: Nursery) -> None:
    store = Observations(toys.poller().store)
    slow = store.take(NAME, CLOUD, "me", 60.0)
    assert isinstance(slow, Turn)
    assert isinstance(store.take(NAME, CLOUD, "me", 60.0), Turn)
    with pytest.raises(TurnLost, match="another process"):
        store.remember(slow, "{}", [Found("1", "toy:a", NAME, {})])
    assert store.untold(NAME, CLOUD) == []
    (known,) = store.all()
    assert (known.looked_at, known.untold) == (None, 0)


def test_a_lease_that_is_over_is_no_turn(toys: Nursery) -> None:
    store = Observations(toys.poller().store)
    turn = store.take(NAME, CLOUD, "me", -1.0)
    assert isinstance(turn, Turn)
    with pytest.raises(TurnLost):
        store.remember(turn, "{}", [])
    other = store.take(NAME, CLOUD, "you", 60.0)
    assert isinstance(other, Turn)
    assert isinstance(taken := store.take(NAME, CLOUD, "me", 60.0), Taken)
    assert taken.holder == "you"
    assert 50 < taken.left <= 60


def test_a_cloud_that_does_not_answer_changes_nothing(toys: Nursery) -> None:
    poller = toys.poller()
    toys.toys.states = {"a": "broken"}
    poller.confirm(ids(toys.poll(poller)))
    toys.toys.error = CloudError("Cloud toy: no connection.")
    down = toys.poll(poller)
    assert (down.error, list(down.events)) == ("Cloud toy: no connection.", [])
    (known,) = Observations(poller.store).all()
    assert known.error == "Cloud toy: no connection."
    assert known.looked_at is not None
    assert known.succeeded_at is not None
    assert known.looked_at > known.succeeded_at
    toys.toys.error = None
    assert list(toys.poll(poller).events) == []
    (known,) = Observations(poller.store).all()
    assert known.error is None


def test_what_was_not_read_is_said_and_not_called_gone(toys: Nursery) -> None:
    poller = toys.poller()
    toys.toys.states = {"a": "broken"}
    poller.confirm(ids(toys.poll(poller)))
    toys.toys.states, toys.toys.unread = {}, ["cell 2: it does not answer"]
    partly = toys.poll(poller)
    assert list(partly.events) == []
    assert partly.error == "Not all was seen: cell 2: it does not answer"


@pytest.mark.parametrize("memory", ["{", '{"form": 99, "known": {}}', '{"known": {"a": 5}}'])
def test_a_memory_that_cannot_be_read_decides_nothing(toys: Nursery, memory: str) -> None:
    poller = toys.poller()
    toys.poll(poller)
    with poller.store.transaction() as tx:
        tx.execute(update(observations).values(memory=memory))
    toys.toys.states = {"a": "broken"}
    polled = toys.poll(poller)
    assert list(polled.events) == []
    assert "Nothing is decided" in str(polled.error)
    assert toys.toys.looks == 1
    with poller.store.reading() as tx:
        assert tx.execute(observations.select()).one().memory == memory


def test_what_lasts_is_not_told_again_while_a_run_holds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with nursery(monkeypatch, again="1s") as toys:
        poller = toys.poller()
        toys.toys.states = {"a": "broken"}
        poller.confirm(ids(toys.poll(poller)))
        _tell_earlier(poller)
        run = _run_on(poller, "toy:a")
        assert list(toys.poll(poller).events) == []
        Journal(poller.store).finish(run, 1, run, "succeeded", summary="done")
        assert told(toys.poll(poller)) == [("still", "a", "broken")]
        _tell_earlier(poller)
        assert told(toys.poll(poller)) == [("still", "a", "broken")], "it waits to be told already"


def _tell_earlier(poller: Poller) -> None:
    """Let what was told have been told long ago."""
    with poller.store.transaction() as tx:
        known = json.loads(tx.execute(observations.select()).one().memory)
        for one in known["known"].values():
            one[3] -= 1000.0
        tx.execute(update(observations).values(memory=json.dumps(known)))


def _run_on(poller: Poller, subject: str) -> str:
    journal, new = Journal(poller.store), new_run()
    journal.begin_run(new, "test", LEASE)
    journal.claim(new.id, 1, {subject: ""})
    return new.id


# -- what is dispatched, whatever is killed when -------------------------------------------------

STATES = some.dictionaries(some.sampled_from("ab"), some.sampled_from(["fine", "broken"]))
#: What is seen, and where in the poll the process dies: before anything is stored, before
#: anything is dispatched, after so many events, before the confirmation, or not at all.
POLLS = some.lists(
    some.tuples(STATES, some.sampled_from(["look", "store", "first", "confirm", "", ""])),
    min_size=1,
    max_size=12,
)


class Killed(Exception):
    """The process is no more."""


@pytest.mark.long
@settings(max_examples=sampling.examples(60))
@given(polls=POLLS)
def test_nothing_is_lost_and_nothing_is_told_as_two(
    polls: list[tuple[dict[str, str], str]],
) -> None:
    with pytest.MonkeyPatch.context() as patch, nursery(patch, steady_looks=1) as toys:
        dispatched: list[tuple[str, tuple[str, str, str]]] = []
        wanted: list[tuple[str, str, str]] = []
        at: dict[str, str] = {}
        poller = toys.poller()
        # The last poll is whole: what was left is told then.
        for states, dies in [*polls, (polls[-1][0], "")]:
            toys.toys.states = states
            toys.toys.error = Killed() if dies == "look" else None
            if dies != "look":
                wanted += _changes(at, states)
            try:
                _poll_as_sensor(toys, poller, dies, dispatched)
            except Killed:
                poller.close()
                poller = toys.poller()
        assert _once(dispatched) == wanted
        poller.close()


def _poll_as_sensor(toys: Nursery, poller: Poller, dies: str, dispatched: list[Any]) -> None:
    polled = toys.poll(poller)
    if dies == "store":
        raise Killed
    for event in polled.events:
        payload = event.payload
        what = payload["change"], payload["subject_id"], payload["state"]
        dispatched.append((event.id, what))
        if dies == "first":
            raise Killed
    if dies == "confirm":
        raise Killed
    poller.confirm(ids(polled))


def _once(dispatched: list[tuple[str, tuple[str, str, str]]]) -> list[tuple[str, str, str]]:
    """Return what was dispatched, each id once; the same id always says the same."""
    by_id: dict[str, tuple[str, str, str]] = {}
    for id, what in dispatched:
        assert by_id.setdefault(id, what) == what
    return list(by_id.values())


def _changes(at: dict[str, str], states: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return what is news where each thing was ``at``, and bring that up to date."""
    found = []
    for id in sorted({*at, *states}):
        if id not in states:
            found.append(("gone", id, at.pop(id)))
        elif id in at and at[id] != states[id]:
            found.append(("changed", id, states[id]))
        elif id not in at and states[id] != "fine":
            found.append(("new", id, states[id]))
    at.update(states)
    return found


# -- the process that polls for a sensor ---------------------------------------------------------


def ask(toys: Nursery, *lines: Any, **more: Any) -> list[dict[str, Any]]:
    config = {"clouds": [ENTRY], "state_url": toys.state_url}
    config |= {"sensors": {NAME: {"steady_looks": 1}}}
    request = {"observer": NAME, "config": config, "holder": "me", **more}
    answers = io.StringIO()
    serve(io.StringIO("".join(json.dumps(line) + "\n" for line in (request, *lines))), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_child_tells_events_and_confirms_them(toys: Nursery) -> None:
    toys.toys.states = {"a": "broken"}
    event, end = ask(toys)
    assert event["event"]["trigger"] == NAME
    assert end == {"end": {"every": 60.0, "timeout": 120.0, "said": []}}
    again, _, confirmed = ask(toys, {"dispatched": [event["event"]["payload"]["id"]]})
    assert again == event
    assert confirmed == {"confirmed": 1}
    assert ask(toys) == [end]


def test_a_child_always_answers(toys: Nursery) -> None:
    (end,) = ask(toys, observer="hypervisor_stat")
    assert end["end"]["said"] == [
        "There is no sensor 'hypervisor_stat'. Did you mean hypervisor_state or server_state?"
    ]
    assert "clouds" in str(ask(toys, config={"clouds": 5}))
    answers = io.StringIO()
    assert serve(io.StringIO("nonsense\n"), answers) == 1
    assert "The sensor has asked for nothing" in answers.getvalue()


def test_a_bug_of_an_observer_is_an_answer(toys: Nursery, caplog: pytest.LogCaptureFixture) -> None:
    toys.toys.error = RuntimeError("open sesame")
    config = {"clouds": [{**ENTRY, "auth": {"password": "open sesame"}}]}
    (end,) = ask(toys, config={**config, "state_url": toys.state_url})
    (said,) = end["end"]["said"]
    assert said.startswith("toy: Internal error ")
    assert "open sesame" not in said + caplog.text
    assert "RuntimeError" in caplog.text
