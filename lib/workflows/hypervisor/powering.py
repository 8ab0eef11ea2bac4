"""hypervisor.stop_servers and hypervisor.start_servers: off for a while, and on again, those alone.

Which servers a run has stopped stands in its journal, so nothing has to be written on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from accounts.cloud import Cloud, not_there
from hypervisors.occupants import excluded
from hypervisors.stopped import stopped_by
from maintenance.budgets import over
from migration.placement_check import refuse_shared
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor, Server
from query_api.wire.reading import Reading
from verbs.following import step_of
from verbs.servers import SERVER, SERVER_VERBS
from verbs.verb import Verb
from workflow_api import (
    CloudError,
    Context,
    OnFailure,
    Plan,
    Undo,
    clean,
    workflow,
)
from workflow_api.parameters import HypervisorName, MaxParallel, Names, RunId

# What becomes of the servers that are stopped already when a run is cancelled.
OnCancel = Literal["leave", "start"]
_UNDO: dict[OnCancel, Undo] = {"leave": "never", "start": "on_cancel"}
_VERBS = {verb.name: verb for verb in SERVER_VERBS}
_STOP, _START = _VERBS["server.stop"], _VERBS["server.start"]
# The steps of those runbooks, without all the others of servers.
_STEPS = {verb.name: step_of(SERVER, verb, _VERBS) for verb in (_STOP, _START)}
# So many servers that have left the hypervisor are asked for one by one.
_FEW = 10


@workflow("hypervisor.stop_servers")
def stop_servers(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    *,
    exclude: Names = [],  # noqa: B006 - never changed; the signature is the action's default
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "continue",
    on_cancel: OnCancel = "leave",
    past_budgets: bool = False,
) -> Plan:
    """Shut off the servers that run on a hypervisor; hypervisor.start_servers starts those again.

    exclude: Servers to leave running, by name or id.
    on_failure: After a server that does not stop, stop, or continue with the others.
    on_cancel: After a cancel, leave the stopped servers off or start them again.
    past_budgets: Whether to go past the disruption budgets of server groups and projects.
    """
    host = compute.find_hypervisor(cloud, hypervisor)
    refuse_shared(host, "Stopping the servers of")
    plan = Plan(f"Stop the servers of {host.name}")
    plan.refuse([f"its compute service is {host.state}"] if host.state != "up" else [])
    ctx.claim(host)
    servers = ctx.claimed(lambda: _by_name(compute.servers_on(cloud, host)))
    staying = excluded(cloud, host, servers, exclude)
    for name in staying.values():
        plan.skip(name, "it was excluded")
    asked = [server for server in servers if server.id not in staying]
    _heed_budgets(ctx, cloud, plan, host, asked, past_budgets)
    _plan_each(ctx, cloud, plan, _STOP, asked, max_parallel, on_failure, _UNDO[on_cancel])
    return plan


def _heed_budgets(
    ctx: Context,
    cloud: Cloud,
    plan: Plan,
    host: Hypervisor,
    servers: Iterable[Server],
    past_budgets: bool,
) -> None:
    """Refuse a plan that stops more than a disruption budget allows; with notes, go past that."""
    if past_budgets and ctx.requester.is_rule:
        plan.refuse(["a rule never goes past the budgets: past_budgets is for who looked at them"])
    why = over(cloud, [host.service.host], stopped=[server.id for server in servers])
    if past_budgets:
        for reason in why:
            plan.note(f"Past the budgets: {reason}.")
        return
    plan.refuse(why, "Exclude servers, or go past the budgets with past_budgets=true.")


@workflow("hypervisor.start_servers")
def start_servers(
    ctx: Context,
    cloud: Cloud,
    run: RunId,
    *,
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "continue",
) -> Plan:
    """Start exactly those servers that a run of hypervisor.stop_servers has stopped.

    run: The run that stopped them, or one that it was a part of, by its id or the start of it.
    on_failure: After a server that does not start, stop, or continue with the others.
    """
    stopped = stopped_by(ctx.open_journal(), run, cloud)
    plan = Plan(f"Start the servers that run {stopped.run[:8]} has stopped")
    gone: list[str] = []

    def read() -> list[Server]:
        found = _now(cloud, stopped.hosts, stopped.servers)
        gone[:] = sorted(set(stopped.servers) - {server.id for server in found})
        return _by_name(found)

    servers = ctx.claimed(read)
    for id in gone:
        plan.leave(f"{stopped.servers[id]} ({id})", "it is gone")
    _plan_each(ctx, cloud, plan, _START, servers, max_parallel, on_failure, "never")
    return plan


def _plan_each(
    ctx: Context,
    cloud: Cloud,
    plan: Plan,
    verb: Verb,
    servers: Iterable[Server],
    max_parallel: int | None,
    on_failure: OnFailure,
    undo: Undo,
) -> None:
    """Plan a verb for each server that it can be done with, and say why it is not for the others.

    A server that is off already is skipped, one that is protected or in no state for it is left.
    """
    options = verb.options()
    steps: list[dict[str, Any]] = []
    for server in servers:
        name = clean(server.name)
        if verb.is_done(SERVER, server, options):
            plan.skip(name, f"it is {server.status} already")
        elif reasons := verb.refusals(SERVER, cloud, server, options, ctx.config):
            plan.leave(f"{name} ({server.id})", "; ".join(reasons))
        else:
            steps.append({"id": server.id, "name": name, "options": {}})
    plan.each(
        _STEPS[verb.name],
        steps,
        at_most=max_parallel or ctx.config.limits.max_parallel,
        on_failure=on_failure,
        undo=undo,
    )


def _by_name(servers: Iterable[Server]) -> list[Server]:
    return sorted(servers, key=lambda server: (server.name, server.id))


def _now(cloud: Cloud, hosts: Iterable[str], ids: Iterable[str]) -> list[Server]:
    """Return the servers of these ids that are there, most of them in one or two listings.

    ``hosts`` are the hypervisors that they were on, as an operator has named them.
    """
    known: dict[str, Server] = {}
    behind = compute.hypervisors(cloud)
    services = {h.service.host for h in behind if {h.id, h.name, h.service.host} & set(hosts)}
    for service in sorted(services):
        known |= {server.id: server for server in compute.servers(cloud, host=service)}
    wanted = set(ids)
    if len(wanted - known.keys()) > _FEW:  # they were moved: those that are off can be listed
        known |= {server.id: server for server in compute.servers(cloud, status="SHUTOFF")}
    rest = sorted(wanted - known.keys())
    looks = Reading(cloud).tried(lambda id: compute.server(cloud, id), rest)
    for look in looks:
        if isinstance(look, CloudError):
            if not not_there(look):
                raise look
        else:
            known[look.id] = look
    return [known[id] for id in sorted(wanted & known.keys())]
