"""What the pack's configuration says of runbooks that test and evacuate hypervisors."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from accounts.texts import PERCENTAGE, Name
from common.duration import Duration

#: The stages of a hypervisor's maintenance, which a site's own steps can go before and after.
Stage = Literal[
    "agents", "drain", "silence", "patch", "reboot", "wait", "test", "enable", "unsilence"
]

Percentage = Annotated[str, msgspec.Meta(pattern=PERCENTAGE)]


class HypervisorTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What hypervisor.test makes its servers of, by names or ids; what is empty is looked for."""

    project: str | None = None
    image: str | None = None
    network: str | None = None
    flavors: list[str] = []
    volume_type: str | None = None
    volume_gib: Annotated[int, msgspec.Meta(ge=1)] = 1


class Evacuation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How servers of dead hypervisors are rebuilt elsewhere.

    ``power_off`` is a command of ``ssh_commands``, ``power_off_account`` whom it is run as.
    ``down_after`` is for how long a compute service has to have been silent before a person's word
    is taken for the power being off.
    """

    priority_key: str = "openstack_ops:priority"
    shared_storage: bool = False
    power_off: str | None = None
    power_off_account: str | None = None
    down_after: Duration = msgspec.field(default_factory=lambda: Duration.parse("5m"))


class Brakes(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How many hosts may be down or in work at once, and how soon after each other."""

    hosts_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    aggregate_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 34
    hosts_per_hour: Annotated[int, msgspec.Meta(ge=1)] = 10
    cool_down: Duration = Duration.parse("1h")
    blind_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50


class DisruptionBudgets(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How many members of server groups and projects may be down: a number, or ``30%``.

    ``key`` is where a server's metadata says it for its group, and a project's property for the
    project. ``projects`` go by id or name, ``policies`` are those of server groups.
    """

    key: str = "openstack_ops:disruption_budget"
    projects: dict[str, int | Percentage] = {}
    policies: dict[str, int | Percentage] = {}
    live_migration: bool = True


class Around(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A flag that is set before a stage and unset after one, and wherever the run does not go on.

    ``set`` and ``unset`` are names of ssh_commands that do no harm when run twice.
    """

    set: Name
    unset: Name
    before: Stage = "patch"
    after: Stage = "wait"


class Maintenance(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is done to a host in maintenance: names of ssh_commands, and for how long it is quiet.

    ``before`` and ``after`` are a site's own steps by the stages that they go before and after:
    commands, or ``webhook:`` and the name of one. ``alerts`` are the matchers, by Alertmanager, of
    alerts that have to be silent for ``settle`` before a next host is begun. Drains fill ``spare``
    hypervisors first.
    """

    agents: str | None = None
    patch: str | None = None
    reboot: str | None = None
    expected_kernel: str | None = None
    silence: Duration = Duration.parse("4h")
    within: Duration = Duration.parse("15m")
    before: dict[Stage, list[str]] = {}
    after: dict[Stage, list[str]] = {}
    around: list[Around] = []
    alerts: dict[Name, list[str]] = {}
    settle: Duration = Duration.parse("5m")
    spare: list[str] = []
