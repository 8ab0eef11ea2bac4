"""What the pack's configuration says of sensors: which clouds they look at, how often, from when
on they say so. Each sensor is a field of :class:`Sensors`, by the name of its observer."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec

from accounts.texts import Name
from common.duration import Duration


class SensorSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every sensor has. ``clouds`` None are all that are configured."""

    clouds: list[Name] | None = None
    every: Duration = Duration.parse("60s")
    timeout: Duration = Duration.parse("2m")
    steady_looks: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    steady_for: Duration | None = None
    again: Duration = Duration.parse("1d")

    @property
    def lease(self) -> float:
        """For how many seconds who has looked may look next: until it has looked once more."""
        return float(self.every) + float(self.timeout)


class CloudStateSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """Whether a cloud and each of its services answers."""


class HypervisorStateSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """From when on a hypervisor counts as freshly rebooted, as due, and as being drained."""

    rebooted_within: Duration = Duration.parse("1h")
    due_after: Duration = Duration.parse("90d")
    due_trait: str = "CUSTOM_OPENSTACK_OPS_MAINTENANCE"
    due_metadata_key: str = "openstack_ops:maintenance"
    draining_reasons: list[str] = msgspec.field(default_factory=lambda: ["*drain*"])


class ServerStateSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """For how long a server may be at work on something; ``tasks`` are looked for by name."""

    stuck_after: Duration = Duration.parse("1h")
    deleting_after: Duration = Duration.parse("15m")
    unconfirmed_after: Duration = Duration.parse("1d")
    tasks: Annotated[list[str], msgspec.Meta(max_length=20)] = msgspec.field(
        default_factory=lambda: [
            "deleting",
            "soft-deleting",
            "powering-off",
            "image_snapshot",
            "image_uploading",
            "unshelving",
        ]
    )


class AgentStateSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """Which services and agents are not looked at: shell patterns of their programs."""

    steady_looks: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    leave_out: list[str] = []


class RouterGatewaySettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """The ranges of addresses, as CIDR, that routers are told of whose gateway is in them."""

    every: Duration = Duration.parse("5m")
    ranges: list[str] = []

    def __post_init__(self) -> None:
        for one in self.ranges:
            ipaddress.ip_network(one)  # raises a ValueError that says what is wrong with it


class DriftSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """Which cloud the others should be like, in what, and which differences are meant to be."""

    every: Duration = Duration.parse("30m")
    timeout: Duration = Duration.parse("10m")
    like: Name | None = None
    what: list[Literal["flavors", "images", "aggregates"]] = msgspec.field(
        default_factory=lambda: ["flavors", "images", "aggregates"]
    )
    leave_out: list[str] = []


class QuotaStateSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """From which share of a quota on a project is told of, and how many are asked for in a look."""

    every: Duration = Duration.parse("1h")
    timeout: Duration = Duration.parse("10m")
    above_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 90
    services: list[Literal["compute", "block-storage", "network"]] = msgspec.field(
        default_factory=lambda: ["compute", "block-storage", "network"]
    )
    leave_out: list[str] = []
    most_projects: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 300


class FlavorRoom(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How many more servers of a flavor are to fit, in an aggregate or anywhere."""

    flavor: str
    least: Annotated[int, msgspec.Meta(ge=1)]
    aggregate: str | None = None


class CapacityStateSettings(SensorSettings, forbid_unknown_fields=True, kw_only=True):
    """For which flavors there has to be room."""

    every: Duration = Duration.parse("5m")
    room: list[FlavorRoom] = []


class Sensors(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All sensors, and for how long what they have said is remembered."""

    keep_events: Duration = Duration.parse("30d")
    cloud_state: CloudStateSettings = msgspec.field(default_factory=CloudStateSettings)
    hypervisor_state: HypervisorStateSettings = msgspec.field(
        default_factory=HypervisorStateSettings
    )
    server_state: ServerStateSettings = msgspec.field(default_factory=ServerStateSettings)
    agent_state: AgentStateSettings = msgspec.field(default_factory=AgentStateSettings)
    router_gateway: RouterGatewaySettings = msgspec.field(default_factory=RouterGatewaySettings)
    drift: DriftSettings = msgspec.field(default_factory=DriftSettings)
    quota_state: QuotaStateSettings = msgspec.field(default_factory=QuotaStateSettings)
    capacity_state: CapacityStateSettings = msgspec.field(default_factory=CapacityStateSettings)
