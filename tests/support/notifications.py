"""Notifications as services send them, and a broker in memory that they are sent to."""

from __future__ import annotations

import json
import uuid
from typing import Any, ClassVar

import kombu
from kombu.transport import memory, virtual

from accounts.broker import Broker
from accounts.broker_config import BrokerEntry

NOVA_TOPIC, TOPIC = "versioned_notifications", "notifications"
SENT_AT = "2026-11-28 06:00:00.250000"


def notification(
    event_type: str, payload: Any, *, id: str = "", priority: str = "INFO", **more: Any
) -> dict[str, Any]:
    """Return a notification as oslo.messaging makes it."""
    return {
        "message_id": id or str(uuid.uuid4()),
        "publisher_id": "somebody:cmp-1",
        "event_type": event_type,
        "priority": priority,
        "payload": payload,
        "timestamp": SENT_AT,
        "_unique_id": uuid.uuid4().hex,
        "_context_request_id": "req-1",
        "_context_user_id": "user-1",
        "_context_project_id": "project-1",
        **more,
    }


def enveloped(said: dict[str, Any]) -> bytes:
    """Return what goes over the wire for driver messagingv2."""
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(said)}).encode()


def instance(
    action: str, *, id: str = "", server: str = "server-1", **facts: Any
) -> dict[str, Any]:
    """Return a versioned notification of Nova about a server."""
    flavor = {"nova_object.name": "FlavorPayload", "nova_object.data": {"name": "m1.small"}}
    data = {
        "uuid": server,
        "display_name": "web-1",
        "tenant_id": "project-1",
        "state": "active",
        "host": "cmp-1",
        "node": "cmp-1.example.org",
        "flavor": flavor,
        "fault": None,
        **facts,
    }
    payload = {
        "nova_object.name": "InstanceActionPayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.9",
        "nova_object.data": data,
    }
    return notification(f"instance.{action}", payload, id=id)


class _Channel(memory.Channel):
    """As a broker does it: what was not acknowledged when a channel ends is delivered again."""

    do_restore = True
    queues: ClassVar[dict[str, Any]] = {}


class _Transport(memory.Transport):
    Channel = _Channel
    global_state = virtual.BrokerState()
    polling_interval = 0.01


class MemoryBroker:
    """A broker in memory with exchanges of its own; it may refuse connections and restart."""

    def __init__(self, *, queue: str = "") -> None:
        self.tag = uuid.uuid4().hex[:8]
        self.nova, self.neutron = f"nova-{self.tag}", f"neutron-{self.tag}"
        entry = BrokerEntry(
            name="main",
            hosts=["localhost"],
            user="u",
            password="p",
            exchanges={self.nova: [NOVA_TOPIC], self.neutron: [TOPIC]},
            queue=queue or f"queue-{self.tag}",
        )
        self.broker = Broker(entry, "prod")
        self._own = kombu.Connection(transport=_Transport)
        self.topics = {self.nova: NOVA_TOPIC, self.neutron: TOPIC}
        self.opened: list[kombu.Connection] = []

    def connect(self, broker: Broker) -> kombu.Connection:
        """Connect as the consumer does."""
        self.opened.append(kombu.Connection(transport=_Transport))
        return self.opened[-1]

    def have_exchanges(self, *names: str) -> None:
        """Have what a service makes when it first sends."""
        for name in names or (self.nova, self.neutron):
            self._exchange(name).declare(channel=self._own.default_channel)

    def send(
        self, said: dict[str, Any] | bytes, exchange: str = "", priority: str = "info"
    ) -> None:
        """Send a notification, enveloped, or any bytes as they are."""
        name = exchange or self.nova
        body = said if isinstance(said, bytes) else enveloped(said)
        self._own.Producer().publish(
            body,
            exchange=self._exchange(name),
            routing_key=f"{self.topics[name]}.{priority}",
            content_type="application/json",
            content_encoding="utf-8",
        )

    def forget_queue(self) -> None:
        """Lose the queue and its bindings, as when it has expired."""
        self._own.default_channel.queue_delete(self.broker.entry.queue)

    def waiting(self) -> int:
        """Return how many messages wait in the queue."""
        queue = self.broker.entry.queue
        return int(self._own.default_channel.queue_declare(queue, passive=True).message_count)

    def _exchange(self, name: str) -> kombu.Exchange:
        return kombu.Exchange(name, type="topic", durable=True)
