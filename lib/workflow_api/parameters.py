"""The vocabulary of parameters: what means the same in every runbook, described once.

An action's form is generated from the function's signature. The description of a parameter is its
line in the function's docstring (``target: The hypervisor to go to.``) or else that of its type,
which is one of these. What stands before the ``*`` of a signature says what the runbook is about
and comes before ``dry_run`` in the form; what stands behind it says how, and comes after.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from common.duration import End


class ParameterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that several runbooks have alike: each field is a parameter of the action.

    A runbook takes one argument of the group's type. The fields are described as a function's
    parameters are; those in ``no_parameters`` are none, and have defaults.
    """

    no_parameters: ClassVar[frozenset[str]] = frozenset()


class _Names:
    """The mark of a type whose values name something, by name, id or key."""


#: A text that names something: the engine takes one short line for it, and blank is not given.
#: Every parameter that is looked up has this type or one that is made of it.
Name = Annotated[str, _Names]
Names = list[Name]

ServerName = Annotated[Name, Meta(description="The server, by name or id, in any project.")]
HypervisorName = Annotated[Name, Meta(description="The hypervisor, by host name or id.")]
HostAggregateName = Annotated[Name, Meta(description="The host aggregate, by name or id.")]
ServerGroupName = Annotated[
    Name, Meta(description="The server group, by name or id, in any project.")
]
VolumeName = Annotated[Name, Meta(description="The volume, by name or id, in any project.")]
SnapshotName = Annotated[
    Name, Meta(description="The snapshot of a volume, by name or id, in any project.")
]
FlavorName = Annotated[Name, Meta(description="The flavor, by its exact name or id.")]
NetworkName = Annotated[Name, Meta(description="The network, by its exact name or id.")]
PortName = Annotated[Name, Meta(description="The port, by its exact name or id.")]
SecurityGroupName = Annotated[
    Name, Meta(description="The security group, by id, or by its name if no other has it.")
]
ImageName = Annotated[Name, Meta(description="The image, by its exact name or id.")]
ProjectName = Annotated[
    Name, Meta(description="The project, by name or id; domain/name where names are not unique.")
]
AggregateName = Annotated[
    Name, Meta(description="Only hypervisors of this host aggregate, by name or id.")
]
ZoneName = Annotated[Name, Meta(description="Only hypervisors of this availability zone.")]
RunId = Annotated[Name, Meta(description="The run, by its id or the start of it.")]
CampaignName = Annotated[Name, Meta(description="The campaign, by its key or id.")]
HypervisorReason = Annotated[
    str, Meta(description="The reason, for anybody who looks at the hypervisor later.")
]
Until = Annotated[
    End,
    Meta(
        description="When it ends: after 90m, 1.5d or PT90M, or at a time as 2026-12-01T06:00Z or "
        "2026-12-01 06:00 Europe/Berlin."
    ),
]
Starts = Annotated[
    End,
    Meta(description="When it begins: after 30m, or at a time with its zone; now if empty."),
]
AlertMatchers = Annotated[
    str,
    Meta(
        description='Which alerts, in Alertmanager\'s own form, as: alertname="HostDown", '
        'instance=~"cmp-1(:.*)?", env!="test".'
    ),
]
SilenceReason = Annotated[
    str, Meta(description="The reason, for anybody who looks at the silence later.")
]
Hypervisors = Annotated[
    Names, Meta(description="The hypervisors, by host names or ids; * for all that pass where.")
]
WhereHypervisor = Annotated[
    str,
    Meta(description="Of these only hypervisors that pass, as: status = disabled and state = up."),
]
MonitoringReason = Annotated[
    str, Meta(description="The reason, for anybody who looks at the monitoring later.")
]
IcingaHost = Annotated[Name, Meta(description="The host, by its name in Icinga.")]
IcingaHosts = Annotated[
    Name, Meta(description="Only hosts of this name in Icinga, or of such names, as cmp-*.")
]
DowntimeReason = Annotated[
    str, Meta(description="The reason, for anybody who looks at the downtime later.")
]
DowntimeOfServices = Annotated[
    bool, Meta(description="Whether the host's services have the same downtime.")
]
SilenceId = Annotated[Name, Meta(description="The silence, by its id.")]
MaxParallel = Annotated[
    int, Meta(ge=1, description="How many to work on at once; limits.max_parallel if empty.")
]
AllowPartial = Annotated[
    bool,
    Meta(description="Succeed even if something is missing from the answer; the answer says what."),
]
AllowPast = Annotated[bool, Meta(description="Continue although the time is in the past.")]
Where = Annotated[
    str,
    Meta(
        description="Only those that pass, as: status any_in (SHUTOFF, ERROR) and updated_at "
        "older_than 30d."
    ),
]
PastBrakes = Annotated[
    bool,
    Meta(
        description="Go past the brakes, whose figures the refusal names; never for what a rule "
        "starts."
    ),
]
RowLimit = Annotated[int, Meta(ge=1, description="The maximum number of rows, or of groups.")]
PreviewDir = Annotated[
    str,
    Meta(
        description="Write each mail as .eml and .html into this absolute folder on the action "
        "runner."
    ),
]
AtLeastOne = Annotated[int, Meta(ge=1)]


def names_something(kind: Any) -> bool:
    """Return whether a parameter of this type, or each value of its list, names something."""
    return kind is _Names or any(names_something(part) for part in typing.get_args(kind))
