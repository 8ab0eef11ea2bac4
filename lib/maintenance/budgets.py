"""Disruption budgets: how many members of a server group, or of a project, may be down at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.host_config import DisruptionBudgets
from query_api.execution.query import Query, query
from workflow_api import CloudError, clean, count, listed

PAST = "Go past the budgets by hand with skip=budgets."
_FORM = re.compile(r"\s*(\d{1,6})\s*(%?)\s*", re.ASCII)
_RUNNING = frozenset({"ACTIVE", "MIGRATING", "PASSWORD", "VERIFY_RESIZE"})
# They have given up their place, or never had one: nobody misses them while a host is away.
_AWAY = frozenset({"BUILD", "DELETED", "SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED"})
_LOST = frozenset({"DOWN", "UNKNOWN"})
_SHOWN = ("id", "name", "status", "host_status", "host", "project_id", "metadata")
_FORBIDDEN = 403
Row = Mapping[str, Any]


class _Budget(msgspec.Struct, frozen=True):
    """How many of how many may be down, as it was written, and where that stands."""

    text: str
    whence: str

    def of(self, members: int) -> int | None:
        """Return the number; None for what is no budget. A part of a member is a whole one."""
        found = _FORM.fullmatch(self.text)
        if found is None:
            return None
        number = int(found[1])
        return -(-members * number // 100) if found[2] else number


def over(
    cloud: Cloud,
    hosts: Collection[str],
    *,
    at_once: int | None = None,
    stopped: Collection[str] | None = None,
) -> list[str]:
    """Return, in a sentence each, whose budgets would not hold if these compute hosts were emptied.

    At most ``at_once`` servers are moved at a time; or those that are ``stopped``, by their ids,
    go down together. A handful of requests, however many servers there are. Raises CloudError.
    """
    asked = _servers().where("host", "any_in", *hosts)
    here = {row["id"]: row for row in _rows(cloud, asked) if row["status"] in _RUNNING}
    going = here if stopped is None else {id: here[id] for id in stopped if id in here}
    if not going:
        return []
    settings = cloud.config.disruption_budgets
    live = stopped is None and not settings.live_migration
    found = []
    for what, members, budget in [
        *_groups(cloud, settings, going),
        *_projects(cloud, settings, going),
    ]:
        counted = [row for row in members if row["status"] not in _AWAY]
        allowed = budget.of(len(counted))
        mine = [row for row in counted if row["id"] in going]
        down = [row for row in counted if _is_down(row) and row["id"] not in going]
        leaving = 0 if live else min(len(mine), at_once or len(mine))
        if allowed is not None and len(down) + leaving > allowed:
            found.append(_told(what, counted, down, mine, leaving, budget))
    return found


def _told(
    what: str,
    counted: Sequence[Row],
    down: Sequence[Row],
    mine: Sequence[Row],
    leaving: int,
    budget: _Budget,
) -> str:
    names = [f"{clean(row['name'])} {_why_down(row)}" for row in down]
    names += [f"{clean(row['name'])} here" for row in mine] if leaving else []
    total = f"{len(down) + leaving} of {count(len(counted), 'member')}"
    return (
        f"{what} would have {total} down ({listed(names, 5)}), more than its budget of "
        f"{clean(budget.text)} ({budget.whence})"
    )


def _is_down(row: Row) -> bool:
    return row["status"] not in _RUNNING or row["host_status"] in _LOST


def _why_down(row: Row) -> str:
    return str(row["status"] if row["status"] not in _RUNNING else f"on {clean(row['host'])}")


def _groups(
    cloud: Cloud, settings: DisruptionBudgets, going: Mapping[str, Row]
) -> Iterator[tuple[str, list[Row], _Budget]]:
    """Yield the server groups that lose members and have a budget, with all their members."""
    asked = query("server_group").select("id", "name", "policy", "members")
    groups = [row for row in _rows(cloud, asked) if going.keys() & set(row["members"] or ())]
    if not groups:
        return
    ids = sorted({member for group in groups for member in group["members"]})
    known = {row["id"]: row for row in _rows(cloud, _servers().where("id", "any_in", *ids))}
    for group in groups:
        members = [known[id] for id in group["members"] if id in known]
        policy = group["policy"] or ""
        by_policy = settings.policies.get(policy)
        if budget := _least(settings.key, members) or _given(
            by_policy, f"disruption_budgets.policies.{clean(policy)}"
        ):
            yield f"server group {clean(group['name'])} ({clean(policy)})", members, budget


def _least(key: str, members: Iterable[Row]) -> _Budget | None:
    """Return the smallest budget that members have in their metadata."""
    every = list(members)
    given = [
        (allowed, _Budget(text, f"{key} of {clean(row['name'])}"))
        for row in every
        if (text := (row["metadata"] or {}).get(key))
        and (allowed := _Budget(text, "").of(len(every))) is not None
    ]
    return min(given, key=lambda one: one[0])[1] if given else None


def _projects(
    cloud: Cloud, settings: DisruptionBudgets, going: Mapping[str, Row]
) -> Iterator[tuple[str, list[Row], _Budget]]:
    """Yield the projects that lose servers and have a budget, with all their servers."""
    wanted = {row["project_id"] for row in going.values()}
    budgets: dict[str, tuple[str, _Budget]] = {}
    for id, name, text in _properties(cloud, settings.key, wanted):
        by_config = settings.projects.get(id, settings.projects.get(name))
        if budget := _given(text, f"{settings.key} of the project") or _given(
            by_config, "disruption_budgets.projects"
        ):
            budgets[id] = (f"project {clean(name)}", budget)
    if not budgets:
        return
    servers = _rows(cloud, _servers().where("project_id", "any_in", *sorted(budgets)))
    for id, (what, budget) in budgets.items():
        yield what, [row for row in servers if row["project_id"] == id], budget


def _properties(cloud: Cloud, key: str, ids: set[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield id and name of each project, and the budget that was put down for it.

    What the account may not read has none there.
    """
    try:
        rows = _rows(cloud, query("project").select("id", "name", "properties"))
    except CloudError as error:
        if error.status != _FORBIDDEN:
            raise
        rows = []
    known = {row["id"]: row for row in rows}
    for id in sorted(ids):
        row = known.get(id, {})
        text = (row.get("properties") or {}).get(key)
        yield id, row.get("name") or id, None if text is None else str(text)


def _given(text: int | str | None, whence: str) -> _Budget | None:
    """Return a budget, None if there is none or nobody can read it."""
    budget = None if text is None else _Budget(str(text), whence)
    return budget if budget and budget.of(1) is not None else None


def _servers() -> Query:
    return query("server").select(*_SHOWN)


def _rows(cloud: Cloud, asked: Query) -> list[Row]:
    """Return what a query finds; raises CloudError if not everything could be read."""
    answer = asked.run([cloud])
    if answer.reasons:
        what, why = answer.reasons[0]
        raise CloudError(f"Not everything could be read ({what}): {why}")
    return list(answer.dicts())
