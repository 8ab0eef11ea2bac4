"""hypervisor.show: one hypervisor, the servers on it, and what else holds it."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud
from hypervisors.hosts import because
from hypervisors.occupants import Occupants, occupants
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from workflow_api import CloudError, Context, Table, clean, count, workflow
from workflow_api.parameters import HypervisorName


@workflow("hypervisor.show")
def show_hypervisor(ctx: Context, cloud: Cloud, hypervisor: HypervisorName) -> Table:
    """Show one hypervisor, the servers on it, and what else occupies it."""
    host = compute.find_hypervisor(cloud, hypervisor)
    reasons: list[tuple[str, str]] = []
    try:
        found = occupants(cloud, host)
    except CloudError as error:
        reasons.append((f"what else holds {host.name}", str(error)))
        found = Occupants(compute.servers_on(cloud, host), [], {})
    load = _row(host)
    rows = [
        {
            "name": clean(server.name),
            "id": server.id,
            "status": server.status,
            "task": server.task_state,
            "vcpus": server.flavor.vcpus,
            "memory_gib": server.flavor.ram / 1024,
            "locked": server.locked,
        }
        for server in found.servers
    ]
    rows += [{"name": one.name, "id": one.id, "note": one.why} for one in found.others]
    title = (
        f"{host.name} ({host.id}): {host.state}, {host.status}{because(load['reason'])}; "
        f"{load['vcpus']} vCPUs and {load['memory_gib']} GiB used"
    )
    columns = ("name", "id", "status", "task", "vcpus", "memory_gib", "locked")
    also = f", and {len(found.others)} more that hold it" if found.others else ""
    return Table(
        (*columns, "note") if found.others else columns,
        rows,
        title,
        summary=f"{title}; {count(len(found.servers), 'server')}{also}",
        good=not reasons,
        extra=() if found.others else ("note",),
        reasons=reasons,
    )


def _row(host: Hypervisor) -> dict[str, Any]:
    return {
        "name": clean(host.name),
        "id": host.id,
        "state": host.state,
        "status": host.status,
        "servers": host.running_vms,
        "vcpus": f"{host.vcpus_used}/{host.vcpus}",
        "memory_gib": f"{host.memory_mb_used // 1024}/{host.memory_mb // 1024}",
        "reason": clean(host.service.disabled_reason or ""),
    }
