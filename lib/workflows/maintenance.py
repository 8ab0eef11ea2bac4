"""Maintenance of many hypervisors: maintenance.campaign, maintenance.status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from hypervisors.hosts import Host, hosts
from maintenance.budgets import PAST, over
from maintenance.gates import GATES, OF_A_HOST, at_once, gate, lacking
from maintenance.settling import unknown
from maintenance.windows import Window
from searches.searching import question
from workflow_api import (
    Context,
    ParameterGroup,
    Plan,
    Table,
    UserError,
    clean,
    count,
    listed,
    workflow,
)
from workflow_api.parameters import (
    AggregateName,
    AtLeastOne,
    HypervisorReason,
    Name,
    Names,
    RunId,
    Where,
)
from workflow_api.planned import ChildRun

if TYPE_CHECKING:
    from state.journal import Journal
    from state.records import RunRecord, StepRecord

Skipped = Literal[
    "alerts", "budgets", "agents", "silence", "patch", "reboot", "test", "unsilence", "tell"
]
Percent = Annotated[int, Meta(ge=0, le=100)]
_CHILD = "hypervisor.maintain"
_COLUMNS = ("hypervisor", "state", "stage", "since", "failed")


class CampaignOptions(ParameterGroup, frozen=True, kw_only=True):
    """How a campaign goes on from host to host.

    batch: How many hypervisors to work on at once; the brakes must allow as many.
    stop_after: Start no further hypervisor after this many failures.
    window: When hypervisors may be begun, as Mon-Fri 22:00-06:00 Europe/Berlin; any time if empty.
    floor_percent: How much of each resource the other hypervisors must have free, in percent.
    spare_host: Whether the cloud must be able to lose one more hypervisor all the time.
    skip: Stages to leave out; with alerts or budgets, what else would hold hypervisors up.
    network: The network of the tests, by its exact name or id, or none; the only one if empty.
    migrate_back: Move back to each hypervisor exactly those servers that were moved off it.
    spare: Hypervisors that are filled first, by host names or ids; maintenance.spare if empty.
    """

    batch: AtLeastOne = 1
    stop_after: AtLeastOne = 1
    window: str | None = None
    floor_percent: Percent = 10
    spare_host: bool = True
    skip: list[Skipped] = msgspec.field(default_factory=list)
    network: Name | None = None
    migrate_back: bool = False
    spare: Names = msgspec.field(default_factory=list)


@workflow("maintenance.campaign", timeout="7d")
def campaign(
    ctx: Context,
    cloud: Cloud,
    where: Where,
    reason: HypervisorReason,
    aggregate: AggregateName | None = None,
    *,
    options: CampaignOptions,
) -> Plan:
    """Maintain many hypervisors, the emptiest first, each with hypervisor.maintain.

    Outside its window the campaign is paused; run.resume_due goes on with it.

    where: Only hypervisors that pass, as: status = enabled and server_count < 40.
    """
    if not where.strip():
        raise UserError("where is empty: say which hypervisors, or status = enabled for all.")
    window = str(options.window or "")
    if window:
        Window.parse(window)
    chosen = _chosen(cloud, aggregate, where)
    plan = Plan(f"Maintain {count(len(chosen), 'hypervisor')}")
    plan.refuse([] if chosen else ["no hypervisor passes"])
    plan.refuse([f"{clean(host.name)} is {host.state}" for host in chosen if host.state != "up"])
    ctx.claim(*(host.hypervisor for host in chosen))
    batches = [chosen[at : at + options.batch] for at in range(0, len(chosen), options.batch)]
    _refuse_first(cloud, plan, batches[0], options)
    for number, batch in enumerate(batches, 1):
        plan.add(
            gate,
            number=number,
            hosts=listed((host.name for host in batch), 5),
            ids=[host.id for host in batch],
            stop_after=options.stop_after,
            window=window,
            floor_percent=options.floor_percent,
            spare_host=options.spare_host,
            judged=[name for name in GATES if name not in options.skip],
        )
        runs = [_run_of(cloud, host, reason, options) for host in batch]
        plan.each_run(_CHILD, runs, at_most=options.batch, on_failure="continue")
    return plan


def _refuse_first(
    cloud: Cloud, plan: Plan, batch: Sequence[Host], options: CampaignOptions
) -> None:
    """Refuse a campaign whose first hosts could not be begun as things are; later ones may wait."""
    short = lacking(
        cloud,
        [host.id for host in batch],
        options.floor_percent,
        spare_host=options.spare_host,
    )
    if "alerts" not in options.skip:
        short += unknown(cloud.config)
    advice = ""
    if "budgets" not in options.skip:
        names = [host.service_host for host in batch]
        budgets = over(cloud, names, at_once=at_once(cloud, len(names)))
        short, advice = short + budgets, PAST if budgets else ""
    plan.refuse(short, advice)


def _chosen(cloud: Cloud, aggregate: str | None, where: str) -> list[Host]:
    """Return the hypervisors that are meant, the emptiest first."""
    answer = question("hypervisor", where=where).select("id").run([cloud])
    if not answer.complete:
        what, why = answer.reasons[0]
        raise UserError(f"Not all hypervisors could be seen: {clean(what)}: {clean(why)}.")
    passing = {row[0] for row in answer.rows}
    known = hosts(cloud, aggregate, servers=True).chosen
    chosen = [host for host in known if host.id in passing]
    return sorted(chosen, key=lambda host: (host.servers or 0, host.name))


def _run_of(cloud: Cloud, host: Host, reason: str, options: CampaignOptions) -> ChildRun:
    parameters = {
        "cloud": cloud.name,
        "hypervisor": host.id,
        "reason": reason,
        "skip": list(dict.fromkeys([*options.skip, *OF_A_HOST])),  # judged for all of a batch
        "network": options.network,
        "migrate_back": options.migrate_back or None,
        "spare": list(options.spare) or None,
    }
    return ChildRun(
        key=host.id,
        parameters={name: value for name, value in parameters.items() if value is not None},
        sentence=f"maintain {host.name}",
    )


# -- how far it is -----------------------------------------------------------------------------


@workflow("maintenance.status")
def status(ctx: Context, run: RunId | None = None) -> Table:
    """Show the progress of each hypervisor of a campaign, since when, and what failed.

    run: The campaign, or the run of one hypervisor, by its id; the newest campaign if empty.
    """
    journal = ctx.open_journal()
    found = journal.run(run) if run else _newest(journal)
    if found is None:
        return Table(_COLUMNS, [], summary="nothing was maintained yet")
    rows = list(_rows(journal, found))
    return Table(
        _COLUMNS,
        rows,
        f"{found.id}: {found.plan['title'] if found.plan else found.workflow}: {found.shown_state}",
        units={"since": "time"},
        extra=("run",),
        summary=f"{count(len(rows), 'hypervisor')}: {found.shown_state}",
    )


def _newest(journal: Journal) -> RunRecord | None:
    """Return the newest campaign, or else the newest maintenance of one hypervisor."""
    for workflow_name in ("maintenance.campaign", _CHILD):
        runs = journal.recent(limit=5, workflow=workflow_name)
        if begun := [run for run in runs if run.shown_state != "planned"]:
            return begun[0]
    return None


def _rows(journal: Journal, top: RunRecord) -> Iterator[dict[str, Any]]:
    """Yield a row for each hypervisor of a run: those that are begun, and those to come."""
    if top.workflow == _CHILD:
        yield _row(top, top.plan["title"] if top.plan else "", journal.steps(top.id), top.id)
        return
    children = {child.parent_step: child for child in journal.children(top.id)}
    for step in journal.steps(top.id):
        if not step.sentence.startswith("maintain "):
            continue
        child = children.get(step.key)
        steps = journal.steps(child.id) if child else []
        yield _row(child, step.sentence, steps, child.id if child else None, of=step)


def _row(
    run: RunRecord | None,
    sentence: str,
    steps: Sequence[StepRecord],
    id: str | None,
    of: StepRecord | None = None,
) -> dict[str, Any]:
    now = [step for step in steps if step.state not in ("done", "pending", "skipped")]
    done = [step for step in steps if step.state == "done"]
    at = now[0] if now else (done[-1] if done else None)
    state = of.state if of else (run.shown_state if run else "pending")
    wrong = [step for step in steps if step.state in ("failed", "unknown")]
    since = (at.started_at or at.ended_at) if at else None
    return {
        "hypervisor": sentence.split(" ", 1)[-1],
        "state": "parked" if state == "failed" and wrong else state,
        "stage": at.sentence if at else None,
        "since": _moment(run, since),
        "failed": wrong[0].told if wrong else (of.told if of and of.state == "failed" else None),
        "run": id,
    }


def _moment(run: RunRecord | None, seconds: float | None) -> str | None:
    import datetime

    if run is None or seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(run.by_wall_clock(seconds), datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
