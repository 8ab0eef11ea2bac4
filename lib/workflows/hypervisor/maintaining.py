"""hypervisor.maintain: from drain to return, and parked safely wherever it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from accounts.config import PackConfig
from accounts.host_config import Stage
from brakes.working import end_work, in_work, judge, take_in_work
from common.duration import End
from common.reasons import checked_reason
from hypervisors.returning import check_leftovers
from hypervisors.test_inputs import TestOptions, find_inputs
from maintenance.budgets import PAST, over
from maintenance.checks import agents_of, check_kernel, wait_services
from maintenance.gates import at_once, gate
from maintenance.parking import stand_by, stand_by_and_tell
from maintenance.settling import unknown
from maintenance.site_plan import STAGES, SitePlan, wrong
from maintenance.telling import operators, tell_operators
from maintenance.waiting import wait_until
from migration.placement_check import refuse_down, refuse_shared
from query_api.lookups import compute
from query_api.lookups.compute_types import Hypervisor
from workflow_api import Context, ParameterGroup, Plan, Ref, listed, utc, workflow
from workflow_api.parameters import HypervisorName, HypervisorReason, Name, Names, PastBrakes
from workflows.hypervisor.scheduling import enable_scheduling, scheduling_of

Skipped = Literal[
    "alerts",
    "budgets",
    "notify",
    "agents",
    "silence",
    "patch",
    "reboot",
    "test",
    "unsilence",
    "tell",
]
Begin = Annotated[
    End,
    Meta(
        description="When it begins, as 3d or 2026-12-01T22:00+01:00: paused until then; at once "
        "if empty."
    ),
]


class MaintainOptions(ParameterGroup, frozen=True, kw_only=True):
    """What of the circle is done, and how.

    skip: Stages to leave out; with alerts or budgets, what else would hold it up.
    notify: Mail the owners of the servers there first; with start, that long before.
    network: The network of the test, by its exact name or id, or none; the only one if empty.
    migrate_back: Move back exactly those servers that were moved off it, once it is enabled.
    spare: Hypervisors that are filled first, by host names or ids; maintenance.spare if empty.
    """

    skip: list[Skipped] = msgspec.field(default_factory=list)
    notify: bool = False
    start: Begin | None = None
    network: Name | None = None
    migrate_back: bool = False
    spare: Names = msgspec.field(default_factory=list)
    past_brakes: PastBrakes = False


class _Circle(SitePlan):
    """The plan of one host's maintenance while it is drawn, a stage after the other."""

    def __init__(
        self, ctx: Context, cloud: Cloud, host: Hypervisor, options: MaintainOptions, reason: str
    ) -> None:
        plan = Plan(f"Maintain {host.name}", parks=True)
        super().__init__(plan, ctx.config, cloud, host, reason)
        self.ctx, self.options = ctx, options
        self.about: dict[str, Any] = {"host": host.name}
        self.drained: Ref | None = None

    def wanted(self, stage: str) -> bool:
        """Whether a stage is asked for; if not, the plan says so."""
        if stage not in self.options.skip:
            return True
        self.plan.skip(stage, "skip names it")
        return False

    def child(self, workflow: str, **parameters: Any) -> Ref:
        """Plan another runbook on the host."""
        return self.plan.run(workflow, cloud=self.cloud.name, **parameters)


@workflow("hypervisor.maintain", timeout="2d")
def maintain(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    reason: HypervisorReason,
    *,
    options: MaintainOptions,
) -> Plan:
    """Drain, silence, patch, reboot and test a hypervisor, and return it to service.

    Where a stage fails, the hypervisor stays out of scheduling with the reason, the operators are
    told, and run.resume goes on from that stage.
    """
    (host,) = ctx.claimed(lambda: [compute.find_hypervisor(cloud, hypervisor)])
    refuse_shared(host, "Maintaining")
    refuse_down(host)
    circle = _Circle(ctx, cloud, host, options, checked_reason(reason))
    plan = circle.plan
    plan.refuse(_lacking(circle))
    judge(ctx, cloud, plan, [host], past_brakes=options.past_brakes)
    if circle.wanted("budgets"):
        plan.refuse(over(cloud, [host.service.host], at_once=at_once(cloud, 1)), PAST)
    _announce(circle)
    plan.add(take_in_work, undo="on_cancel", **in_work(host, past_brakes=options.past_brakes))
    _stand_by(circle)
    for stage in STAGES:
        circle.before(stage)
        _PLANNED[stage](circle)
        circle.after(stage)
    if options.migrate_back and circle.drained is not None:
        run = circle.drained["run"]
        circle.child("hypervisor.migrate_back", hypervisor=host.id, run=run)
    plan.add(end_work, **in_work(host))
    recipients = operators(ctx.config)
    if recipients and circle.wanted("tell"):
        plan.add(
            tell_operators,
            smtp=ctx.config.smtp(None).name,
            about=f"{host.name} of {cloud.shown} is back from maintenance",
            recipients=recipients,
            paragraphs=[f"It was maintained because of: {circle.reason}"],
        )
    return plan


