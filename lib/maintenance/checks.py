"""What has to be seen before a host that was rebooted may have servers again."""

from __future__ import annotations

import time
from typing import Any

from accounts.cloud import Cloud
from query_api.execution.query import query
from query_api.lookups import things
from workflow_api import Attempt, CloudError, StepFailed, clean, humanize, listed, step

_LOOK = 5.0


@step(
    "maintenance.wait_services",
    "wait until nova-compute{others} on {host} report anew",
    key="{host}",
    changes=False,
)
def wait_services(
    attempt: Attempt,
    cloud: Cloud,
    host: str,
    compute_host: str,
    agents: list[str],
    others: str,
    within: float,
) -> dict[str, Any]:
    """Wait until the services of a host are up and have reported since they were first looked at.

    What was heard of before a reboot counts as up for a minute after it, so that is not enough.
    ``agents`` are the ids of the network agents that were alive there. Raises StepFailed.
    """
    begun = time.monotonic()
    first = {name: heard for name, (_, heard) in _services(cloud, compute_host, agents).items()}
    while True:
        try:
            now = _services(cloud, compute_host, agents)
            silent = [
                name for name, (up, heard) in now.items() if not up or heard == first.get(name)
            ]
            why = f"not heard of: {listed(silent)}" if silent else ""
        except CloudError as error:
            why = str(error)
        if not why:
            return {"said": f"all services on {host} report", "services": sorted(now)}
        if time.monotonic() - begun > within:
            raise StepFailed(
                f"{host} is not whole after {humanize(within)}: {why.rstrip('.')}.",
                advice=f"See that its services run on {host}, and resume the run.",
            )
        attempt.wait(_LOOK, between=True)


def agents_of(cloud: Cloud, compute_host: str) -> dict[str, str]:
    """Return the names of the network agents that are alive on a host, by their ids.

    None where the cloud has no Neutron.
    """
    if cloud.endpoint("network") is None:
        return {}
    asked = query("network_agent").where("host", "equal_to", compute_host)
    alive = things.of_query(cloud, asked.where("alive", "equal_to", True))
    return {agent.id: clean(agent.values["binary"]) for agent in alive}


def _services(
    cloud: Cloud, compute_host: str, agents: list[str]
) -> dict[str, tuple[bool, str | None]]:
    """Return of each service of a host whether it is up, and when it was heard of last."""
    computes = query("compute_service").where("host", "equal_to", compute_host)
    found: dict[str, tuple[bool, str | None]] = {"nova-compute": (False, None)}
    for one in things.of_query(cloud, computes.where("binary", "equal_to", "nova-compute")):
        found["nova-compute"] = one.state == "up", one.values["updated_at"]
    if agents:
        asked = query("network_agent").where("host", "equal_to", compute_host)
        known = {one.id: one for one in things.of_query(cloud, asked)}
        for id in agents:
            agent = known.get(id)
            name = clean(agent.values["binary"]) if agent else f"network agent {id}"
            heard = agent.values["heartbeat_at"] if agent else None
            found[name] = bool(agent and agent.alive), heard
    return found


@step(
    "maintenance.check_kernel",
    "check that {host} runs the kernel that it was to boot",
    key="{host}",
    changes=False,
)
def check_kernel(host: str, expected: str, kernel: str) -> dict[str, Any]:
    """Compare the kernel of a host with the last line that the command for it had printed."""
    lines = [line.strip() for line in expected.splitlines() if line.strip()]
    wanted = lines[-1] if lines else ""
    if not wanted or wanted != kernel.strip():
        said = f"kernel {clean(kernel)}" if kernel else "an unknown kernel"
        told = clean(wanted) or "nothing"
        raise StepFailed(f"{host} runs {said}, and {told} was expected.")
    return {"said": f"{host} runs kernel {clean(kernel)}"}
