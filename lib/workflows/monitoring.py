"""Runbooks about what monitoring knows: monitoring.search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from accounts.cloud import Cloud
from accounts.icinga import Icinga
from icinga_api import watched
from icinga_api.watched import Wanted, Watched
from monitoring import names
from monitoring.times import utc
from query_api.execution.query import query
from workflow_api import CloudError, Context, Table, UserError, clean, count, workflow
from workflow_api.parameters import IcingaHosts, RowLimit

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
