"""Objects of services as they are answered, each described once for lookups and for resources."""

from __future__ import annotations

import msgspec


class Id(msgspec.Struct):
    """What is told of a thing where nothing but its id is needed."""

    id: str


class Action(msgspec.Struct):
    """Something that was asked of a server: ``start_time`` is UTC without a zone, as Nova has it.

    Nova's own ids of requests tell actions apart; ``message`` is Error if a part of it failed.
    """

    action: str
    start_time: str | None = None
    message: str | None = None
    request_id: str = ""
    user_id: str | None = None

    @property
    def failed(self) -> bool:
        """Whether a part of it failed."""
        return self.message == "Error"


class Actions(msgspec.Struct):
    """Nova's answer to what was asked of a server, newest first."""

    instanceActions: list[Action]


class Event(msgspec.Struct):
    """One part of an action; without ``finish_time`` it is under way."""

    event: str = ""
    start_time: str | None = None
    finish_time: str | None = None
    result: str | None = None
    host: str | None = None
    details: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self.result == "Error"


class ActionParts(msgspec.Struct):
    """The parts of an action, in their order."""

    events: list[Event] = []


class OneAction(msgspec.Struct):
    """Nova's answer to one action."""

    instanceAction: ActionParts


class Access(msgspec.Struct):
    """A project that may use a flavor."""

    tenant_id: str


class Accesses(msgspec.Struct):
    """Nova's answer to who may use a flavor that is not public."""

    flavor_access: list[Access]


class Amount(msgspec.Struct):
    """How much of a resource class a provider can give in all, and has given."""

    capacity: int
    used: int


class Summary(msgspec.Struct):
    """What Placement tells of a provider; its root is the host."""

    resources: dict[str, Amount]
    root_provider_uuid: str
    traits: list[str] = []
