"""Proof that a hypervisor is off, before its servers are started anywhere else."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.host_config import Evacuation
from hypervisors.services import ComputeService, compute_service
from openstack_api import compute_hosts as change
from query_api.lookups.compute_types import Hypervisor
from workflow_api import StepFailed, clean, humanize, step


class Proof(msgspec.Struct):
    """What proves it: somebody's word and the silence, a power command, or why nothing does."""

    command: str = ""
    refusals: list[str] = []
    notes: list[str] = []
    advice: str = ""


def proof(
    config: Evacuation, host: Hypervisor, service: ComputeService | None, typed: str | None
) -> Proof:
    """Return how it is proven that a hypervisor is off.

    Either somebody has typed its name (``typed``) as a word for it, and its compute service has
    been silent for long enough, or the power command of the configuration is run first.
    """
    if typed is None and config.power_off:
        return Proof(config.power_off)
    if typed is None:
        return Proof(
            refusals=["nothing proves that its power is off, and servers would run twice"],
            advice=f"Turn its power off, see that it is off, and give power_is_off={host.name}.",
        )
    refusals = []
    if typed not in (host.name, host.service.host):
        refusals.append(f"power_is_off is {clean(typed)!r}, and the hypervisor is {host.name}")
    silent = service.silent if service else None
    if silent is None:
        refusals.append("Nova does not say when its compute service was heard of last")
    elif silent < config.down_after:
        refusals.append(
            f"its compute service was heard of {humanize(silent)} before others were, and that has "
            f"to be {config.down_after} (evacuation.down_after)"
        )
    if refusals:
        return Proof(refusals=refusals)
    assert silent is not None
    return Proof(
        notes=[f"{host.name} has been silent for {humanize(silent)}, and is said to be off."]
    )


def find_forced(cloud: Cloud, host: str, compute_host: str) -> dict[str, Any] | None:
    """Say whether Nova has been told that the service is down."""
    now = compute_service(cloud, compute_host)
    return {"said": _forced_down(host)} if now is not None and now.forced_down else None


@step(
    "hypervisor.force_down",
    "tell Nova that {host} is down",
    key="{host}",
    find=find_forced,
)
def force_down(cloud: Cloud, service: str, host: str, compute_host: str) -> dict[str, Any]:
    """Tell Nova that a host is down; raises StepFailed if it is heard of again.

    From then on its nova-compute is not believed, and is given nothing to do.
    """
    now = compute_service(cloud, compute_host)
    if now is not None and now.state == "up":
        raise StepFailed(
            f"nova-compute on {host} is heard of again, so it is not off: nothing was evacuated."
        )
    change.force_down(cloud, service, True)
    return {"said": _forced_down(host)}


def _forced_down(host: str) -> str:
    return f"{host} is down for Nova until hypervisor.return"
