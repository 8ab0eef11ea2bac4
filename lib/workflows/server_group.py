"""Runbooks about server groups: server_group.list, server_group.search, verbs, and a repair."""

from __future__ import annotations

from typing import Any

from accounts.cloud import Cloud, not_there
from audits.server_groups import SOFT, breach, most_on_a_host
from migration.move import move_server, verify_arrived
from migration.policy import Migration, choose_migration
from migration.regrouping import Policy, named_moves, regrouped
from query_api.execution.query import query
from query_api.lookups import compute, things
from query_api.lookups.compute_types import Server
from query_api.lookups.things import Thing
from searches import searching
from verbs import runbooks
from verbs.new_groups import SERVER_GROUP_CREATION
from verbs.server_groups import SERVER_GROUP, SERVER_GROUP_VERBS
from workflow_api import (
    CloudError,
    Context,
    OnFailure,
    Plan,
    StepFailed,
    clean,
    count,
    step,
    workflow,
)
from workflow_api.parameters import MaxParallel, ServerGroupName

searching.register(
    "server_group",
    "server groups",
    where="policy = anti-affinity and members is null",
    group_by="policy, project.name",
    join="project: name; user: name",
)

runbooks.register(SERVER_GROUP, SERVER_GROUP_VERBS)
runbooks.register_creations([SERVER_GROUP_CREATION])


@step("server_group.verify", "check that {name} keeps its policy", key="{group}", changes=False)
def verify_group(cloud: Cloud, group: str, name: str) -> dict[str, Any]:
    """Fail if the servers of a group (by its id) are not where its policy wants them."""
    now = things.look(cloud, "server_group", group)
    if now is None:
        raise StepFailed(f"The server group {name} is gone.")
    asked = query("server").where("id", "any_in", *now.members).select("id", "host")
    where = {id: host for id, host in asked.run([cloud]).rows if host} if now.members else {}
    if broken := breach(now.policy, now.rules, where):
        raise StepFailed(f"{name} still breaks its policy: {broken.why}.")
    return {"said": f"{name} keeps its policy"}


@workflow("server_group.repair", timeout="7h")
def repair(
    ctx: Context,
    cloud: Cloud,
    server_group: ServerGroupName,
    *,
    migration: Migration = "auto",
    max_parallel: MaxParallel | None = None,
    on_failure: OnFailure = "stop",
) -> Plan:
    """Move servers of a group so that they comply with its policy.

    The fewest moves that do it, each to a hypervisor with room where no other server group is
    broken. Protected and locked servers, and what cannot be moved, are left with the reason.

    migration: Live keeps servers running, cold stops them; auto is live for running and cold for
        stopped ones.
    max_parallel: How many servers to move at once; limits.max_parallel if empty.
    on_failure: After a failed move, stop starting others or continue with them.
    """
    group = things.find(cloud, "server_group", server_group)
    version = compute.to_judge(cloud)
    ctx.claim(group)
    members = ctx.claimed(lambda: _members(cloud, group, version))
    name = clean(group.name)
    plan = Plan(f"Repair the server group {name}")
    where = {server.id: server.host for server in members if server.host}
    broken = breach(group.policy, group.rules, where)
    if broken is None:
        plan.skip(name, f"its {count(len(where), 'server')} are where its policy wants them")
        return plan
    plan.note(f"{group.policy}: {broken.why}")
    found = regrouped(
        cloud,
        Policy(
            group.id,
            group.policy.removeprefix(SOFT) == "affinity",
            most_on_a_host(group.rules),
        ),
        [choose_migration(server, migration, ctx.config) for server in members if server.host],
        compute.hypervisors(cloud),
    )
    if not found.moves:
        plan.refuse(f"{clean(server.name)} has to stay: {why}" for server, why in found.left)
    for server, why in found.left:
        plan.leave(f"{clean(server.name)} ({server.id})", why)
    for told in named_moves(found.moves):
        plan.note(told)
    at_most = max_parallel or ctx.config.limits.max_parallel
    plan.each(move_server, found.moves, at_most=at_most, on_failure=on_failure)
    plan.add(verify_arrived, servers={move["server"]: move["name"] for move in found.moves})
    if found.left:
        plan.note(f"{name} still breaks its policy afterwards, by what is left")
    else:
        plan.add(verify_group, group=group.id, name=name)
    return plan


def _members(cloud: Cloud, group: Thing, version: str) -> list[Server]:
    """Return the servers of a group: nearly always of its own project, so in one listing."""
    listed = compute.servers(cloud, project_id=group.project_id, microversion=version)
    known = {server.id: server for server in listed}
    found = []
    for member in sorted(group.members):
        server = known.get(member) or _server(cloud, member, version)
        found += [server] if server is not None else []
    return found


def _server(cloud: Cloud, id: str, version: str) -> Server | None:
    try:
        return compute.server(cloud, id, microversion=version)
    except CloudError as error:
        if not_there(error):
            return None
        raise
