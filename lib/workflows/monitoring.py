"""Runbooks about what monitoring knows: monitoring.search, acknowledge and unacknowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from accounts.cloud import Cloud
from accounts.icinga import Icinga
from icinga_api import watched
from icinga_api.acknowledgements import acknowledgements
from icinga_api.patterns import matches
from icinga_api.watched import Wanted, Watched
from monitoring import acknowledgements as steps
from monitoring import marks, names
from monitoring.there import there
from monitoring.times import lasting, utc, wrong
from query_api.execution.query import query
from workflow_api import (
    CloudError,
    Context,
    End,
    Plan,
    Table,
    UserError,
    clean,
    count,
    workflow,
)
from workflow_api.parameters import (
    IcingaHost,
    IcingaHosts,
    MonitoringReason,
    Name,
    Names,
    RowLimit,
    Until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

State = Literal["noted", "problem", "downtime", "acknowledged", "unhandled", "any"]

# Each is narrowed in Icinga to what is noted, but for any.
_IS: dict[str, Callable[[Watched], bool]] = {
    "noted": lambda one: not one.is_quiet,
    "problem": lambda one: one.is_problem,
    "downtime": lambda one: one.in_downtime,
    "acknowledged": lambda one: one.acknowledged,
    "unhandled": lambda one: one.is_problem and not (one.in_downtime or one.acknowledged),
    "any": lambda one: True,
}


@workflow("monitoring.search")
def search(
    ctx: Context,
    cloud: Cloud,
    icinga: Icinga,
    host: IcingaHosts = "",
    state: State = "noted",
    *,
    services: bool = True,
    limit: RowLimit = 1000,
) -> Table:
    """List what is down, in downtime or acknowledged in Icinga, with the servers of each host.

    state: Problems, what is in downtime, acknowledged, noted for one of these,
        unhandled (problems alone), or any.
    services: Whether services are listed too.
    """
    wanted = Wanted(pattern=host or "*", noted=state != "any")
    found = watched.hosts(icinga, wanted)
    found += watched.services(icinga, wanted) if services else []
    chosen = sorted(filter(_IS[state], found), key=lambda one: one.name)
    reasons: list[tuple[str, str]] = []
    try:
        theirs = _servers_by_host(ctx, cloud, {one.host for one in chosen})
    except (CloudError, UserError) as error:
        theirs, reasons = {}, [(f"the servers of cloud {cloud.name}", str(error))]
    return Table(
        ("host", "service", "state", "since", "downtime", "acknowledged", "servers", "output"),
        [_row(one, theirs) for one in chosen[:limit]],
        units={"since": "time"},
        extra=("hard", "server_names"),
        reasons=reasons,
        summary=_summary(chosen, icinga),
    )


def _servers_by_host(ctx: Context, cloud: Cloud, hosts: set[str]) -> dict[str, list[str]]:
    """Return the names of the servers of those hosts in Icinga that are hypervisors."""
    if not hosts:
        return {}
    known = query("hypervisor").select("name", "service_host").run([cloud]).rows
    named = [(service or name, names.in_icinga(ctx.config, name)) for name, service in known]
    of_service = {service: host for service, host in named if host in hosts}
    found: dict[str, list[str]] = {host: [] for host in of_service.values()}
    if of_service:
        asked = query("server").where("host", "any_in", *of_service).select("name", "host")
        for name, service in asked.run([cloud]).rows:
            found[of_service[service]].append(clean(name))
    return {host: sorted(servers) for host, servers in found.items()}


def _row(one: Watched, servers: dict[str, list[str]]) -> dict[str, Any]:
    theirs = servers.get(one.host)
    return {
        "host": clean(one.host),
        "service": clean(one.service or ""),
        "state": one.state,
        "hard": one.hard,
        "since": utc(one.since),
        "downtime": one.in_downtime,
        "acknowledged": one.acknowledged,
        "servers": None if theirs is None else len(theirs),
        "server_names": theirs,
        "output": clean(one.output.partition("\n")[0]),
    }


def _summary(found: Sequence[Watched], icinga: Icinga) -> str:
    problems = sum(one.is_problem for one in found)
    quiet = sum(one.in_downtime for one in found)
    hosts = sum(one.service is None for one in found)
    return (
        f"{count(hosts, 'host')} and {count(len(found) - hosts, 'service')} in {icinga.name}: "
        f"{count(problems, 'problem')}, {quiet} in downtime"
    )


# -- acknowledging ------------------------------------------------------------------------------


@workflow("monitoring.acknowledge", timeout="10m")
def acknowledge(
    ctx: Context,
    icinga: Icinga,
    host: IcingaHost,
    reason: MonitoringReason,
    service: Name | None = None,
    *,
    until: Until | None = None,
    sticky: bool = False,
    notify: bool = False,
) -> Plan:
    """Acknowledge the problem of a host or service in Icinga, so that nobody is told of it again.

    service: Only this service of the host, by its name in Icinga; the host itself if empty.
    until: When it ends: after 90m or 1.5d, or at a time with its zone; with the problem if empty.
    sticky: Whether it holds until all is well, and not only until the problem is another.
    notify: Whether Icinga tells of the acknowledgement those whom it tells of problems.
    """
    it = there(icinga, host, service or "")
    plan = Plan(f"Acknowledge {clean(it.name)} in {icinga.name}")
    plan.refuse(wrong(reason, until or End("1d"), None))
    ctx.claim(steps.claimed(icinga, it.name))
    if not it.is_problem:
        plan.skip(clean(it.name), f"it has no problem: it is {it.state}")
    elif it.acknowledged:
        plan.skip(clean(it.name), "it is acknowledged already")
    else:
        plan.add(
            steps.acknowledge,
            undo="on_cancel",
            where=icinga.name,
            name=it.name,
            reason=reason,
            lasting=f" {lasting(until)}" if until else "",
            ends=None if until is None else str(until),
            sticky=sticky,
            notify=notify,
        )
    return plan


@workflow("monitoring.unacknowledge", timeout="10m")
def unacknowledge(
    ctx: Context,
    icinga: Icinga,
    host: IcingaHosts = "",
    run: Name = "",
    *,
    also: Names = [],  # noqa: B006
) -> Plan:
    """Remove acknowledgements that runbooks made in Icinga; what others made stays, unless named.

    Without host, run and also, all that runbooks made are meant.

    run: Only what this run has acknowledged, by its id or the start of it.
    also: Hosts and services by their full names, as cmp-1!disk, whoever has acknowledged them.
    """
    if run and not marks.START.fullmatch(run):
        raise UserError(f"run is the id of a run or the start of one, not {clean(run)!r:.80}.")
    plan = Plan(f"Remove acknowledgements in {icinga.name}")
    known = {steps.of(one): one for one in acknowledgements(icinga)}
    for name in set(also) - known.keys():
        plan.skip(clean(name), "it is not acknowledged")
    chosen = [known[name] for name in sorted(known) if name in also]
    only_named = bool(also) and not (host or run)
    for name, one in sorted(known.items()):
        if name in also or only_named or not matches(host or "*", one.host):
            continue
        by = marks.run_of(one.author, one.comment)
        if by is not None and by.startswith(run.lower()):
            chosen.append(one)
        elif not run:
            plan.skip(clean(name), f"{clean(one.author)} acknowledged it, and no runbook: see also")
    ctx.claim(*(steps.claimed(icinga, steps.of(one)) for one in chosen))
    plan.each(
        steps.unacknowledge,
        [
            {
                "icinga": icinga,
                "where": icinga.name,
                "name": steps.of(one),
                "author": one.author,
                "comment": one.comment,
            }
            for one in chosen
        ],
        at_most=ctx.config.limits.max_parallel,
        on_failure="continue",
    )
    if not plan.stages and not plan.skipped:
        plan.skip(clean(host or run or "acknowledgements"), "there is none of a runbook")
    return plan
