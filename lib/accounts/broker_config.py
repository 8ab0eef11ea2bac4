"""The part of the configuration that message brokers need: where they are, and what is read."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from accounts.texts import Endpoint, Filled, Name
from common.duration import Duration

# Each service is read in one format: versioned where it has one, or a server would be told twice.
# Cinder is on oslo.messaging's own default, openstack.
_EXCHANGES = {
    "nova": ["versioned_notifications"],
    "neutron": ["notifications"],
    "openstack": ["notifications"],
    "glance": ["notifications"],
    "keystone": ["notifications"],
}
# What begins or repeats something, and every login: it is counted, and starts nothing.
_IGNORED = (
    *("*.start", "*.exists", "*.usage", "instance.update", "*.prepare"),
    "identity.authenticate*",
)


class BrokerEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One RabbitMQ, or a cluster of them, that services of a cloud send notifications to.

    ``exchanges`` has the topics that are read by the exchange that a service sends them to.
    ``message_ttl``, ``queue_expires`` and ``max_messages`` bound what the broker keeps for us.
    """

    name: Name
    hosts: Annotated[list[Endpoint], msgspec.Meta(min_length=1)]
    cloud: Name | None = None
    virtual_host: Filled = "/"
    security: Literal["none", "tls"] = "tls"
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    user: Filled
    password: str | None = None
    exchanges: dict[Filled, list[Filled]] = msgspec.field(
        default_factory=lambda: {name: list(topics) for name, topics in _EXCHANGES.items()}
    )
    queue: Filled = "openstack_ops"
    queue_type: Literal["classic", "quorum"] = "classic"
    message_ttl: Duration = Duration.parse("4h")
    queue_expires: Duration = Duration.parse("2d")
    max_messages: Annotated[int, msgspec.Meta(ge=1)] = 20000
    timeout: Duration = Duration(10)

    def __repr__(self) -> str:
        return f"<BrokerEntry {self.name}>"  # it holds a password


class Notifications(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which notifications become triggers, as shell patterns of event types."""

    events: list[Filled] = msgspec.field(default_factory=lambda: ["*"])
    ignored: list[Filled] = msgspec.field(default_factory=lambda: list(_IGNORED))
    start_without_end: Duration = Duration.parse("1h")
