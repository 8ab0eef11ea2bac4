"""Notifications of a real OpenStack, read from its real broker: in time, whole, and verified."""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from accounts.broker import Broker, brokers
from accounts.config import PackConfig, load
from devcloud import waiting
from devcloud.services import base_services
from devcloud.settings import Settings
from engine.dispatch import dispatch
from notification_api import queues
from notification_api.connecting import BrokerError, connected
from notification_api.consuming import Consumer
from notification_api.facts import Event
from notification_api.reading import Reading
from support.certificates import Authority
from support.cloud_site import Site
from support.sensors import SensorProcess

#: How many servers the latency is measured with, and how many are made at once.
_SERVERS, _AT_ONCE = 50, 5


@pytest.fixture
def configured(cloud_config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with a queue of this test's own, which the broker forgets by itself."""
    assert cloud_config.get("brokers"), "this devcloud is older: devcloud/down, then devcloud/up"
    queue = f"proof-{uuid.uuid4().hex[:8]}"
    (entry,) = cloud_config["brokers"]
    return {**cloud_config, "brokers": [{**entry, "queue": queue, "queue_expires": "2m"}]}


@pytest.fixture
def config(configured: dict[str, Any]) -> PackConfig:
    return load(configured)


@pytest.fixture
def broker(config: PackConfig) -> Iterator[Broker]:
    (found,) = brokers(config)
    yield found
    with suppress(BrokerError):
        connected(found).channel().queue_delete(found.entry.queue)


class Heard:
    """What a reader has handed on, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Event]] = []

    def deliver(self, event: Event) -> None:
        self.events.append((time.time(), event))

    def of(self, event_type: str) -> dict[str, tuple[float, Event]]:
        """Return events of a type by what they are about, each with when it was handed on."""
        return {
            event.payload["subject_id"]: (at, event)
            for at, event in self.events
            if event.payload.get("event_type") == event_type
        }

    @property
    def states(self) -> list[str]:
        return [e.payload["state"] for _, e in self.events if e.trigger == "notifications_state"]


@contextmanager
def read(broker: Broker, config: PackConfig, reading: Reading | None = None) -> Iterator[Heard]:
    heard, stop = Heard(), threading.Event()
    reading = Reading() if reading is None else reading
    consumer = Consumer(broker, config.notifications, heard.deliver, reading)
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        if reading.seen_at is None:
            until(lambda: heard.states == ["gap"])
        yield heard
    finally:
        stop.set()
        thread.join(60)


def until(is_so: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.02)
    return answer


def late(at: float, event: Event) -> float:
    """Return for how many seconds an event was under way since its service sent it."""
    return at - datetime.fromisoformat(event.payload["at"].replace("Z", "+00:00")).timestamp()


@contextmanager
def servers(site: Site, number: int) -> Iterator[list[str]]:
    """Have some servers without a port; they are deleted afterwards."""
    compute = site.sdk.compute
    image = next(iter(site.sdk.image.images(name="debian-12")))
    flavor = compute.find_flavor("m1.small")
    made = []
    try:
        for first in range(0, number, _AT_ONCE):
            batch = [
                compute.create_server(
                    name=f"proof-{uuid.uuid4().hex[:8]}",
                    image_id=image.id,
                    flavor_id=flavor.id,
                    networks="none",
                ).id
                for _ in range(first, min(number, first + _AT_ONCE))
            ]
            made += batch
            for id in batch:
                compute.wait_for_server(compute.get_server(id), wait=120)
        yield made
    finally:
        for id in made:
            compute.delete_server(id, ignore_missing=True, force=True)


def test_server_that_was_made_is_told_within_a_second(
    broker: Broker, config: PackConfig, site: Site
) -> None:
    with read(broker, config) as heard, servers(site, 1) as (server,):
        at, event = until(lambda: heard.of("instance.create.end").get(server), 10)
    assert event.payload["state"] == "active"
    assert event.payload["name"].startswith("proof-")
    assert late(at, event) < 1


def test_every_service_is_read(broker: Broker, config: PackConfig, site: Site) -> None:
    sdk, name = site.sdk, f"proof-{uuid.uuid4().hex[:8]}"
    with read(broker, config) as heard:
        network = sdk.network.create_network(name=name)
        sdk.network.delete_network(network)
        volume = sdk.block_storage.create_volume(name=name, size=1)
        sdk.block_storage.wait_for_status(volume, wait=60)
        sdk.block_storage.delete_volume(volume)
        image = sdk.image.create_image(
            name=name, data=b"x", disk_format="raw", container_format="bare"
        )
        sdk.image.delete_image(image)
        project = sdk.identity.create_project(name=name)
        sdk.identity.delete_project(project)
        for event_type, thing in (
            ("network.create.end", network),
            ("volume.delete.end", volume),
            ("image.delete", image),
            ("identity.project.deleted", project),
        ):
            until(lambda kind=event_type, id=thing.id: id in heard.of(kind), 20)


def test_broker_of_an_unknown_authority_is_refused(broker: Broker, tmp_path: Path) -> None:
    broker.entry.cacert = str(Authority(tmp_path).file)
    with pytest.raises(BrokerError, match="certificate could not be verified"):
        connected(broker)


def test_broker_wants_a_certificate_and_a_password(broker: Broker) -> None:
    whole = broker.entry.cert, broker.entry.key
    broker.entry.cert = broker.entry.key = None
    with pytest.raises(BrokerError):
        connected(broker)
    broker.entry.cert, broker.entry.key = whole
    right, broker.entry.password = broker.entry.password, "wrong-password"
    with pytest.raises(BrokerError, match=r"refused|REFUSED") as refused:
        connected(broker)
    assert "wrong-password" not in str(refused.value)
    broker.entry.password = right
    connected(broker).release()


def test_queue_that_was_made_otherwise_is_told(broker: Broker) -> None:
    connection = connected(broker)
    queues.make(connection, broker)
    assert queues.was_made_so(connection, broker)
    broker.entry.max_messages += 1
    assert not queues.was_made_so(connection, broker)
    assert queues.standing(connection, broker, broker.entry.queue) == queues.Standing(0, 0)


def test_the_oldest_make_room_and_that_is_a_gap(broker: Broker, config: PackConfig) -> None:
    broker.entry.max_messages = 5
    connection = connected(broker)
    queues.make(connection, broker)
    producer = connection.Producer()
    for _ in range(8):
        producer.publish({}, routing_key=broker.entry.queue)
    until(lambda: queues.standing(connection, broker, broker.entry.queue) == queues.Standing(5, 0))
    reading = Reading(seen_at=time.time())
    with read(broker, config, reading) as heard:
        until(lambda: heard.states[:1] == ["gap"])
        # That it no longer is full may be told too; and the cloud's own may have come since.
        until(lambda: reading.malformed)
    assert "full" in (reading.last_gap or "")


def test_sensor_dispatches_and_what_it_did_not_comes_again(
    configured: dict[str, Any], broker: Broker, site: Site
) -> None:
    sensor = SensorProcess("notifications_sensor", "NotificationsSensor", configured)
    try:
        until(lambda: sensor.dispatched, 30)
        sensor.refuse = "StackStorm's broker is away"
        with servers(site, 1) as (server,):
            until(lambda: any("could not be dispatched" in line for line in sensor.log), 30)
            kind, checked = dispatch("notifications.check", {}, configured)
            assert any("could not be dispatched" in row["detail"] for row in checked["rows"]), kind
            sensor.kill()
            told = [one["payload"].get("subject_id") for one in sensor.dispatched]
            assert server not in told
            sensor = SensorProcess("notifications_sensor", "NotificationsSensor", configured)
            until(lambda: made_known(sensor, server), 90)
    finally:
        sensor.kill()
    found = made_known(sensor, server)
    assert len(found) == 1
    kind, checked = dispatch("notifications.check", {}, configured)
    assert checked["summary"].startswith(f"{len(checked['rows'])} checks of 1 broker")


def made_known(sensor: SensorProcess, server: str) -> list[dict[str, Any]]:
    return [
        one["payload"]
        for one in sensor.dispatched
        if one["payload"].get("event_type") == "instance.create.end"
        and one["payload"]["subject_id"] == server
    ]


@pytest.mark.long
def test_fifty_servers_are_told_at_once(broker: Broker, config: PackConfig, site: Site) -> None:
    with read(broker, config) as heard, servers(site, _SERVERS) as made:
        found = until(
            lambda: len(set(made) & {*heard.of("instance.create.end")}) == _SERVERS and heard
        )
    told = [late(*found.of("instance.create.end")[id]) for id in made]
    median, worst = statistics.median(told), max(told)
    print(f"\n{_SERVERS} servers: median {median * 1000:.0f} ms, worst {worst * 1000:.0f} ms")
    assert median <= 0.2
    assert worst <= 1.0


@pytest.mark.long
def test_broker_that_is_stopped_loses_nothing_that_it_kept(
    devcloud: Settings, broker: Broker, config: PackConfig, site: Site
) -> None:
    """What is in the queue outlives the broker, and a reader goes on by itself after it is back."""
    reading = Reading()
    with read(broker, config, reading):
        pass
    with servers(site, 3) as made:
        time.sleep(1)
        restart_broker(devcloud)
        with read(broker, config, reading) as heard:
            until(lambda: {*made} <= {*heard.of("instance.create.end")})
            assert "gap" not in heard.states
            restart_broker(devcloud)
            # Keystone: it needs no other service, which may be long in finding the broker again.
            project = site.sdk.identity.create_project(name=f"proof-{uuid.uuid4().hex[:8]}")
            site.sdk.identity.delete_project(project)
            until(lambda: project.id in heard.of("identity.project.deleted"), 120)
            assert "gap" not in heard.states
    ids = [event.id for _, event in heard.events]
    assert len(ids) == len(set(ids))


def restart_broker(settings: Settings) -> None:
    """Stop RabbitMQ in order, and start it again; the services find it again by themselves."""
    (rabbit,) = [one for one in base_services(settings) if one.name == "rabbitmq"]
    rabbit.process(settings).stop(rabbit.grace)
    rabbit.start(settings)
    for port in ("rabbitmq", "rabbitmq_tls"):
        waiting.until(lambda port=port: waiting.accepts(settings.ports[port]), 60)
