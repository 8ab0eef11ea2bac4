"""Our queue at a broker: looked at, made, and bound to the exchanges of the services.

Nothing here can hold up a service. The queue is our own and bounded, the oldest notification makes
room for the newest, and exchanges are never made by us: one with other properties than a service
expects would keep that service from sending.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.broker import Broker

if TYPE_CHECKING:
    from kombu import Connection

#: What else a service says (debug, audit, sample) is much, and not for us.
PRIORITIES = ("info", "warn", "error", "critical")
_NOT_FOUND, _REFUSED, _OTHERWISE = 404, 403, 406


class Standing(msgspec.Struct, frozen=True):
    """A queue as the broker has it: how many messages wait in it, and how many read it."""

    messages: int
    consumers: int


def standing(connection: Connection, broker: Broker, queue: str) -> Standing | None:
    """Return how a queue stands, None if there is no such queue."""
    try:
        with _channel(connection, broker) as channel:
            found = channel.queue_declare(queue, passive=True)
    except connection.channel_errors as error:
        if _code(error) != _NOT_FOUND:
            raise
        return None
    return Standing(found.message_count, found.consumer_count)


def make(connection: Connection, broker: Broker) -> None:
    """Make the queue, which is not there, with the limits of the configuration."""
    with _channel(connection, broker) as channel:
        channel.queue_declare(
            broker.entry.queue, durable=True, auto_delete=False, arguments=limits(broker)
        )


def bind(connection: Connection, broker: Broker, exchanges: Iterable[str]) -> list[str]:
    """Bind the queue to exchanges; return those that are not there."""
    wanted = list(exchanges)
    there = [name for name in wanted if is_there(connection, broker, name)]
    with _channel(connection, broker) as channel:
        for name in there:
            for topic in broker.entry.exchanges[name]:
                for priority in PRIORITIES:
                    channel.queue_bind(
                        broker.entry.queue, exchange=name, routing_key=f"{topic}.{priority}"
                    )
    return [name for name in wanted if name not in there]


def is_there(connection: Connection, broker: Broker, exchange: str) -> bool:
    """Return whether an exchange is there."""
    try:
        with _channel(connection, broker) as channel:
            channel.exchange_declare(exchange, "topic", passive=True)
    except connection.channel_errors as error:
        if _code(error) != _NOT_FOUND:
            raise
        return False
    return True


def was_made_so(connection: Connection, broker: Broker) -> bool:
    """Return whether the queue has the limits of the configuration; it has to be there."""
    try:
        with _channel(connection, broker) as channel:
            channel.queue_declare(
                broker.entry.queue, durable=True, auto_delete=False, arguments=limits(broker)
            )
    except connection.channel_errors as error:
        if _code(error) != _OTHERWISE:
            raise
        return False
    return True


def limits(broker: Broker) -> dict[str, Any]:
    """Return what bounds the queue, as the broker is told."""
    entry = broker.entry
    found: dict[str, Any] = {
        "x-expires": int(float(entry.queue_expires) * 1000),
        "x-message-ttl": int(float(entry.message_ttl) * 1000),
        "x-max-length": entry.max_messages,
        "x-overflow": "drop-head",
    }
    return found if entry.queue_type == "classic" else {**found, "x-queue-type": entry.queue_type}


def bounded(connection: Connection, broker: Broker) -> AbstractContextManager[Any]:
    """Bound how long answers within take: amqp would wait for a broker that hangs for ever."""
    transport = getattr(connection.connection, "transport", None)
    having = getattr(transport, "having_timeout", None)
    return nullcontext() if having is None else having(float(broker.entry.timeout))


def lasts(connection: Connection, broker: Broker, exchange: str) -> bool:
    """Return whether an exchange outlives its broker, as far as our rights let us see that.

    It is there: only if somebody deletes it at this moment is it made, and durable.
    """
    try:
        with _channel(connection, broker) as channel:
            channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
    except connection.channel_errors as error:
        if _code(error) not in (_OTHERWISE, _REFUSED):
            raise
        return False
    return True


@contextmanager
def _channel(connection: Connection, broker: Broker) -> Iterator[Any]:
    """A channel for one look: the broker closes it when it refuses something."""
    with bounded(connection, broker):
        channel = connection.channel()
        try:
            yield channel
        finally:
            connection.maybe_close_channel(channel)


def _code(error: BaseException) -> int:
    """Return the code of AMQP for why something was refused; 0 if none was given."""
    code = getattr(error, "reply_code", None) or getattr(error, "code", None) or 0
    return int(code)
