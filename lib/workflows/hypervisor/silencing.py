"""Runbooks that keep the monitoring of hypervisors quiet, and end that: silence, unsilence."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.cloud import Cloud
from accounts.several import EVERY, Alertmanagers, Icingas
from icinga_api.downtimes import Children
from monitoring import downtimes, marks, names, quiet, silences
from monitoring.quiet import Quiet
from monitoring.times import wrong
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from searches.searching import question
from workflow_api import Context, End, Plan, UserError, clean, listed, workflow
from workflow_api.parameters import (
    Hypervisors,
    MonitoringReason,
    Name,
    Starts,
    Until,
    WhereHypervisor,
)


@workflow("hypervisor.silence", timeout="30m")
def silence(
    ctx: Context,
    cloud: Cloud,
    icingas: Icingas,
    alertmanagers: Alertmanagers,
    hypervisors: Hypervisors,
    reason: MonitoringReason,
    where: WhereHypervisor | None = None,
    *,
    until: Until = End("2h"),  # noqa: B008 - a constant
    starts: Starts | None = None,
    children: Children = "none",
) -> Plan:
    """Keep the monitoring of hypervisors quiet: downtimes in Icinga, silences in Alertmanager.

    All of it ends by itself. What is quiet for as long already is left as it is.

    children: Dependent hosts in Icinga: none, all for the same time, or all once its own downtime
        begins.
    """
    chosen = _chosen(cloud, hypervisors, where)
    plan = Plan(f"Silence {_named(chosen)}")
    plan.refuse([*wrong(reason, until, starts), *_nowhere(chosen, icingas, alertmanagers)])
    hosts, matchers = _names(ctx, chosen)
    plan.refuse(why for icinga in icingas for why in quiet.unknown(icinga, hosts))
    ctx.claim(*(downtimes.claimed(icinga, host) for icinga in icingas for host in hosts))
    ctx.claim(*(silences.to_come(one, text) for one in alertmanagers for text in matchers))
    asked = Quiet(reason=reason, until=until, starts=starts, children=children)
    at_most = ctx.config.limits.max_parallel
    for icinga in icingas:
        steps = quiet.to_schedule(plan, icinga, hosts, asked, ctx.asked_at)
        plan.each(downtimes.schedule, steps, at_most=at_most, undo="on_cancel")
    for one in alertmanagers:
        steps = quiet.to_create(plan, one, matchers, asked, ctx.asked_at)
        plan.each(silences.create, steps, at_most=at_most, undo="on_cancel")
    return plan


@workflow("hypervisor.unsilence", timeout="30m")
def unsilence(
    ctx: Context,
    cloud: Cloud,
    icingas: Icingas,
    alertmanagers: Alertmanagers,
    hypervisors: Hypervisors,
    where: WhereHypervisor | None = None,
    *,
    run: Name = "",
) -> Plan:
    """End what runbooks did to keep the monitoring of hypervisors quiet; what others did stays.

    run: Only what this run did, by its id or the start of it.
    """
    if run and not marks.START.fullmatch(run):
        raise UserError(f"run is the id of a run or the start of one, not {clean(run)!r:.80}.")
    chosen = _chosen(cloud, hypervisors, where)
    plan = Plan(f"End the silence of {_named(chosen)}")
    plan.refuse(_nowhere(chosen, icingas, alertmanagers))
    hosts, matchers = _names(ctx, chosen)
    at_most = ctx.config.limits.max_parallel
    for icinga in icingas:
        steps = quiet.to_remove(plan, icinga, hosts, run)
        ctx.claim(*(downtimes.claimed(icinga, step["host"]) for step in steps))
        plan.each(downtimes.remove, steps, at_most=at_most, on_failure="continue")
    for one in alertmanagers:
        found = quiet.to_expire(plan, one, matchers, run)
        ctx.claim(*map(silences.claimed, found))
        steps = [{"alertmanager": one, **silences.about(one, each)} for each in found]
        plan.each(silences.expire, steps, at_most=at_most, on_failure="continue")
    if not plan.stages:
        plan.skip(_named(chosen), "no runbook keeps it quiet")
    return plan


def _names(ctx: Context, chosen: Sequence[Hypervisor]) -> tuple[list[str], list[str]]:
    """Return what hypervisors are called in Icinga, and what alerts about them pass; each once."""
    hosts = (names.in_icinga(ctx.config, host.name) for host in chosen)
    matchers = (names.in_alertmanager(ctx.config, host.name) for host in chosen)
    return list(dict.fromkeys(hosts)), list(dict.fromkeys(matchers))


def _chosen(cloud: Cloud, wanted: Sequence[str], where: str | None) -> list[Hypervisor]:
    """Return the hypervisors that are named, or all, of them those that pass a condition.

    Raises NotFound, Ambiguous, and UserError if not all of them could be seen.
    """
    known = compute.hypervisors(cloud)
    every = EVERY in wanted
    picked = (compute.pick_hypervisor(cloud, name.strip(), known) for name in wanted)
    chosen = known if every else list(picked)
    passing = None if where is None else _passing(cloud, where)
    found = {host.id: host for host in chosen if passing is None or host.id in passing}
    return sorted(found.values(), key=lambda host: (host.name, host.id))


def _passing(cloud: Cloud, where: str) -> set[str]:
    answer = question("hypervisor", where=where).select("id").run([cloud])
    if not answer.complete:
        what, why = answer.reasons[0]
        raise UserError(
            f"Not all hypervisors could be seen: {clean(what)}: {clean(why)}.",
            advice="Nothing was done: those that could not be read would be missed silently.",
        )
    return set(answer.column("id"))


def _named(chosen: Sequence[Hypervisor]) -> str:
    return listed((clean(host.name) for host in chosen), 5) or "no hypervisor"


def _nowhere(
    chosen: Sequence[Hypervisor], icingas: Icingas, alertmanagers: Alertmanagers
) -> list[str]:
    """Return why there is nothing to do anything about, or nowhere to do it."""
    found = [] if chosen else ["no hypervisor passes"]
    if not icingas and not alertmanagers:
        found.append("the configuration has no icingas and no alertmanagers for hypervisors")
    return found
