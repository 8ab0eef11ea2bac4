"""What host aggregates and server groups are made of.

Neither is marked with its run: a server group has nothing to write on, and what stands in an
aggregate's metadata the scheduler reads. Which ones were there before is noted instead; names of
aggregates are unique, and so is that of a new server group in its project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta

from accounts.cloud import Cloud
from common.pairs import pairs
from openstack_api import aggregate as aggregates
from openstack_api import server_group as server_groups
from query_api.execution.query import query
from query_api.lookups import quotas, things
from query_api.lookups.things import Thing
from verbs.aggregates import AGGREGATE
from verbs.creation import Creation, NewName, ProjectOfNew
from verbs.server_groups import SERVER_GROUP
from verbs.verb import Options
from workflow_api import Attempt, ParameterGroup, clean
from workflow_api.parameters import Name

_ZONE = "availability_zone"


class NewAggregate(ParameterGroup, frozen=True, kw_only=True):
    """A new host aggregate, without hosts.

    zone: The availability zone of its hosts; unchanged if empty.
    metadata: Its metadata, as ssd=true; pinned=false.
    """

    name: NewName
    zone: Name | None = None
    metadata: str | None = None

    @property
    def facts(self) -> dict[str, str]:
        """The metadata as pairs; raises UserError."""
        return pairs("metadata", self.metadata)


def _aggregates(cloud: Cloud, options: Options, attempt: Attempt) -> list[Thing]:
    return things.of_query(cloud, query("aggregate").where("name", "equal_to", options.name))


def _differs(aggregate: Any, options: Options) -> Iterator[str]:
    zone, known = aggregate.availability_zone, aggregate.metadata or {}
    if (zone or None) != (options.zone or None):
        yield f"its zone is {clean(zone)}" if zone else "it has no zone"
    for name, value in options.facts.items():
        if known.get(name) != value:
            has = clean(known[name]) if name in known else "missing"
            yield f"its metadata {clean(name)} is {has}"


def _zone_in_metadata(cloud: Cloud, options: Options, project: str) -> Iterator[str]:
    if _ZONE in options.facts:
        yield "its zone is given with zone"


AGGREGATE_CREATION = Creation(
    name="aggregate.create",
    summary="Create a host aggregate, with a zone and metadata.",
    subject=AGGREGATE,
    sentence="create the aggregate {name}",
    options=NewAggregate,
    request=lambda cloud, options, marks: aggregates.create_aggregate(
        cloud, options.name, options.zone
    ),
    complete=lambda cloud, id, options: aggregates.set_aggregate_metadata(cloud, id, options.facts),
    delete=lambda cloud, id, options: aggregates.delete_aggregate(cloud, id),
    made=_aggregates,
    unfit=_zone_in_metadata,
    differs=_differs,
)


class NewServerGroup(ParameterGroup, frozen=True, kw_only=True):
    """A new server group, without servers.

    policy: Whether its servers are to be together or apart; with soft only if that is possible.
    max_server_per_host: How many members one hypervisor may have, with anti-affinity; one if empty.
    """

    name: NewName
    policy: Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
    max_server_per_host: Annotated[int, Meta(ge=1)] | None = None
    project: ProjectOfNew | None = None


def _groups(cloud: Cloud, options: Options, attempt: Attempt) -> list[Thing]:
    asked = query("server_group").where("name", "equal_to", options.name)
    asked = asked.where("project_id", "equal_to", options.project or cloud.own_project())
    return things.of_query(cloud, asked.where("policy", "equal_to", options.policy))


def _against_group(cloud: Cloud, options: Options, project: str) -> Iterator[str]:
    """Tell what policy and quota say against a new group; one request."""
    if options.max_server_per_host is not None and options.policy != "anti-affinity":
        yield f"max_server_per_host is for anti-affinity, not for {options.policy}"
    whose = project or cloud.own_project()
    yield from quotas.lacking(cloud, "compute", whose, {"server_groups": 1}, by=options.name)


SERVER_GROUP_CREATION = Creation(
    name="server_group.create",
    summary="Create a server group, in any project.",
    subject=SERVER_GROUP,
    sentence="create the server group {name} ({options[policy]})",
    options=NewServerGroup,
    request=lambda cloud, options, marks: server_groups.create_server_group(
        cloud, options.name, options.policy, options.max_server_per_host
    ),
    delete=lambda cloud, id, options: server_groups.delete_server_group(cloud, id),
    made=_groups,
    others={"project": "project"},
    unfit=_against_group,
)
