"""ssh.run: a named command of the configuration on the hosts of a query."""

from __future__ import annotations

from accounts.cloud import Cloud
from accounts.ssh import SshAccount
from common.pairs import pairs
from query_api.lookups.things import Thing
from remote.commands import named, shown, step_data
from remote.steps import run_command
from searches.searching import question
from workflow_api import Context, OnFailure, Plan, UserError, clean, count, workflow
from workflow_api.parameters import AtLeastOne, MaxParallel, Where


@workflow("ssh.run", timeout="6h")
def run(
    ctx: Context,
    cloud: Cloud,
    ssh: SshAccount,
    command: str,
    where: Where,
    parameters: str | None = None,
    max_parallel: MaxParallel | None = None,
    limit: AtLeastOne | None = None,
    *,
    on_failure: OnFailure = "stop",
) -> Plan:
    """Run a named command of the configuration on the hypervisors of a query.

    command: The command, as ssh_commands of the configuration calls it.
    where: Only hypervisors that pass, as: status = disabled and name starts_with cmp-1.
    parameters: The command's parameters, as: level=all; reason='new kernel'.
    limit: The maximum number of hypervisors, in the order of their names.
    on_failure: After a failure, start no further hypervisor (stop) or continue with the others
        (continue).
    """
    given = pairs("parameters", parameters)
    named(ctx.config, command)
    hosts = ctx.claimed(lambda: _hypervisors(cloud, where, limit))
    plan = Plan(f"Run {command} on {count(len(hosts), 'hypervisor')}")
    steps, wrong = [], []
    for host in hosts:
        try:
            about = {"host": host.id, "name": host.name, "host_ip": host.host_ip}
            steps.append(step_data(ssh, command, given, **about))
        except UserError as error:
            wrong.append(str(error))
    plan.refuse(dict.fromkeys(wrong))
    plan.refuse([] if hosts else ["no hypervisor passes"])
    for line in dict.fromkeys(map(shown, steps)):
        plan.note(f"It runs, as {ssh.entry.user}: {line}")
    plan.each(
        run_command,
        steps,
        at_most=max_parallel or ctx.config.limits.max_parallel,
        on_failure=on_failure,
    )
    return plan


def _hypervisors(cloud: Cloud, where: str, limit: int | None) -> list[Thing]:
    """Return the hypervisors that pass. Raises UserError if not all of them could be seen."""
    asked = question("hypervisor", where=where, limit=limit).select("id", "name", "host_ip")
    answer = asked.sort_by("name", "id").run([cloud])
    if not answer.complete:
        what, why = answer.reasons[0]
        raise UserError(
            f"Not all hypervisors could be seen: {clean(what)}: {clean(why)}.",
            advice="Nothing was done: those that could not be read would be missed silently.",
        )
    return [Thing("hypervisor", row) for row in answer.dicts()]
