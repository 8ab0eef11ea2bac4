"""Which servers a run of hypervisor.stop_servers has stopped, from its journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from accounts.cloud import Cloud
from workflow_api import Plan, UserError, clean, listed

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord

STOPPING = "hypervisor.stop_servers"
_STEP = "server.stop"
# What has ended by itself or by somebody's word; of the rest not everything is known.
_ENDED = ("succeeded", "failed", "cancelled")


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
    runs = [run for run in _with_children(journal, top) if run.workflow == STOPPING]
    if not runs:
        raise UserError(
            f"Run {top.id[:8]} is one of {top.workflow} and has stopped no hypervisor's servers.",
            advice=f"run.list workflow_name={STOPPING} lists those that have.",
        )
    found = Stopped(top.id, {}, [])
    for run in runs:
        if run.shown_state not in _ENDED:
            raise UserError(
                f"Run {run.id[:8]} is {run.shown_state}: what it stops is not settled.",
                advice=f"Wait for it, or run.resume or run.cancel run={run.id[:8]}.",
            )
        _add(journal, run, cloud, found)
    return found


def _with_children(journal: Journal, run: RunRecord) -> Iterator[RunRecord]:
    yield run
    for child in journal.children(run.id):
        yield from _with_children(journal, child)


def _add(journal: Journal, run: RunRecord, cloud: Cloud, found: Stopped) -> None:
    plan = Plan.from_data(run.plan) if run.plan else Plan("")
    others = {name for step in plan.steps() for name in step.accounts.values()} - {cloud.name}
    if others:
        raise UserError(
            f"Run {run.id[:8]} was about cloud {listed(sorted(others))}, not {cloud.name}.",
            advice=f"Give cloud={sorted(others)[0]}.",
        )
    if moved := plan.moved({cloud.name: cloud.identity}):
        raise UserError(f"Run {run.id[:8]}: {moved[0]}.")
    done = {step.key for step in journal.steps(run.id) if step.state == "done" and not step.undone}
    for step in plan.steps():
        if step.name == _STEP and step.key in done:
            found.servers[step.data["id"]] = clean(step.data["name"])
    if (host := run.parameters.get("hypervisor")) is not None:
        found.hosts.append(host)
