"""Reading for a sensor: whose turn it is, what is kept, and what the sensor is told and says."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from accounts.config import PackConfig, load
from engine.dispatch import dispatch
from health import notifications as health
from notification_api.consuming import Consumer, Undelivered
from notification_api.facts import Event
from notification_api.reading import NAME, Reading
from observing import notifying, notifying_child
from observing.notifying import Readers
from state.observations import Observations
from state.schema import observations
from state.store import Store
from support.notifications import MemoryBroker, instance, notification
from support.runs import toy_house


class Sensor:
    """A configuration with a broker in memory, and readers of it."""

    def __init__(self, state_url: str) -> None:
        self.memory = MemoryBroker()
        self.memory.have_exchanges()
        entry = {
            "name": "main",
            "hosts": ["localhost"],
            "user": "u",
            "password": "s3cret-password",
            "queue": self.memory.broker.entry.queue,
            "exchanges": {name: [topic] for name, topic in self.memory.topics.items()},
        }
        self.config = {
            "clouds": [{"name": "prod", "auth": {"auth_url": "http://nowhere/v3"}}],
            "brokers": [entry],
            "state_url": state_url,
        }
        self.events: list[Event] = []

    @property
    def loaded(self) -> PackConfig:
        return load(self.config)

    def readers(self, holder: str) -> Readers:
        return Readers(self.loaded, holder, self.events.append, bug=_raise)

    @property
    def told(self) -> list[str]:
        return [event.payload.get("event_type") or event.payload["state"] for event in self.events]


def _raise(error: BaseException) -> str:
    raise error


@pytest.fixture
def sensor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sensor]:
    monkeypatch.setattr("notification_api.consuming._TICK_EVERY", 0.01)
    monkeypatch.setattr("notification_api.consuming._PAUSES", (0.0,))
    monkeypatch.setattr(notifying, "_PAUSE", 0.01)
    with toy_house() as (house, _):
        made = Sensor(house.state_url)

        def consumer(*args: Any, **named: Any) -> Consumer:
            return Consumer(*args, **named, connect=made.memory.connect)

        monkeypatch.setattr(notifying, "Consumer", consumer)
        monkeypatch.setattr(health, "connected", made.memory.connect)
        yield made


def until(is_so: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_was_read_is_kept_and_the_next_one_goes_on_without_a_gap(sensor: Sensor) -> None:
    first = sensor.readers("one")
    first.start()
    until(lambda: sensor.told == ["gap"])
    first.end()
    sensor.memory.send(instance("create.end", id="m-1"))
    second = sensor.readers("two")
    second.start()
    until(lambda: "instance.create.end" in sensor.told)
    second.end()
    assert sensor.told == ["gap", "instance.create.end"]
    store = Observations(Store(sensor.config["state_url"]))
    assert Reading.of(store.memory(NAME, "main")).dispatched == 1


def test_one_of_two_reads_and_the_other_takes_over(sensor: Sensor) -> None:
    first, second = sensor.readers("one"), sensor.readers("two")
    first.start()
    until(lambda: sensor.told == ["gap"])
    second.start()
    time.sleep(0.1)
    assert len(sensor.memory.opened) == 1
    first.end()
    until(lambda: len(sensor.memory.opened) == 2)
    sensor.memory.send(instance("create.end"))
    until(lambda: "instance.create.end" in sensor.told)
    second.end()


def test_reader_that_has_lost_its_turn_stops(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notification_api.consuming.KEEP_EVERY", 0.0)
    first = sensor.readers("one")
    first.start()
    until(lambda: sensor.told == ["gap"])
    store = Store(sensor.config["state_url"])
    with store.transaction() as tx:
        other = {"holder": "two", "generation": observations.c.generation + 7}
        tx.execute(update(observations).values(**other))
    until(lambda: any("another process" in said for said in first.said))
    first.end()


def test_memory_that_cannot_be_read_is_a_gap() -> None:
    assert Reading.of('{"seen_at": "yesterday"}').seen_at is None
    assert Reading.of(None).seen_at is None


def test_a_child_says_events_and_takes_what_became_of_them(sensor: Sensor) -> None:
    to_child = os.pipe()
    asked, told = os.fdopen(to_child[0]), os.fdopen(to_child[1], "w")
    from_child = os.pipe()
    answers, heard = os.fdopen(from_child[1], "w"), os.fdopen(from_child[0])
    thread = threading.Thread(target=notifying_child.serve, args=(asked, answers))
    told.write(json.dumps({"config": sensor.config, "holder": "me"}) + "\n")
    told.flush()
    thread.start()

    def next_event(answer: str) -> dict[str, Any]:
        while "event" not in (said := json.loads(heard.readline())):
            pass
        found: dict[str, Any] = said["event"]
        id = found["payload"]["id"]
        told.write(json.dumps({"dispatched": id} if answer == "yes" else {"failed": answer}) + "\n")
        told.flush()
        return found

    assert next_event("yes")["payload"]["state"] == "gap"
    sensor.memory.send(instance("create.end", id="m-1", display_name="s3cret-password"))
    first = next_event("StackStorm's broker is away")
    again = next_event("yes")
    assert first == again
    assert "s3cret" not in json.dumps(again)
    told.close()  # the sensor has ended
    heard.close()
    sensor.memory.send(instance("delete.end", id="m-2"))
    thread.join(20)
    assert not thread.is_alive()
    assert sensor.memory.waiting() == 1


@pytest.mark.parametrize(
    "asked", ["", "nothing", "{}", '{"config": {"brokers": 5}, "holder": "x"}']
)
def test_a_child_always_answers(asked: str) -> None:
    answers = io.StringIO()
    assert notifying_child.serve(io.StringIO(asked + "\n"), answers) == 1
    (said,) = json.loads(answers.getvalue())["said"]
    assert said


def test_no_broker_is_said() -> None:
    answers = io.StringIO()
    asked = io.StringIO(json.dumps({"config": {}, "holder": "me"}) + "\n")
    assert notifying_child.serve(asked, answers) == 1
    assert "No broker is configured" in answers.getvalue()


def rows(result: Any) -> dict[str, tuple[str, str]]:
    return {row["check"]: (row["result"], row["detail"]) for row in result["rows"]}


def test_check_says_what_is_read_and_what_is_not(sensor: Sensor) -> None:
    before = rows(dispatch("notifications.check", {}, sensor.config)[1])
    queue = f"queue {sensor.memory.broker.entry.queue} of main"
    assert before[queue][0] == "BAD"
    assert before["reader of main"] == ("BAD", "nobody has read it yet")
    readers = sensor.readers("me")
    readers.start()
    until(lambda: sensor.told == ["gap"])
    old = notification("volume.create.start", {"volume_id": "v1"}, timestamp="2026-11-01 00:00:00")
    sensor.memory.send(old)
    sensor.memory.send(b"nothing")
    sensor.memory.send(instance("create.end"))
    until(lambda: "instance.create.end" in sensor.told)
    readers.end()
    after = rows(dispatch("notifications.check", {}, sensor.config)[1])
    assert after["messages of main"] == ("WARN", "1 message could not be read as a notification")
    begun = after["begun and not ended at main"]
    assert begun == ("WARN", "volume.create of v1 since 2026-11-01 00:00 UTC")
    assert "nobody reads it" in after["reader of main"][1]


def test_check_without_a_broker_says_so() -> None:
    kind, result = dispatch("notifications.check", {}, {})
    assert kind == "done"
    assert "none is configured" in result["summary"]


def test_undelivered_says_why() -> None:
    parent = notifying_child._Parent(io.StringIO(""), io.StringIO())
    with pytest.raises(Undelivered, match="has ended"):
        parent.dispatch(Event("server_notification", {"id": "1"}))
    assert parent.gone.is_set()
