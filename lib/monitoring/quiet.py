"""Downtimes and silences as one: what keeps hosts quiet in each system, and what ends that.

Each function returns the data of steps, of ``downtimes`` for an Icinga and of ``silences`` for an
Alertmanager, and tells the plan of what needs none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from accounts.alertmanager import Alertmanager
from accounts.icinga import Icinga
from alertmanager_api import silences as known_silences
from alertmanager_api.matchers import parse
from alertmanager_api.silences import Silence
from icinga_api import downtimes as known_downtimes
from icinga_api import watched
from icinga_api.downtimes import Children, Downtime
from icinga_api.watched import Wanted
from monitoring import downtimes, marks, silences
from monitoring.times import window
from workflow_api import End, Plan, clean, count, listed, near

Data = dict[str, Any]


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """Why, from when and until when something is quiet, and what of its children is too."""

    reason: str
    until: End
    starts: End | None = None
    children: Children = "none"


def unknown(icinga: Icinga, hosts: Sequence[str]) -> list[str]:
    """Return, as reasons, which hosts Icinga does not have, with what may be meant."""
    known = {one.host for one in watched.hosts(icinga, Wanted(hosts=tuple(hosts)))}
    missing = [host for host in hosts if host not in known]
    if not missing:
        return []
    likely = near(missing[0], (one.host for one in watched.hosts(icinga)))
    meant = f" (there is {' and '.join(likely)})" if likely else ""
    told = f"{icinga.who} has no host {listed(map(clean, missing))}{meant}"
    return [f"{told}: see monitoring.icinga_host in the configuration"]


def to_schedule(
    plan: Plan, icinga: Icinga, hosts: Sequence[str], quiet: Quiet, asked_at: datetime
) -> list[Data]:
    """Return the downtimes that hosts and their services need, if they are not there already."""
    begin, end = window(quiet.until, quiet.starts, asked_at)
    known = known_downtimes.downtimes(icinga)
    steps = []
    for host, extent in downtimes.extents(icinga, hosts, True, quiet.children).items():
        if done := downtimes.whose(known, extent, begin, end):
            plan.skip(f"{host} in {icinga.name}", done)
        else:
            data = downtimes.data(
                icinga, host, quiet.reason, quiet.until, quiet.starts, children=quiet.children
            )
            steps.append({"icinga": icinga, **data})
    return steps


def to_create(
    plan: Plan,
    alertmanager: Alertmanager,
    matchers: Sequence[str],
    quiet: Quiet,
    asked_at: datetime,
) -> list[Data]:
    """Return the silences that such alerts need, if they are not there already."""
    begin, end = window(quiet.until, quiet.starts, asked_at)
    known = known_silences.listed(alertmanager)
    steps = []
    for text in matchers:
        if done := silences.whose(known, parse(text), begin, end):
            plan.skip(f"{text} in {alertmanager.name}", done)
        else:
            data = silences.data(alertmanager, text, quiet.reason, quiet.until, quiet.starts)
            steps.append({"alertmanager": alertmanager, **data})
    return steps


def to_remove(plan: Plan, icinga: Icinga, hosts: Collection[str], run: str) -> list[Data]:
    """Return the removals of what runs, or the one whose id starts so, have scheduled there."""
    known = known_downtimes.downtimes(icinga, hosts)
    mine = downtimes.of_run(known, run)
    by_host: dict[str, list[Downtime]] = {}
    for one in mine:
        by_host.setdefault(one.host, []).append(one)
    authors = [one.author for one in known if one not in mine]
    _tell(plan, authors, "downtime", icinga.name, run)
    return [
        {"icinga": icinga, **downtimes.removal(icinga, host, found)}
        for host, found in by_host.items()
    ]


def to_expire(
    plan: Plan, alertmanager: Alertmanager, matchers: Collection[str], run: str
) -> list[Silence]:
    """Return the silences of such alerts that runs, or the one whose id starts so, have made."""
    wanted = [parse(text) for text in matchers]
    known = [
        one
        for one in known_silences.listed(alertmanager)
        if not one.has_ended and any(known_silences.same(one.matchers, each) for each in wanted)
    ]
    mine = [one for one in known if _is_of(one, run)]
    authors = [one.created_by for one in known if one not in mine]
    _tell(plan, authors, "silence", alertmanager.name, run)
    return mine


def _is_of(one: Silence, run: str) -> bool:
    by = marks.run_of(one.created_by, one.comment)
    return by is not None and by.startswith(run.lower())


def _tell(plan: Plan, authors: Sequence[str], what: str, where: str, run: str) -> None:
    """Tell the plan of what is somebody's else."""
    if authors:
        by = listed(sorted({clean(author) for author in authors}))
        whose = "this run" if run else "a runbook"
        plan.skip(f"{count(len(authors), what)} of {by} in {where}", f"not made by {whose}")
