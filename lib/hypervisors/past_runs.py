"""What earlier runs did about a hypervisor, as the journal has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from accounts.cloud import Cloud
from migration.evacuating import evacuate_server
from migration.move import move_server
from query_api.lookups.compute_types import Hypervisor
from workflow_api import NotFound, Plan, UserError, clean, listed
from workflow_api.step import definition_of

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord

SILENCING = "hypervisor.silence"
# The runbooks that move servers off a hypervisor, and their steps that do.
_MOVING = frozenset({"hypervisor.drain", "hypervisor.evacuate"})
_MOVES = frozenset(definition_of(function).name for function in (move_server, evacuate_server))
# What has ended by itself or by somebody's word; of the rest not everything is known.
_ENDED = ("succeeded", "failed", "cancelled")


def family(journal: Journal, run: RunRecord) -> Iterator[RunRecord]:
    """Yield a run and all that are steps of it, or of a step of it, older ones first."""
    yield run
    for child in journal.children(run.id):
        yield from family(journal, child)


def settled_plan(run: RunRecord, cloud: Cloud) -> Plan:
    """Return the plan of a run that has ended and was about this cloud; raises UserError."""
    if run.shown_state not in _ENDED:
        raise UserError(
            f"Run {run.id[:8]} is {run.shown_state}: what it changes is not settled.",
            advice=f"Wait for it, or run.resume or run.cancel run={run.id[:8]}.",
        )
    plan = Plan.from_data(run.plan) if run.plan else Plan("")
    others = {name for step in plan.steps() for name in step.accounts.values()} - {cloud.name}
    if others:
        raise UserError(
            f"Run {run.id[:8]} was about cloud {listed(sorted(others))}, not {cloud.name}.",
            advice=f"Give cloud={sorted(others)[0]}.",
        )
    if moved := plan.moved({cloud.name: cloud.identity}):
        raise UserError(f"Run {run.id[:8]}: {moved[0]}.")
    return plan


def run_at_work(journal: Journal, host: Hypervisor) -> RunRecord | None:
    """Return the run that has a hypervisor in work, as one that was parked; None if none has."""
    from state.host_works import HostWorks

    works = HostWorks(journal.store).of([host.subject], 0.0)
    for work in works:
        if work.is_open:
            try:
                return journal.run(work.run)
            except NotFound:  # so old that it was pruned
                return None
    return None


def silencing_runs(journal: Journal, run: RunRecord, host: Hypervisor) -> list[str]:
    """Return the ids of the runs that kept a hypervisor quiet for a run: its marks carry these."""
    names = {host.id, host.name, host.service.host}
    return [
        one.id
        for one in family(journal, run)
        if one.workflow == SILENCING and one.plan and names & set(one.parameters["hypervisors"])
    ]


class Moved(msgspec.Struct, frozen=True):
    """A server that a run has moved off a hypervisor: where to, by the compute host."""

    id: str
    name: str
    to: str


def moved_off(journal: Journal, wanted: str, host: Hypervisor, cloud: Cloud) -> list[Moved]:
    """Return what a run has moved off a hypervisor, as a drain or after its death.

    The run may be one that it was a part of. A drain that failed and was drawn again as a step of
    another run has moved what its earlier tries had moved. Raises NotFound and Ambiguous for the
    run, UserError if it has drained nothing, is not over, or was about another cloud.
    """
    top = journal.run(wanted)
    if top.workflow in _MOVING and top.parent:
        top = journal.run(top.parent)
    runs = [run for run in family(journal, top) if run.workflow in _MOVING and run.plan]
    if not runs:
        raise UserError(
            f"Run {top.id[:8]} is one of {top.workflow} and has moved no servers off {host.name}.",
            advice="Give a run of hypervisor.drain, or one that it was a part of.",
        )
    found: dict[str, Moved] = {}
    for run in runs:
        ended = {step.key: step for step in journal.steps(run.id) if step.state == "done"}
        for step in settled_plan(run, cloud).steps():
            if step.name not in _MOVES or step.data["source"] != host.service.host:
                continue
            if (done := ended.get(step.key)) and (to := done.result.get("to")):
                id = step.data["server"]
                found[id] = Moved(id, clean(step.data["name"]), to)
    return sorted(found.values(), key=lambda one: (one.name, one.id))
