"""Which servers a run of hypervisor.stop_servers has stopped, from its journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from accounts.cloud import Cloud
from hypervisors.past_runs import family, settled_plan
from workflow_api import UserError, clean

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord

STOPPING = "hypervisor.stop_servers"
_STEP = "server.stop"


class Stopped(msgspec.Struct):
    """The names of the servers by id, and the hypervisors of the runs, as they were named."""

    run: str
    servers: dict[str, str]
    hosts: list[str]


def stopped_by(journal: Journal, wanted: str, cloud: Cloud) -> Stopped:
    """Return what a run, or those that are steps of it, has stopped and not started again.

    Raises NotFound and Ambiguous for the run, UserError if it is none that stops servers, is not
    over yet, or was about another cloud.
    """
    top = journal.run(wanted)
    runs = [run for run in family(journal, top) if run.workflow == STOPPING]
    if not runs:
        raise UserError(
            f"Run {top.id[:8]} is a run of {top.workflow}, and no part of it is one of {STOPPING}.",
            advice=f"run.list workflow_name={STOPPING} lists those that have.",
        )
    found = Stopped(top.id, {}, [])
    for run in runs:
        _add(journal, run, cloud, found)
    return found


def _add(journal: Journal, run: RunRecord, cloud: Cloud, found: Stopped) -> None:
    plan = settled_plan(run, cloud)
    done = {step.key for step in journal.steps(run.id) if step.state == "done" and not step.undone}
    for step in plan.steps():
        if step.name == _STEP and step.key in done:
            found.servers[step.data["id"]] = clean(step.data["name"])
    if (host := run.parameters.get("hypervisor")) is not None:
        found.hosts.append(host)
