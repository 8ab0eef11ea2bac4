"""Taking hosts in work within the brakes, and giving them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts.cloud import Cloud
from brakes.fleet import Fleet, FleetHost, fleet
from brakes.judging import ADVICE, closed, since
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from state.host_works import HeldHostWorks, HostWorks, Work
from workflow_api import Attempt, Context, Plan, StepFailed, listed, step


def judge(
    ctx: Context, cloud: Cloud, plan: Plan, hosts: Sequence[Hypervisor], *, past_brakes: bool
) -> None:
    """Refuse a plan that takes these hosts in work where a brake is closed, with its figures.

    With ``past_brakes`` they are notes of the plan; a rule that asks for that is refused, whatever
    the figures are by now: they may be others when the host's turn comes.
    """
    if past_brakes and ctx.requester.is_rule:
        plan.refuse(["a rule never goes past the brakes: past_brakes is for who looked at them"])
    seen = fleet(cloud)
    works = HostWorks(ctx.open_journal().store)
    brakes = ctx.config.brakes
    known = works.of([host.subject for host in seen.hosts], since(brakes))
    reasons = closed(brakes, seen, _wanted(seen, [host.subject for host in hosts]), known)
    if past_brakes:
        for reason in reasons:
            plan.note(f"Past the brakes: {reason}.")
        return
    plan.refuse(reasons, ADVICE)


def find_taken(attempt: Attempt, cloud: Cloud, hypervisor: str, host: str) -> dict[str, Any] | None:
    """Say whether the host is in work."""
    works = attempt.records(HeldHostWorks)
    subject = f"hypervisor:{hypervisor}"
    taken = any(work.is_open for work in works.of([subject], 0.0))
    return {"said": f"{host} is in work"} if taken else None


def let_go(attempt: Attempt, cloud: Cloud, hypervisor: str) -> None:
    """Count the host as in work no longer, unless it is out of scheduling: that is not over."""
    known = {host.id: host for host in compute.hypervisors(cloud)}
    if hypervisor not in known or known[hypervisor].status == "enabled":
        _end(attempt, hypervisor)


def _end(attempt: Attempt, hypervisor: str) -> None:
    attempt.sending()
    attempt.records(HeldHostWorks).end(f"hypervisor:{hypervisor}")


@step(
    "hypervisor.take_in_work",
    "take {host} in work, within the brakes",
    key="{host}",
    find=find_taken,
    undo=let_go,
)
def take_in_work(
    attempt: Attempt, cloud: Cloud, hypervisor: str, host: str, past_brakes: bool = False
) -> dict[str, Any]:
    """Count the host as in work; ask the brakes again, as others may be in work by now."""
    works, brakes = attempt.records(HeldHostWorks), cloud.config.brakes
    subject = f"hypervisor:{hypervisor}"
    seen = fleet(cloud)

    def judged(known: Sequence[Work]) -> None:
        reasons = [] if past_brakes else closed(brakes, seen, _wanted(seen, [subject]), known)
        if reasons:
            raise StepFailed(f"Nothing was begun on {host}: {'; '.join(reasons)}.", advice=ADVICE)

    attempt.sending()
    works.forget(since(brakes) + float(cloud.config.limits.keep_runs))
    taken = works.begin(subject, host, since(brakes), judged)
    return {"said": f"{host} is in work" if taken else f"{host} was in work already"}


@step(
    "hypervisor.give_back",
    "count {host} as in work no longer",
    key="{host}",
    repeatable=True,
)
def end_work(attempt: Attempt, hypervisor: str, host: str) -> dict[str, Any]:
    """Count the host as in work no longer; the time that it is left alone begins."""
    _end(attempt, hypervisor)
    return {"said": f"{host} is not in work"}


def in_work(host: Hypervisor, **more: Any) -> dict[str, Any]:
    """Return what the steps that take a host in work and give it back are planned with."""
    return {"hypervisor": host.id, "host": host.name, **more}


def _wanted(seen: Fleet, subjects: Sequence[str]) -> list[FleetHost]:
    known = {host.subject: host for host in seen.hosts}
    if missing := [subject for subject in subjects if subject not in known]:
        raise StepFailed(f"No such host any more: {listed(missing)}.")
    return [known[subject] for subject in subjects]