def _lacking(circle: _Circle) -> list[str]:
    """Return all that keeps the circle from being gone through, before anything is begun."""
    lacking = wrong(circle.config)
    if "alerts" not in circle.options.skip:
        lacking += unknown(circle.config)
    if "test" not in circle.options.skip:
        found = TestOptions(network=circle.options.network)
        test = circle.config.hypervisor_test
        lacking += find_inputs(circle.cloud, [], found, test).refusals
    return lacking


def _announce(circle: _Circle) -> None:
    """Plan to tell the owners, and to wait for the time."""
    options, host, plan = circle.options, circle.host, circle.plan
    begin = options.start.after(circle.ctx.asked_at) if options.start else circle.ctx.asked_at
    if options.notify and circle.wanted("notify"):
        circle.child(
            "email.hypervisor_notice",
            hypervisor=host.name,
            notice="maintenance",
            window=f"{begin:%Y-%m-%d %H:%M}Z for {circle.config.maintenance.silence}",
            effect="moved",
            allow_past=True,
        )
    if options.start:
        plan.add(wait_until, at=begin.timestamp(), shown=utc(begin.timestamp()))
    judged = ["alerts"] if circle.config.maintenance.alerts and circle.wanted("alerts") else []
    if judged or options.start:  # what it was refused for when it was planned may be so by then
        judged += ["budgets"] if "budgets" not in options.skip else []
    if judged:
        plan.add(gate, number=1, hosts=host.name, ids=[host.id], judged=judged)


def _stand_by(circle: _Circle) -> None:
    about: dict[str, Any] = {"service": circle.host.service.id, **circle.about}
    if recipients := operators(circle.config):
        smtp = circle.config.smtp(None).name
        about |= {"smtp": smtp, "recipients": recipients}
        circle.plan.add(stand_by_and_tell, undo="on_park", **about)
        return
    circle.plan.note("Nobody is told if it goes wrong: email.operators names no operators.")
    circle.plan.add(stand_by, undo="on_park", **about)


# -- the stages --------------------------------------------------------------------------------


def _agents(circle: _Circle) -> None:
    agents = circle.config.maintenance.agents
    if agents is not None and circle.wanted("agents"):
        circle.do(agents, "at", "agents")


def _drain(circle: _Circle) -> None:
    asked: dict[str, Any] = {"hypervisor": circle.host.name, "reason": circle.reason}
    if spare := circle.options.spare or circle.config.maintenance.spare:
        asked["spare"] = list(spare)
    circle.drained = circle.child("hypervisor.drain", **asked)


def _monitored(config: PackConfig) -> bool:
    return bool(config.icingas or config.alertmanagers)


def _silence(circle: _Circle) -> None:
    if not _monitored(circle.config):
        circle.plan.skip("silence", "no Icinga and no Alertmanager is configured")
    elif circle.wanted("silence"):
        until = str(circle.config.maintenance.silence)
        names = [circle.host.name]
        circle.child("hypervisor.silence", hypervisors=names, reason=circle.reason, until=until)


def _patch(circle: _Circle) -> None:
    patch = circle.config.maintenance.patch
    if patch is None:
        circle.plan.skip("patch", "maintenance.patch names no command")
    elif circle.wanted("patch"):
        circle.run(patch)


def _reboot(circle: _Circle) -> None:
    settings = circle.config.maintenance
    if settings.reboot is None:
        circle.plan.skip("reboot", "maintenance.reboot names no command")
    elif circle.wanted("reboot"):
        expected = circle.run(settings.expected_kernel) if settings.expected_kernel else None
        rebooted = circle.run(settings.reboot)
        if expected is not None:
            circle.plan.add(
                check_kernel,
                **circle.about,
                expected=expected["output"],
                kernel=rebooted["kernel"],
            )


def _wait(circle: _Circle) -> None:
    host, within = circle.host, float(circle.config.maintenance.within)
    agents = agents_of(circle.cloud, host.service.host)
    circle.plan.add(
        wait_services,
        **circle.about,
        compute_host=host.service.host,
        agents=sorted(agents),
        others=f", {listed(sorted(set(agents.values())))}" if agents else "",
        within=within,
    )
    circle.plan.add(check_leftovers, **circle.about, hypervisor=host.id, within=within)


def _test(circle: _Circle) -> None:
    if circle.wanted("test"):
        network = circle.options.network
        circle.child("hypervisor.test", hypervisors=[circle.host.name], network=network)


def _enable(circle: _Circle) -> None:
    scheduling = scheduling_of(circle.host)
    circle.plan.add(enable_scheduling, **{**scheduling, "now": ""})


def _unsilence(circle: _Circle) -> None:
    quiet = _monitored(circle.config) and "silence" not in circle.options.skip
    if quiet and circle.wanted("unsilence"):
        circle.child("hypervisor.unsilence", hypervisors=[circle.host.name])


_PLANNED: Mapping[Stage, Callable[[_Circle], None]] = {
    "agents": _agents,
    "drain": _drain,
    "silence": _silence,
    "patch": _patch,
    "reboot": _reboot,
    "wait": _wait,
    "test": _test,
    "enable": _enable,
    "unsilence": _unsilence,
}
