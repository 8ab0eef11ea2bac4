"""A broker is read: what becomes of messages, of events that nobody takes, of lost connections."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from accounts.broker_config import Notifications
from notification_api import queues
from notification_api.connecting import BrokerError, _tls, explained
from notification_api.consuming import Consumer, Undelivered
from notification_api.facts import Event, events, row_of
from notification_api.messages import Malformed, decoded
from notification_api.notified import TRIGGERS
from notification_api.reading import Reading
from support.hostile import VALUES
from support.notifications import MemoryBroker, enveloped, instance, notification

NOW = 1795845601.0  # a second after what is sent here


class House:
    """A broker in memory, one reader of it, and what it has handed on."""

    def __init__(self, **settings: Any) -> None:
        self.memory = MemoryBroker()
        self.reading = Reading()
        self.settings = Notifications(**settings)
        self.events: list[Event] = []
        self.kept: list[Reading] = []
        self.now = NOW
        self.stop = threading.Event()
        self.until: Callable[[], bool] = lambda: True
        self.failing: list[Exception] = []
        self.refusing: list[BrokerError] = []

    def deliver(self, event: Event) -> None:
        if self.failing:
            raise self.failing.pop(0)
        self.events.append(event)

    def connect(self, broker: Any) -> Any:
        if self.refusing:
            raise self.refusing.pop(0)
        return self.memory.connect(broker)

    def clock(self) -> float:
        """Also looks whether the test has seen what it waits for: the reader asks often."""
        if self.until():
            self.stop.set()
        return self.now

    def consumer(self) -> Consumer:
        return Consumer(
            self.memory.broker,
            self.settings,
            self.deliver,
            self.reading,
            connect=self.connect,
            clock=self.clock,
        )

    def read(self, until: Callable[[], bool], consumer: Consumer | None = None) -> None:
        """Read until a condition holds, or for so long that it will not come to hold."""
        self.stop.clear()
        self.until = until
        reader = threading.Thread(target=(consumer or self.consumer()).run, args=(self.stop,))
        reader.start()
        reader.join(20)
        self.stop.set()
        reader.join(20)
        assert not reader.is_alive()
        assert until()

    def begun(self) -> None:
        """Have the queue, as after a first start, with nothing to tell any more."""
        self.memory.have_exchanges()
        self.read(lambda: len(self.events) == 1)
        self.events.clear()

    @property
    def told(self) -> list[str]:
        return [event.payload.get("event_type") or event.payload["state"] for event in self.events]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between tries, and a sign of life at every chance."""
    monkeypatch.setattr("notification_api.consuming._TICK_EVERY", 0.01)
    monkeypatch.setattr("notification_api.consuming._PAUSES", (0.0,))


@pytest.fixture
def house(quick: None) -> House:
    return House()


def event_of(said: dict[str, Any]) -> Event:
    message = decoded(enveloped(said))
    row = row_of(message.event_type)
    assert row is not None
    (event,) = events(message, row, cloud="prod", broker="main")
    return event


def test_versioned_notification_is_read_with_its_envelope() -> None:
    event = event_of(instance("create.end", id="m-1"))
    assert event.trigger == "server_notification"
    found = {name: value for name, value in event.payload.items() if value is not None}
    assert found == {
        "id": event.id,
        "cloud": "prod",
        "broker": "main",
        "event_type": "instance.create.end",
        "kind": "instance",
        "service": "compute",
        "publisher": "somebody:cmp-1",
        "priority": "info",
        "at": "2026-11-28T06:00:00.250Z",
        "request_id": "req-1",
        "project": "project-1",
        "user": "user-1",
        "subject_id": "server-1",
        "name": "web-1",
        "state": "active",
        "host": "cmp-1",
        "hypervisor": "cmp-1.example.org",
        "flavor": "m1.small",
    }


def test_notification_without_envelope_says_the_same() -> None:
    said = instance("create.end", id="m-1")
    assert decoded(json.dumps(said)) == decoded(enveloped(said))


