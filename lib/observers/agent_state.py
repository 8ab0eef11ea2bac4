"""Services and agents of Nova, Neutron and Cinder: whether they are heard of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import AgentStateSettings
from observers.observer import Condition, Observer, Sight, Surroundings, sentences
from observers.tables import Table, state_of
from query_api.execution.answer import Answer
from query_api.execution.query import query
from query_api.wire.reading import Reading

_SERVICE = ("binary", "host", "availability_zone", "status", "state", "updated_at")
_REASON = "disabled_reason"
# What is asked for of each service of the catalogue, by the kind of thing that it lists.
_ASKED = {
    "compute_service": ("compute", ("id", *_SERVICE, _REASON)),
    "network_agent": (
        "network",
        (
            "id",
            "binary",
            "host",
            "availability_zone",
            "admin_state_up",
            "alive",
            "heartbeat_at",
            "agent_type",
        ),
    ),
    "volume_service": ("block-storage", (*_SERVICE, _REASON)),
}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a service or an agent."""

    binary: Annotated[str, msgspec.Meta(description="The program, such as nova-conductor.")]
    host: Annotated[str, msgspec.Meta(description="Where it runs, by its own word.")]
    zone: Annotated[str | None, msgspec.Meta(description="Its availability zone.")] = None
    type: Annotated[
        str | None, msgspec.Meta(description="What an agent of Neutron does, such as L3 agent.")
    ] = None
    enabled: Annotated[
        bool | None, msgspec.Meta(description="Whether it is meant to work; null if nobody says.")
    ] = None
    disabled_reason: Annotated[str | None, msgspec.Meta(description="Why it is disabled.")] = None
    heard_of: Annotated[
        str | None, msgspec.Meta(description="When it was last heard of, in UTC.")
    ] = None


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What a state is told by."""

    heard: Literal["up", "down", "unknown"]
    status: Literal["enabled", "disabled", "unknown"]


TABLE: Table = (
    ("UP", {"heard": "up"}),
    ("DOWN", {"heard": "down", "status": "enabled unknown"}),
    ("OUT", {"heard": "down", "status": "disabled"}),
    ("UNKNOWN", {"heard": "unknown"}),
)


def look(cloud: Cloud, settings: AgentStateSettings, around: Surroundings) -> Sight:
    """Look at all of them: one listing for each of Nova, Neutron, Cinder. Raises CloudError."""
    reading = Reading(cloud)
    kinds = [kind for kind, (service, _) in _ASKED.items() if cloud.has(service)]

    def listed(kind: str) -> Answer:
        return query(kind).select(*_ASKED[kind][1]).run([cloud], now=around.moment)

    answers = reading.answers(listed, kinds, lambda kind: kind.replace("_", " ") + "s")
    conditions = [
        one for kind, answer in answers.items() for one in _conditions(kind, answer, settings)
    ]
    unread = sentences(reading.reasons, *(answer.reasons for answer in answers.values()))
    return Sight(conditions, unread)


def _conditions(kind: str, answer: Answer, settings: AgentStateSettings) -> Iterator[Condition]:
    for row in answer.dicts():
        # Nova says little more than a name of what is in a cell that does not answer.
        id = row["id"] if "id" in row else f"{row['binary']}@{row['host']}"
        if id and not any(fnmatchcase(row["binary"] or "", one) for one in settings.leave_out):
            facts, heard = (_agent if kind == "network_agent" else _service)(row)
            status: Literal["enabled", "disabled", "unknown"] = "unknown"
            if facts.enabled is not None:
                status = "enabled" if facts.enabled else "disabled"
            state = state_of(TABLE, Signs(heard=heard, status=status))
            yield Condition(kind, id, f"{facts.binary} on {facts.host}", state, facts)


_Heard = Literal["up", "down", "unknown"]


def _service(row: Mapping[str, Any]) -> tuple[Facts, _Heard]:
    facts = Facts(
        binary=row["binary"] or "",
        host=row["host"] or "",
        zone=row["availability_zone"],
        enabled={"enabled": True, "disabled": False}.get(row["status"] or ""),
        disabled_reason=row[_REASON] or None,
        heard_of=row["updated_at"],
    )
    words: dict[str, _Heard] = {"up": "up", "down": "down"}
    return facts, words.get(row["state"] or "", "unknown")


def _agent(row: Mapping[str, Any]) -> tuple[Facts, _Heard]:
    facts = Facts(
        binary=row["binary"] or "",
        host=row["host"] or "",
        zone=row["availability_zone"],
        type=row["agent_type"],
        enabled=row["admin_state_up"],
        heard_of=row["heartbeat_at"],
    )
    words: dict[bool | None, _Heard] = {True: "up", False: "down"}
    return facts, words.get(row["alive"], "unknown")


OBSERVER = Observer(
    name="agent_state",
    about="A service or agent of Nova, Neutron or Cinder is down, or up again.",
    kind="compute_service, network_agent or volume_service",
    facts=Facts,
    states={
        "UP": "it is heard of, be it enabled or disabled.",
        "DOWN": "it is not heard of, and nobody has disabled it.",
        "OUT": "it is not heard of, and is disabled: somebody has taken it out of service.",
        "UNKNOWN": "the service says neither up nor down.",
    },
    normal=frozenset({"UP", "OUT"}),
    look=look,
)
