"""Runbooks about host aggregates: aggregate.list, aggregate.search, aggregate.show, and verbs."""

from __future__ import annotations

from accounts.cloud import Cloud
from query_api.execution.query import query
from query_api.lookups import things
from searches import searching
from verbs import runbooks
from verbs.aggregates import AGGREGATE, AGGREGATE_VERBS
from verbs.new_groups import AGGREGATE_CREATION
from workflow_api import Context, Table, clean, count, workflow
from workflow_api.parameters import HostAggregateName

searching.register(
    "aggregate",
    "host aggregates",
    where="availability_zone is null or hosts is null",
    group_by="availability_zone",
    join="hypervisors: name, state",
)

runbooks.register(AGGREGATE, AGGREGATE_VERBS)
runbooks.register_creations([AGGREGATE_CREATION])

_COLUMNS = (
    "name",
    "state",
    "status",
    "disabled_reason",
    "server_count",
    "vcpus_free",
    "memory_free",
    "disk_free",
)


@workflow("aggregate.show")
def show(ctx: Context, cloud: Cloud, aggregate: HostAggregateName) -> Table:
    """Show the hypervisors of a host aggregate, its zone and its metadata.

    Costs a listing of aggregates, one of hypervisors, and what their number of servers and their
    room take.
    """
    found = things.find(cloud, "aggregate", aggregate)
    asked = query("hypervisor").where("service_host", "any_in", *found.hosts).sort_by("name")
    answer = asked.select(*_COLUMNS, "id", "service_host").run([cloud])
    rows = answer.dicts()
    known = {row["service_host"] for row in rows}
    gone = [{"name": host, "state": "gone"} for host in sorted(set(found.hosts) - known)]
    facts = dict(sorted((found.metadata or {}).items()))
    told = [f"zone {clean(found.availability_zone)}"] if found.availability_zone else []
    told += [count(len(found.hosts), "hypervisor")]
    told += [count(sum(row["server_count"] or 0 for row in rows), "server")]
    told += [f"{clean(name)}={clean(value)}" for name, value in facts.items() if name != _ZONE]
    return Table(
        _COLUMNS,
        [*rows, *gone],
        summary=f"aggregate {clean(found.name)} ({found.id}): {', '.join(told)}",
        extra=("id", "service_host"),
        units={"memory_free": "MiB", "disk_free": "GiB"},
        reasons=answer.reasons,
        good=answer.complete,
    )


_ZONE = "availability_zone"