@pytest.mark.parametrize(
    ("event_type", "payload", "trigger", "facts"),
    [
        (
            "port.delete.end",
            {"port_id": "p1", "port": {"id": "p1", "name": "x", "binding:host_id": "cmp-1"}},
            "port_notification",
            {"kind": "port", "subject_id": "p1", "name": "x", "host": "cmp-1"},
        ),
        (
            "floatingip.update.end",
            {"floatingip": {"id": "f1", "floating_ip_address": "192.0.2.7", "port_id": None}},
            "network_notification",
            {"kind": "floatingip", "subject_id": "f1", "address": "192.0.2.7", "port": None},
        ),
        (
            "snapshot.create.end",
            {"snapshot_id": "s1", "volume_id": "v1", "volume_size": 3, "status": "available"},
            "volume_notification",
            {"subject_id": "s1", "volume": "v1", "size_gib": 3, "state": "available"},
        ),
        (
            "image.upload",
            "Disk is full",
            "image_notification",
            {"kind": "image", "subject_id": None, "fault": "Disk is full"},
        ),
        (
            "identity.project.deleted",
            {"resource_info": "p9", "initiator": {"id": "u1", "user_id": "u2"}},
            "identity_notification",
            {"kind": "project", "subject_id": "p9", "user": "u2"},
        ),
        (
            "service.update",
            {"nova_object.data": {"uuid": "s", "host": "cmp-1", "disabled": True}},
            "compute_notification",
            {"subject_id": "s", "name": "cmp-1", "disabled": True, "forced_down": None},
        ),
    ],
)
def test_facts_stand_where_the_table_says(
    event_type: str, payload: Any, trigger: str, facts: dict[str, Any]
) -> None:
    event = event_of(notification(event_type, payload))
    assert event.trigger == trigger
    assert {name: event.payload[name] for name in facts} == facts


def test_bulk_notification_is_one_event_for_each_thing() -> None:
    said = notification("port.create.end", {"ports": [{"id": "a"}, {"id": "b"}]}, id="m-1")
    message = decoded(enveloped(said))
    row = row_of("port.create.end")
    assert row is not None
    first, second = events(message, row, cloud="prod", broker="main")
    assert (first.payload["subject_id"], second.payload["subject_id"]) == ("a", "b")
    assert first.id != second.id


def test_same_notification_has_the_same_id_and_brokers_differ() -> None:
    said = instance("create.end", id="m-1")
    message, row = decoded(enveloped(said)), row_of("instance.create.end")
    assert row is not None
    ids = [next(events(message, row, cloud="prod", broker=name)).id for name in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 32


@pytest.mark.parametrize("name", [name for name in VALUES if isinstance(VALUES[name], str)])
def test_names_that_users_chose_are_one_clean_line(name: str) -> None:
    said = instance("create.end", display_name=VALUES[name] * 50)
    name = event_of(said).payload["name"]
    assert name is None or (name.isprintable() and len(name) <= 255)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'"text"',
        b'{"oslo.version": "2.0"}',
        b'{"oslo.message": "nothing"}',
        b"[" * 100_000,
        enveloped({**instance("create.end"), "timestamp": "yesterday"}),
        enveloped({**instance("create.end"), "event_type": 5}),
        enveloped({**instance("create.end"), "message_id": ""}),
        b'{"pad": "' + b"x" * (4 * 1024 * 1024) + b'"}',
    ],
)
def test_what_is_no_notification_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(Malformed):
        decoded(body)


@pytest.mark.parametrize("payload", [None, 5, [], [{}], {"nova_object.data": 5}, {"uuid": {}}])
def test_odd_payload_is_an_event_without_facts(payload: Any) -> None:
    event = event_of(notification("instance.create.end", payload))
    assert event.payload["subject_id"] is None


def test_every_trigger_of_the_table_is_declared() -> None:
    for event_type in ("instance.x", "volume.x", "backup.x", "router.x", "keypair.x"):
        assert event_of(notification(event_type, {})).trigger in TRIGGERS


def test_message_is_acknowledged_after_it_was_handed_on(house: House) -> None:
    house.begun()
    house.memory.send(instance("create.end", id="m-1"))
    house.failing = [Undelivered("away")]
    house.read(lambda: len(house.events) == 1)
    assert house.failing == []  # so it came again
    assert house.reading.dispatched == 1
    assert house.memory.waiting() == 0


def test_what_cannot_be_handed_on_stays_with_the_broker(house: House) -> None:
    house.begun()
    house.memory.send(instance("create.end"))
    house.failing = [Undelivered("StackStorm's broker is away") for _ in range(10_000)]
    house.read(lambda: len(house.failing) < 9_998)
    assert house.memory.waiting() == 1
    assert "StackStorm's broker is away" in (house.reading.error or "")
    house.failing.clear()
    house.read(lambda: bool(house.events))
    assert house.memory.waiting() == 0


