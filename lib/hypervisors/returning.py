"""Giving a hypervisor back: whether anything of its time away is left, and the steps that look.

What was evacuated off a host is destroyed on it by its nova-compute when that starts, and only
then: until it has done so, the disks and what they took in Placement are still there, and Nova
refuses to believe the host again. So leftovers come before anything else.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from accounts.cloud import Cloud
from hypervisors.occupants import Occupant, occupants, told
from hypervisors.services import ComputeService, compute_service
from migration.evacuating import UNDER_WAY, records
from openstack_api import compute_hosts as change
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor, Migration, Server
from workflow_api import Attempt, StepFailed, clean, count, humanize, listed, step

_DONE = "done"
# How often hosts and records are looked at while they are waited for.
_LOOK, _LATER = 2.0, 10.0
_START = "start nova-compute there: it clears away what was evacuated when it starts"


class Leftovers(msgspec.Struct):
    """What is left on a host of the time that it was away.

    ``evacuated`` are records of evacuations whose servers it has not cleared away, ``running`` of
    those that are under way, ``held`` is what else holds it, and ``servers`` are still its own.
    """

    evacuated: list[Migration] = []
    running: list[Migration] = []
    held: list[Occupant] = []
    servers: list[Server] = []

    @property
    def reasons(self) -> list[str]:
        """Why the host cannot be given back yet, in words."""
        found = []
        if self.evacuated:
            ids = listed((record.instance_uuid for record in self.evacuated), 5)
            found.append(
                f"{count(len(self.evacuated), 'evacuated server')} not cleared away: {ids}"
            )
        if self.held:
            found.append(told(self.held))
        return found


def leftovers(cloud: Cloud, host: Hypervisor) -> Leftovers:
    """Return what is left on a host, in four requests or a few more. Raises CloudError."""
    known = records(cloud, host.service.host, *UNDER_WAY, _DONE)
    found = occupants(cloud, host)
    rebuilt = {s.id for s in found.servers if (s.task_state or "").startswith("rebuild")}
    gone = {record.instance_uuid for record in known if record.status == _DONE}
    return Leftovers(
        evacuated=[record for record in known if record.status == _DONE],
        running=[r for r in known if r.status in UNDER_WAY and r.instance_uuid in rebuilt],
        # What an evacuated server took is told by its record.
        held=[one for one in found.others if one.id not in gone],
        servers=found.servers,
    )


@step(
    "hypervisor.check_leftovers",
    "check that nothing of its evacuation is left on {host}",
    key="{host}",
    changes=False,
)
def check_leftovers(
    attempt: Attempt, cloud: Cloud, host: str, hypervisor: str, within: float
) -> dict[str, Any]:
    """Wait until nova-compute has cleared away what was evacuated; raises StepFailed."""
    begun, said = time.monotonic(), False
    while True:
        left = leftovers(cloud, compute.find_hypervisor(cloud, hypervisor))
        if not left.reasons:
            return {"said": f"nothing is left on {host}"}
        if time.monotonic() - begun > within:
            raise StepFailed(
                f"{host} is not clean after {humanize(within)}: {'; '.join(left.reasons)}.",
                advice=f"On {host}, {_START}.",
            )
        if not said:
            attempt.say(f"waiting for {host} to be clear: {'; '.join(left.reasons)}")
            said = True
        attempt.wait(_LATER if time.monotonic() - begun > _LATER else _LOOK)


def find_believed(cloud: Cloud, host: str, compute_host: str) -> dict[str, Any] | None:
    """Say whether Nova believes the host's reports."""
    now = compute_service(cloud, compute_host)
    return {"said": _believed(host)} if now is not None and not now.forced_down else None


def disbelieve(cloud: Cloud, service: str, compute_host: str) -> None:
    """Tell Nova again that the host is down."""
    now = compute_service(cloud, compute_host)
    if now is None or not now.forced_down:
        change.force_down(cloud, service, True)


@step(
    "hypervisor.believe",
    "have Nova believe {host} again",
    key="{host}",
    find=find_believed,
    undo=disbelieve,
)
def believe(cloud: Cloud, service: str, host: str, compute_host: str) -> dict[str, Any]:
    """Take back that a host is down whatever its nova-compute says."""
    change.force_down(cloud, service, False)
    return {"said": _believed(host)}


@step("hypervisor.wait_up", "wait until {host} is up", key="{host}", changes=False)
def wait_up(
    attempt: Attempt, cloud: Cloud, host: str, compute_host: str, within: float
) -> dict[str, Any]:
    """Wait until the compute service of a host is up; raises StepFailed."""
    begun = time.monotonic()
    while True:
        now = compute_service(cloud, compute_host)
        if now is not None and now.state == "up":
            return {"host": host, "said": f"{host} is up"}
        if time.monotonic() - begun > within:
            raise StepFailed(
                f"nova-compute on {host} is {_state(now)} after {humanize(within)}.",
                advice=f"See that nova-compute runs on {host}, and resume the run.",
            )
        attempt.wait(_LATER if time.monotonic() - begun > _LATER else _LOOK)


def notes_on(host: Hypervisor, left: Leftovers, service: ComputeService | None) -> list[str]:
    """Return what is to be known before a host is given back."""
    found = [f"Left on it: {why}. If it stays, {_START}." for why in left.reasons]
    if left.servers:
        names = listed((clean(server.name) for server in left.servers), 5)
        found.append(f"{count(len(left.servers), 'server')} on it by Nova: {names}.")
    if service is not None and service.state != "up" and not service.forced_down:
        found.append(f"nova-compute on {host.name} is {service.state}: it is waited for.")
    return found


def _believed(host: str) -> str:
    return f"Nova believes {host} again"


def _state(now: ComputeService | None) -> str:
    return "unknown to Nova" if now is None else now.state
