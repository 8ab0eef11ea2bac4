"""What the pack's configuration says of sensors: which clouds they look at, how often, from when
on they say so. Each sensor is a field of :class:`Sensors`, by the name of its observer."""

from __future__ import annotations

from typing import Annotated

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


class Sensors(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All sensors, and for how long what they have said is remembered."""

    keep_events: Duration = Duration.parse("30d")
    cloud_state: CloudStateSettings = msgspec.field(default_factory=CloudStateSettings)
    hypervisor_state: HypervisorStateSettings = msgspec.field(
        default_factory=HypervisorStateSettings
    )
