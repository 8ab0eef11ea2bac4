"""Runbooks that take a hypervisor out of scheduling and put it back: disable, enable."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud
from common.reasons import checked_reason
from hypervisors.hosts import because
from migration.placement_check import refuse_shared
from openstack_api import compute as change
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from workflow_api import Context, Plan, step, workflow
from workflow_api.parameters import HypervisorName, HypervisorReason


def find_disabled(cloud: Cloud, service: str, host: str, reason: str) -> dict[str, Any] | None:
    """Say whether scheduling of the host is disabled with this very reason."""
    now = compute.hypervisor_behind(cloud, service)
    disabled = now and (now.status, now.service.disabled_reason) == ("disabled", reason)
    return {"said": f"{host} is disabled"} if disabled else None


def find_enabled(cloud: Cloud, service: str, host: str) -> dict[str, Any] | None:
    """Say whether scheduling of the host is enabled."""
    now = compute.hypervisor_behind(cloud, service)
    return _enabled(host) if now and now.status == "enabled" else None


def restore_scheduling(cloud: Cloud, service: str, was: dict[str, Any]) -> None:
    """Put scheduling back as it was when the plan was drawn."""
    if was["status"] == "enabled":
        change.enable_service(cloud, service)
    else:
        change.disable_service(cloud, service, was["reason"] or "disabled")


@step(
    "hypervisor.disable_scheduling",
    "disable scheduling of {host}{now}: {reason}",
    key="{host}",
    find=find_disabled,
    undo=restore_scheduling,
)
def disable_scheduling(
    cloud: Cloud, service: str, host: str, reason: str, was: dict[str, Any], now: str = ""
) -> dict[str, Any]:
    """Take a hypervisor out of scheduling; ``now`` says in the plan how it stands before."""
    change.disable_service(cloud, service, reason)
    return {"said": f"{host} is disabled"}


@step(
    "hypervisor.enable_scheduling",
    "enable scheduling of {host}{now}",
    key="{host}",
    find=find_enabled,
    undo=restore_scheduling,
)
def enable_scheduling(
    cloud: Cloud, service: str, host: str, was: dict[str, Any], now: str = ""
) -> dict[str, Any]:
    """Put a hypervisor back into scheduling; ``now`` says in the plan how it stands before."""
    change.enable_service(cloud, service)
    return _enabled(host)


def _enabled(host: str) -> dict[str, Any]:
    return {"host": host, "said": f"{host} is enabled"}


@workflow("hypervisor.disable", one_object=True, timeout="5m")
def disable(
    ctx: Context, cloud: Cloud, hypervisor: HypervisorName, reason: HypervisorReason
) -> Plan:
    """Disable scheduling on a hypervisor; its servers keep running."""
    (host,) = ctx.claimed(lambda: [compute.find_hypervisor(cloud, hypervisor)])
    refuse_shared(host, "Disabling")
    plan = Plan(f"Disable {host.name}")
    if host.status == "disabled" and host.service.disabled_reason == checked_reason(reason):
        plan.skip(host.name, "it is disabled for this reason already")
    else:
        plan.add(disable_scheduling, **scheduling_of(host), reason=checked_reason(reason))
    return plan


@workflow("hypervisor.enable", one_object=True, timeout="5m")
def enable(ctx: Context, cloud: Cloud, hypervisor: HypervisorName) -> Plan:
    """Enable scheduling on a hypervisor."""
    (host,) = ctx.claimed(lambda: [compute.find_hypervisor(cloud, hypervisor)])
    refuse_shared(host, "Enabling")
    plan = Plan(f"Enable {host.name}")
    if host.state != "up":
        plan.note(f"{host.name} is {host.state}: nothing is scheduled there until it is up.")
    if host.status == "enabled":
        plan.skip(host.name, "it is enabled already")
    else:
        plan.add(enable_scheduling, **scheduling_of(host))
    return plan


def scheduling_of(host: Hypervisor) -> dict[str, Any]:
    """Return what the steps about its scheduling are planned with."""
    reason = host.service.disabled_reason
    now = f" (now {host.status}{because(reason)})" if host.status != "enabled" else ""
    was = {"status": host.status, "reason": reason}
    return {"service": host.service.id, "host": host.name, "was": was, "now": now}
