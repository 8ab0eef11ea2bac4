"""Whether the notifications of each broker are read, in time and as configured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from accounts.broker import Broker
from accounts.broker_config import Notifications
from common.errors import RunbookError
from common.text import clean, count, listed, utc
from health.checks import BAD, OK, WARN, Check
from notification_api import queues
from notification_api.connecting import connected, explained
from notification_api.reading import NAME, Reading
from state.observations import Observations

if TYPE_CHECKING:
    from kombu import Connection

# A queue that holds this share of what it may is about to drop notifications.
_FULL = 0.5
_SENSOR = (
    "See whether the sensor openstack_ops.NotificationsSensor is enabled, and what the sensor "
    "container's log says."
)
_POLICY = (
    "Services make such a queue for whoever comes, and fill it for ever if nobody does. Give it a "
    "max-length: rabbitmqctl set_policy unread '^(versioned_)?notifications\\.' "
    "'{\"max-length\": 1000}' --apply-to queues."
)


def checks(broker: Broker, settings: Notifications, observations: Observations) -> Iterator[Check]:
    """Look at one broker, its queues, and what its reader has kept. Nothing is changed."""
    name = f"broker {broker.name}"
    try:
        connection = connected(broker)
    except RunbookError as error:
        yield Check(name, BAD, error.message, error.advice)
    else:
        try:
            yield Check(name, OK, _product(connection))
            yield from _at_broker(connection, broker)
        except (*connection.connection_errors, *connection.channel_errors, OSError) as error:
            told = explained(broker, error)
            yield Check(name, BAD, told.message, told.advice)
        finally:
            connection.release()
    yield from _kept(broker, settings, observations)


def _product(connection: Connection) -> str:
    said = getattr(connection.connection, "server_properties", {})
    return f"{clean(said.get('product', 'a broker'))} {clean(said.get('version', ''))}".strip()


def _at_broker(connection: Connection, broker: Broker) -> Iterator[Check]:
    name = f"queue {clean(broker.entry.queue)} of {broker.name}"
    found = queues.standing(connection, broker, broker.entry.queue)
    if found is None:
        yield Check(
            name, BAD, "there is no such queue: nobody has ever read it, or too long ago", _SENSOR
        )
    else:
        yield _read_by(name, found, broker)
        if not queues.was_made_so(connection, broker):
            yield Check(
                f"limits of {name}",
                WARN,
                "it was made with other limits than the configuration has",
                "Delete the queue: the sensor makes it anew at once, and tells a gap.",
            )
    name = f"exchanges of {broker.name}"
    wanted = broker.entry.exchanges
    if lacking := [one for one in wanted if not queues.is_there(connection, broker, one)]:
        detail = f"{listed(lacking)}: no such exchange, so no service has sent anything there"
        advice = "Compare exchanges with control_exchange of each service, or leave it out."
        yield Check(name, WARN, detail, advice)
    else:
        yield Check(name, OK, listed(broker.entry.exchanges))
    yield from _of_nobody(connection, broker)


def _read_by(name: str, found: queues.Standing, broker: Broker) -> Check:
    waiting = f"{count(found.messages, 'notification')} waiting"
    if not found.consumers:
        return Check(name, BAD, f"nobody reads it, {waiting}", _SENSOR)
    if found.messages >= _FULL * broker.entry.max_messages:
        detail = f"{waiting}, of {broker.entry.max_messages} that it keeps"
        return Check(name, BAD, detail, "Events are dispatched too slowly, or not at all.")
    return Check(name, OK, f"it is read, {waiting}")


def _of_nobody(connection: Connection, broker: Broker) -> Iterator[Check]:
    """Look at the queues that oslo.messaging makes beside every exchange."""
    topics = sorted({topic for topics in broker.entry.exchanges.values() for topic in topics})
    for queue in (f"{topic}.{priority}" for topic in topics for priority in queues.PRIORITIES):
        found = queues.standing(connection, broker, queue)
        if found is not None and found.messages and not found.consumers:
            detail = f"nobody reads it, {count(found.messages, 'notification')} waiting"
            yield Check(f"queue {queue} of {broker.name}", WARN, detail, _POLICY)


def _kept(broker: Broker, settings: Notifications, observations: Observations) -> Iterator[Check]:
    """Say what the reader of a broker has seen, as it has kept it in the state store."""
    name = f"reader of {broker.name}"
    found = next(
        (one for one in observations.all() if (one.observer, one.cloud) == (NAME, broker.name)),
        None,
    )
    reading = Reading.of(observations.memory(NAME, broker.name))
    if found is None or reading.seen_at is None:
        yield Check(name, BAD, reading.error or "nobody has read it yet", _SENSOR)
        return
    came = "none yet" if reading.last_at is None else f"the last one {utc(reading.last_at)}"
    detail = f"{clean(found.holder)}: {reading.dispatched} dispatched, {came}"
    if found.lease_until < found.now:
        detail = f"nobody reads it since {utc(reading.seen_at)}"
        yield Check(name, BAD, detail, _SENSOR)
    elif reading.error:
        yield Check(name, BAD, clean(reading.error))
    else:
        yield Check(name, OK, detail)
    if reading.malformed:
        detail = f"{count(reading.malformed, 'message')} could not be read as a notification"
        yield Check(f"messages of {broker.name}", WARN, detail, "The sensor's log names why.")
    if reading.gaps:
        detail = f"{count(reading.gaps, 'gap')}; the last: {clean(reading.last_gap or '')}"
        yield Check(f"gaps of {broker.name}", OK, detail)
    yield _unfinished(broker, reading, float(settings.start_without_end))


def _unfinished(broker: Broker, reading: Reading, seconds: float) -> Check:
    name = f"begun and not ended at {broker.name}"
    found = reading.open_longer_than(seconds, time.time())
    if not found:
        return Check(name, OK, "nothing")
    told = [f"{one.event} of {clean(one.subject)} since {utc(one.at)}" for one in found]
    advice = "Look at each: its service may have died over it, or its end was in a gap."
    return Check(name, WARN, listed(told), advice)
