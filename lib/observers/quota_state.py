"""Projects that have used most of a quota."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import QuotaStateSettings
from common.errors import CloudError
from observers.observer import Condition, Observer, Sight, Surroundings, sentences
from query_api.execution.query import query
from query_api.lookups.quotas import quotas
from query_api.wire.reading import Reading

_KIND = "project_quota"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a quota."""

    project_id: Annotated[str, msgspec.Meta(description="Whose quota it is.")]
    service: Annotated[str, msgspec.Meta(description="compute, block-storage or network.")]
    resource: Annotated[
        str, msgspec.Meta(description="What of, by the service's own word, as cores.")
    ]
    limit: Annotated[int, msgspec.Meta(description="How much may be used.")]
    used: Annotated[
        int, msgspec.Meta(description="How much is used, with what is reserved already.")
    ]
    percent: Annotated[
        int | None, msgspec.Meta(description="The same as a share; null if nothing may be used.")
    ] = None


def look(cloud: Cloud, settings: QuotaStateSettings, around: Surroundings) -> Sight:
    """Look at the quotas of projects. Raises CloudError.

    No service lists the quotas of several projects with what is used: that is a request for each
    project and service, and so the number of projects is bounded.
    """
    asked = query("project").where("enabled", "equal_to", True).select("id", "name")
    answer = asked.run([cloud], now=around.moment)
    projects = dict(answer.rows)
    chosen = _chosen(list(projects), settings.most_projects, around.now)
    services = [one for one in settings.services if cloud.has(one)]
    pairs = [(project, service) for project in chosen for service in services]
    reading = Reading(cloud)
    tried = reading.tried(lambda pair: quotas(cloud, pair[1], pair[0]), pairs)
    reading.say_failed(
        (f"{service} quotas of project {projects[project]}", got)
        for (project, service), got in zip(pairs, tried, strict=True)
    )
    conditions = [
        one
        for (project, service), got in zip(pairs, tried, strict=True)
        if not isinstance(got, CloudError)
        for one in _conditions((project, projects[project]), service, got, settings)
    ]
    unread = sentences(answer.reasons, reading.reasons)
    others = projects.keys() - set(chosen)
    return Sight(conditions, unread, covers=lambda subject: _project(subject) not in others)


def _project(subject: str) -> str:
    return subject.partition(":")[2].partition("/")[0]


def _chosen(projects: Sequence[str], most: int, now: float) -> list[str]:
    """Return so many projects: all, or at each moment others, as if drawn by lot."""
    if len(projects) <= most:
        return sorted(projects)
    return sorted(projects, key=lambda id: hashlib.blake2b(f"{now} {id}".encode()).digest())[:most]


def _conditions(
    project: tuple[str, str],
    service: str,
    known: Mapping[str, Mapping[str, Any]],
    settings: QuotaStateSettings,
) -> Iterator[Condition]:
    id, name = project
    for resource, quota in known.items():
        called = f"{service}/{resource}"
        limit, used = quota["limit"], quota["in_use"] + quota["reserved"]
        state = level(limit, used, settings.above_percent)
        if state and not any(fnmatchcase(called, one) for one in settings.leave_out):
            facts = Facts(
                project_id=id,
                service=service,
                resource=resource,
                limit=limit,
                used=used,
                percent=100 * used // limit if limit else None,
            )
            yield Condition(_KIND, f"{id}/{called}", f"{name}: {resource}", state, facts)


def level(limit: int | None, used: int, above_percent: int) -> str | None:
    """Return the state of a quota, None if there is nothing to tell; a limit None is none."""
    if limit is None or used == 0:  # also what a project may not have, and does not
        return None
    if used >= limit:
        return "FULL"
    return "NEAR" if used * 100 >= limit * above_percent else None


OBSERVER = Observer(
    name="quota_state",
    about="A project has used most of a quota, or all, or no longer.",
    kind="project_quota",
    facts=Facts,
    states={
        "NEAR": "above_percent of it are used, or more.",
        "FULL": "nothing of it is left.",
    },
    look=look,
)
