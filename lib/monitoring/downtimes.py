"""Downtimes as steps of a plan: scheduled and removed, and found again by their mark."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from accounts.icinga import Icinga
from icinga_api import downtimes, relations, watched
from icinga_api.downtimes import Children, Downtime, NewDowntime
from icinga_api.watched import Wanted
from monitoring import marks
from monitoring.times import Claimed, lasting, shown, text, window
from workflow_api import Attempt, Begun, End, StepFailed, clean, count, step


def claimed(icinga: Icinga, host: str) -> Claimed:
    """Return what a run claims that changes downtimes of a host."""
    place = f"{icinga.entry.url}\n{host}"
    digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:32]
    return Claimed(f"downtimes:{digest}", f"downtimes of {host}")


def of_run(found: Sequence[Downtime], run: str = "") -> list[Downtime]:
    """Return those downtimes that runs have made whose id starts so."""
    made = ((downtime, marks.run_of(downtime.author, downtime.comment)) for downtime in found)
    return [downtime for downtime, by in made if by is not None and by.startswith(run.lower())]


def covered(downtime: Downtime) -> str:
    """Return the full name of the host or service that a downtime is for."""
    return downtime.host if downtime.service is None else f"{downtime.host}!{downtime.service}"


def extent(
    icinga: Icinga, host: str, service: str | None, services: bool, children: Children
) -> list[str]:
    """Return the full names of all that a downtime is for, the host or service itself first."""
    if service is not None:
        return [f"{host}!{service}"]
    return extents(icinga, [host], services, children)[host]


def extents(
    icinga: Icinga, hosts: Sequence[str], services: bool, children: Children
) -> dict[str, list[str]]:
    """Return for each host what its downtime is for, in as many requests as for one."""
    none: dict[str, list[str]] = {host: [] for host in hosts}
    below = none if children == "none" else relations.children(icinga, hosts)
    with_below = {
        host: [host, *(n for n in names if "!" not in n)] for host, names in below.items()
    }
    theirs: dict[str, list[str]] = {}
    if services:
        every = sorted({name for names in with_below.values() for name in names})
        for service in watched.services(icinga, Wanted(hosts=tuple(every))):
            theirs.setdefault(service.host, []).append(service.name)
    return {
        host: list(
            dict.fromkeys(
                [
                    host,
                    *below[host],
                    *(s for name in with_below[host] for s in theirs.get(name, ())),
                ]
            )
        )
        for host in hosts
    }


def whose(known: Sequence[Downtime], extent: Sequence[str], begin: datetime, end: datetime) -> str:
    """Return, as a sentence, whose downtimes are for all of it from then until then already.

    It is "" if something of it is left. A flexible downtime may never begin, so it counts for none.
    """
    lasting = {
        covered(downtime): downtime
        for downtime in known
        if downtime.fixed
        and downtime.start <= begin.timestamp()
        and downtime.end >= end.timestamp()
    }
    if not set(extent) <= set(lasting):
        return ""
    first = lasting[extent[0]]
    until = shown(datetime.fromtimestamp(first.end, timezone.utc))
    return f"a downtime of {clean(first.author)} does it until {until}"


def data(
    icinga: Icinga,
    host: str,
    reason: str,
    ends: End,
    starts: End | None = None,
    *,
    service: str | None = None,
    services: bool = True,
    children: Children = "none",
    flexible: float | None = None,
) -> dict[str, Any]:
    """Return the data of the step ``schedule``.

    A duration is counted from when the step begins, so the plan stays the same until then.
    """
    return {
        "where": icinga.name,
        "host": host,
        "about": _about(host, service, services, children),
        "reason": reason,
        "ends": str(ends),
        "starts": None if starts is None else str(starts),
        "lasting": lasting(ends, starts),
        "scope": {
            "service": service,
            "services": services,
            "children": children,
            "flexible": flexible,
        },
    }


def _about(host: str, service: str | None, services: bool, children: Children) -> str:
    if service is not None:
        return f"{host}!{service}"
    more = ["its services"] if services else []
    more += ["what depends on it"] if children != "none" else []
    return f"{host} with {' and '.join(more)}" if more else host


def find_scheduled(
    attempt: Attempt, icinga: Icinga, host: str, scope: dict[str, Any]
) -> dict[str, Any] | Begun | None:
    """Return what an earlier attempt has scheduled: all of it, a part, or None if nothing."""
    own = _made_by_this_step(attempt, icinga)
    if not own:
        return None
    of = {name: scope[name] for name in ("service", "services", "children")}
    wanted = extent(icinga, host, **of)
    missing = set(wanted) - set(map(covered, own))
    if missing:
        return Begun(f"{count(len(own), 'downtime')} scheduled, {len(missing)} missing")
    return _scheduled(icinga, len(own), max(downtime.end for downtime in own))


def remove_scheduled(attempt: Attempt, icinga: Icinga) -> None:
    """Remove what the step has scheduled, as far as it is still there."""
    downtimes.remove(
        icinga, (downtime.name for downtime in _made_by_this_step(attempt, icinga)), marks.CREATOR
    )


@step(
    "downtime.schedule",
    "schedule a downtime of {about} in {where} {lasting}",
    key="{where}:{about}",
    find=find_scheduled,
    undo=remove_scheduled,
)
def schedule(
    attempt: Attempt,
    icinga: Icinga,
    where: str,
    host: str,
    about: str,
    reason: str,
    ends: str,
    lasting: str,
    scope: dict[str, Any],
    starts: str | None = None,
) -> dict[str, Any]:
    """Schedule a downtime that carries the run and the step; durations are counted from now.

    ``scope`` says what of the host is meant, and whether it is flexible. What an attempt has left
    that was cut off half-way gives way to it.
    """
    now = datetime.now(timezone.utc)
    begin, end = window(End(ends), None if starts is None else End(starts), now)
    if end <= now:
        raise StepFailed(f"Its end, {shown(end)}, has already passed.")
    if attempt.again:
        remove_scheduled(attempt, icinga)
    new = NewDowntime(
        host=host,
        start=begin.timestamp(),
        end=end.timestamp(),
        author=marks.CREATOR,
        comment=marks.comment(reason, attempt.run, attempt.key),
        **scope,
    )
    return _scheduled(icinga, len(downtimes.schedule(icinga, new)), end.timestamp())


def find_removed(icinga: Icinga, names: list[str]) -> dict[str, Any] | None:
    """Return that downtimes are gone; None while one of them is not."""
    there = {downtime.name for downtime in downtimes.downtimes(icinga)}
    return None if there.intersection(names) else _removed(names)


@step(
    "downtime.remove",
    "remove {many} of {host} in {where}",
    key="{where}:{host}",
    find=find_removed,
)
def remove(icinga: Icinga, where: str, host: str, many: str, names: list[str]) -> dict[str, Any]:
    """Remove downtimes by their full names; those that are gone already are left alone."""
    downtimes.remove(icinga, names, marks.CREATOR)
    return _removed(names)


def removal(icinga: Icinga, host: str, found: Sequence[Downtime]) -> dict[str, Any]:
    """Return the data of the step ``remove`` for downtimes of a host and of its services."""
    return {
        "where": icinga.name,
        "host": host,
        "many": count(len(found), "downtime"),
        "names": sorted(downtime.name for downtime in found),
    }


def _made_by_this_step(attempt: Attempt, icinga: Icinga) -> list[Downtime]:
    return [
        downtime
        for downtime in downtimes.downtimes(icinga, mark=attempt.run)
        if marks.made_by(downtime.author, downtime.comment, attempt.run, attempt.key)
    ]


def _scheduled(icinga: Icinga, many: int, end: float) -> dict[str, Any]:
    until = datetime.fromtimestamp(end, timezone.utc)
    said = f"{count(many, 'downtime')} until {shown(until)}"
    return {"downtimes": many, "ends": text(until), "said": said}


def _removed(names: Sequence[str]) -> dict[str, Any]:
    return {"removed": len(names), "said": f"{count(len(names), 'downtime')} gone"}