def test_malformed_messages_are_counted_and_acknowledged(house: House) -> None:
    house.begun()
    for body in (b"nothing", b"[]", enveloped({"event_type": "instance.create.end"})):
        house.memory.send(body)
    house.memory.send(instance("create.end"))
    house.read(lambda: bool(house.events))
    assert house.told == ["instance.create.end"]
    assert house.reading.malformed == 3
    assert house.memory.waiting() == 0


def test_message_that_breaks_the_reader_is_counted_and_passed_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.begun()
    house.memory.send(notification("volume.create.end", {}))
    house.memory.send(instance("create.end"))

    def broken(*args: Any, **named: Any) -> Any:
        if args[0].event_type.startswith("volume"):
            raise RuntimeError("a bug")
        return events(*args, **named)

    monkeypatch.setattr("notification_api.consuming.events", broken)
    house.read(lambda: bool(house.events))
    assert house.reading.malformed == 1


def test_duplicate_is_handed_on_once(house: House) -> None:
    house.begun()
    for _ in range(3):
        house.memory.send(instance("create.end", id="m-1"))
    house.memory.send(instance("create.end", id="m-2"))
    house.read(lambda: len(house.events) == 2)
    assert house.reading.duplicates == 2
    assert house.memory.waiting() == 0


def test_what_is_not_wanted_is_acknowledged_and_starts_nothing(quick: None) -> None:
    house = House(events=["instance.*"], ignored=["*.start"])
    house.begun()
    house.memory.send(instance("create.start"))
    house.memory.send(notification("volume.create.end", {}))
    house.memory.send(notification("compute.instance.create.end", {}))
    house.memory.send(instance("create.end"))
    house.read(lambda: bool(house.events))
    assert (house.told, house.reading.ignored) == (["instance.create.end"], 3)


def test_priorities_other_than_those_of_operators_are_not_read(house: House) -> None:
    house.begun()
    house.memory.send(instance("a.end"), priority="debug")
    house.memory.send(instance("b.error"), priority="error")
    house.read(lambda: bool(house.events))
    assert house.told == ["instance.b.error"]


def test_reader_goes_on_after_its_connection_broke(house: House) -> None:
    house.begun()
    consumer = house.consumer()
    deliver = house.deliver

    def breaking(event: Event) -> None:
        deliver(event)
        house.deliver = deliver  # type: ignore[method-assign]
        raise ConnectionResetError("the broker is stopped")

    consumer._deliver = breaking
    house.memory.send(instance("create.end", id="m-1"))
    house.refusing = []
    house.read(lambda: len(house.events) == 1, consumer)
    consumer._deliver = deliver
    house.memory.send(instance("delete.end", id="m-2"))
    house.read(lambda: "instance.delete.end" in house.told, consumer)
    # It was handed on and not acknowledged, so it came again, as the same event.
    assert len({event.id for event in house.events}) == 2
    assert house.memory.waiting() == 0


def test_broker_that_is_away_is_told_once_and_that_it_is_back(house: House) -> None:
    house.begun()
    away = [BrokerError("Broker main: connection refused.") for _ in range(6)]
    house.refusing = list(away)

    def later() -> bool:
        house.now += 25
        return "back" in house.told

    house.read(later)
    assert house.told == ["down", "back"]
    assert "connection refused" in house.events[0].payload["reason"]
    assert house.reading.down_since is None


def test_broker_that_is_soon_back_is_not_told(house: House) -> None:
    house.begun()
    house.refusing = [BrokerError("Broker main: connection refused.")]
    house.memory.send(instance("create.end"))
    house.read(lambda: bool(house.events))
    assert house.told == ["instance.create.end"]


def test_first_start_tells_that_nothing_is_known_of_before(house: House) -> None:
    house.memory.have_exchanges()
    house.read(lambda: bool(house.events))
    (event,) = house.events
    assert event.payload["state"] == "gap"
    assert "was not there" in event.payload["reason"]


def test_queue_that_has_vanished_is_a_gap_and_made_anew(house: House) -> None:
    house.begun()
    house.memory.forget_queue()
    house.read(lambda: bool(house.events))
    assert house.told == ["gap"]
    house.memory.send(instance("create.end"))
    house.read(lambda: len(house.events) == 2)


