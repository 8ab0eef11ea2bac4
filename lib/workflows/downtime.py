"""Runbooks about the downtimes of an Icinga: list, schedule, remove."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from accounts.icinga import Icinga
from icinga_api import watched
from icinga_api.downtimes import Children, Downtime
from icinga_api.downtimes import downtimes as every
from icinga_api.patterns import matches
from icinga_api.watched import Wanted
from monitoring import downtimes as steps
from monitoring import marks
from monitoring.there import there
from monitoring.times import utc, window, wrong
from workflow_api import (
    Ambiguous,
    Context,
    Duration,
    End,
    NotFound,
    Plan,
    Table,
    clean,
    count,
    listed,
    near,
    workflow,
)
from workflow_api.parameters import (
    DowntimeOfServices,
    DowntimeReason,
    IcingaHost,
    IcingaHosts,
    Name,
    RowLimit,
    Starts,
    Until,
)


@workflow("downtime.list")
def list_downtimes(
    ctx: Context,
    icinga: Icinga,
    host: IcingaHosts = "",
    *,
    ours: bool = False,
    run: Name = "",
    limit: RowLimit = 1000,
) -> Table:
    """List the downtimes of an Icinga, with the runs that created those of runbooks.

    ours: Only those that runbooks made.
    run: Only those that this run made, by its id or the start of it.
    """
    now = datetime.now(timezone.utc).timestamp()
    rows = [
        row
        for one in every(icinga, mark=run.lower())
        if matches(host or "*", one.host)
        for row in [_row(one, now)]
        if (row["run"] or not (ours or run)) and (row["run"] or "").startswith(run.lower())
    ]
    return Table(
        ("host", "service", "state", "ends_at", "author", "comment"),
        rows[:limit],
        units={"starts_at": "time", "ends_at": "time", "lasts": "seconds"},
        extra=("starts_at", "lasts", "run", "name"),
        summary=f"{count(len(rows), 'downtime')} in {icinga.name}",
    )


def _row(one: Downtime, now: float) -> dict[str, Any]:
    return {
        "host": clean(one.host),
        "service": clean(one.service or ""),
        "state": _state(one, now),
        "starts_at": utc(one.start),
        "ends_at": utc(one.until),
        "lasts": None if one.fixed else one.duration,
        "author": clean(one.author),
        "comment": clean(one.comment),
        "run": marks.run_of(one.author, one.comment),
        "name": clean(one.name),
    }


def _state(one: Downtime, now: float) -> str:
    """Return whether problems are kept quiet (active), will be (pending), or may be (waiting)."""
    if one.is_in_effect(now):
        return "active"
    return "pending" if one.fixed or now < one.start else "waiting"


@workflow("downtime.schedule", timeout="10m")
def schedule_downtime(
    ctx: Context,
    icinga: Icinga,
    host: IcingaHost,
    reason: DowntimeReason,
    *,
    until: Until = End("2h"),  # noqa: B008 - a constant
    starts: Starts | None = None,
    services: DowntimeOfServices = True,
    service: Name = "",
    children: Children = "none",
    flexible: Duration | None = None,
) -> Plan:
    """Schedule a downtime of a host, until it ends or is removed.

    It is done if all of it has a downtime for as long already.

    service: Only this service of the host, by its name in Icinga.
    children: Dependent hosts: none, all for the same time, or all once the host's own downtime
        begins.
    flexible: For a flexible downtime, how long it lasts from a problem between start and end; fixed
        if empty.
    """
    plan = Plan(f"Schedule a downtime of {host} in {icinga.name}")
    plan.refuse(wrong(reason, until, starts))
    there(icinga, host, service)
    ctx.claim(steps.claimed(icinga, host))
    extent = steps.extent(icinga, host, service or None, services, children)
    begin, end = window(until, starts, ctx.asked_at)
    if done := steps.whose(every(icinga), extent, begin, end):
        plan.skip(host, done)
        return plan
    if extent[1:]:
        plan.note(f"with {host}: {listed(extent[1:])}")
    plan.add(
        steps.schedule,
        undo="on_cancel",
        **steps.data(
            icinga,
            host,
            reason,
            until,
            starts,
            service=service or None,
            services=services,
            children=children,
            flexible=None if flexible is None else float(flexible),
        ),
    )
    return plan


@workflow("downtime.remove", timeout="10m")
def remove_downtimes(ctx: Context, icinga: Icinga, downtimes: Name) -> Plan:
    """Remove downtimes that runbooks made, by host, service or run; or one of anybody's, by name.

    downtimes: A downtime by its name; or those of runbooks by host (cmp-1, cmp-*), service
        (cmp-1!disk) or run.
    """
    plan = Plan(f"Remove downtimes of {downtimes} in {icinga.name}")
    found, others = _meant(icinga, downtimes)
    if others:
        many = f"{count(len(others), 'downtime')} of {listed(_authors(others))}"
        plan.skip(many, "no runbook made them: name each to remove it")
    elif not found:
        plan.skip(downtimes, "there is none of it")
    by_host: dict[str, list[Downtime]] = {}
    for one in found:
        if one.configured:
            plan.leave(
                one.name, "it is defined in Icinga's configuration, which would create it again"
            )
        else:
            by_host.setdefault(one.host, []).append(one)
    ctx.claim(*(steps.claimed(icinga, host) for host in by_host))
    plan.each(
        steps.remove,
        [steps.removal(icinga, host, theirs) for host, theirs in by_host.items()],
        at_most=ctx.config.limits.max_parallel,
        on_failure="continue",
    )
    return plan


def _meant(icinga: Icinga, wanted: str) -> tuple[list[Downtime], list[Downtime]]:
    """Return the downtimes that are meant, and those of others there, which are not.

    Raises Ambiguous for the start of the ids of several runs, NotFound for what names nothing.
    """
    known = every(icinga)
    if named := [one for one in known if one.name == wanted]:
        return named, []
    if marks.START.fullmatch(wanted) and (of_run := steps.of_run(known, wanted)):
        runs = {marks.run_of(one.author, one.comment) or "" for one in of_run}
        if len(runs) > 1:
            raise Ambiguous("run", clean(wanted), sorted(runs), where=icinga.who)
        return of_run, []
    here = [one for one in known if matches(wanted, one.host) or steps.covered(one) == wanted]
    if not here:
        _check_names(icinga, wanted, known)
    mine = steps.of_run(here)
    return mine, [one for one in here if one not in mine]


def _check_names(icinga: Icinga, wanted: str, known: list[Downtime]) -> None:
    """Raise NotFound, with near names, if there is nothing that could be meant."""
    host, _, service = wanted.partition("!")
    if watched.hosts(icinga, Wanted(pattern=host or "*")) and (host or service):
        return
    names = [*(one.name for one in known), *(one.host for one in watched.hosts(icinga))]
    raise NotFound("downtime or host", clean(wanted), where=icinga.who, near=near(wanted, names))


def _authors(found: list[Downtime]) -> list[str]:
    return sorted({clean(one.author) for one in found})