@pytest.mark.parametrize(
    ("seconds", "gaps"), [(60, 0), (4 * 3600 - 60, 0), (4 * 3600 + 60, 1), (None, 1)]
)
def test_longer_away_than_notifications_live_is_a_gap(
    house: House, seconds: float | None, gaps: int
) -> None:
    house.begun()
    house.reading = Reading(seen_at=None if seconds is None else house.now - seconds)
    house.memory.send(instance("create.end"))
    house.read(lambda: "instance.create.end" in house.told)
    assert house.told.count("gap") == gaps


def test_full_queue_is_a_gap_and_so_is_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notification_api.consuming._LOOK_EVERY", 0.0)
    house.begun()
    house.memory.broker.entry.max_messages = 2
    for _ in range(2):
        house.memory.send(instance("create.end"))
    house.read(lambda: house.told.count("gap") == 2)
    first, last = (e.payload["reason"] for e in house.events if e.payload.get("state") == "gap")
    assert "full with 2" in first
    assert "until now" in last


def test_notification_that_is_nearly_too_old_is_a_gap(house: House) -> None:
    house.begun()
    house.now += 4 * 3600 - 1
    house.reading.seen_at = house.now
    house.memory.send(instance("create.end"))
    house.read(lambda: "gap" in house.told)


def test_gap_that_could_not_be_told_is_told_later(house: House) -> None:
    house.memory.have_exchanges()
    house.failing = [Undelivered("away"), Undelivered("away")]
    house.read(lambda: bool(house.events))
    assert house.told == ["gap"]
    assert house.reading.gap is None


def test_exchange_that_comes_later_is_read_from_then_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notification_api.consuming._LOOK_EVERY", 0.0)
    house.memory.have_exchanges(house.memory.nova)
    house.read(lambda: bool(house.events))
    house.memory.have_exchanges(house.memory.neutron)
    house.read(lambda: len(house.events) == 2)
    assert house.memory.neutron in house.events[1].payload["reason"]
    house.memory.send(notification("port.create.end", {}), house.memory.neutron)
    house.read(lambda: "port.create.end" in house.told)


def test_exchanges_are_never_made(house: House) -> None:
    house.read(lambda: bool(house.events))
    connection = house.memory.connect(house.memory.broker)
    names = [house.memory.nova, house.memory.neutron]
    assert queues.bind(connection, house.memory.broker, names) == names


def test_starts_without_an_end_are_known(house: House) -> None:
    house.begun()
    for said in (
        instance("create.start", server="a"),
        instance("create.start", server="b"),
        instance("create.error", server="a"),
        notification("port.create.start", {"port": {}}, _context_request_id="r1"),
        notification("port.create.start", {"port": {}}, _context_request_id="r2"),
        notification("port.create.end", {"port": {"id": "p"}}, _context_request_id="r1"),
        instance("delete.end", server="z"),
    ):
        house.memory.send(said, house.memory.neutron if "port" in said["event_type"] else "")
    house.read(lambda: "instance.delete.end" in house.told and house.memory.waiting() == 0)
    found = house.reading.open_longer_than(3600, house.now + 3601)
    assert {(start.event, start.subject) for start in found} == {
        ("instance.create", "b"),
        ("port.create", "port"),
    }
    assert house.reading.open_longer_than(3600, house.now) == []


def test_limits_keep_the_broker_from_filling_up() -> None:
    found = queues.limits(MemoryBroker().broker)
    assert found == {
        "x-expires": 2 * 24 * 3600 * 1000,
        "x-message-ttl": 4 * 3600 * 1000,
        "x-max-length": 20000,
        "x-overflow": "drop-head",
    }


def test_certificate_and_name_of_the_broker_are_verified() -> None:
    options = _tls(MemoryBroker().broker, "rabbit-1.example.org")
    assert options["cert_reqs"] == ssl.CERT_REQUIRED
    assert options["server_hostname"] == "rabbit-1.example.org"


def test_password_is_in_no_error() -> None:
    broker = MemoryBroker().broker
    broker.entry.password = "s3cret-password"
    said = str(explained(broker, OSError("login with s3cret-password failed")))
    assert "s3cret" not in said
    assert "login with ***" in said
