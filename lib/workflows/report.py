"""report.plan, report.events: what a runbook would do and what sensors found, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from maintenance.telling import find_told_as, operators, tell
from observers.observer import observer
from observers.telling import sentence
from state.observations import Observations
from workflow_api import (
    Attempt,
    Context,
    Duration,
    Plan,
    UserError,
    clean,
    count,
    step,
    workflow,
)
from workflow_api.parameters import Name, Names
from workflow_api.workflow import workflow_named

# As many steps, or events of a sensor, as are still read in a mail.
_SHOWN = 100


class _Unclaimed:
    """Claims of a plan that is only looked at: nobody is kept from anything."""

    def claim(self, things: Mapping[str, str]) -> None:
        """Take nothing."""


def find_mailed(attempt: Attempt, title: str) -> dict[str, Any] | None:
    """Say whether the operators were told, as far as they can be."""
    return find_told_as(attempt, _key(attempt))


@step("report.mail", "mail the operators: {title}", key="report", find=find_mailed)
def mail(
    attempt: Attempt, smtp: SmtpAccount, title: str, recipients: list[str], paragraphs: list[str]
) -> dict[str, Any]:
    """Send the operators a mail."""
    tell(attempt, smtp, _key(attempt), recipients, title, paragraphs)
    return {"said": "the operators were told"}


@workflow("report.plan", timeout="1h")
def plan(
    ctx: Context,
    cloud: Cloud,
    action: Name,
    parameters: str | None = None,
) -> Plan:
    """Mail the operators what a runbook would do now; it does none of it.

    action: The runbook, as email.shutoff_servers; any that changes something.
    parameters: Its parameters but the cloud, as JSON.
    """
    recipients = _operators(ctx)
    if not workflow_named(action).changes:
        raise UserError(f"{action} changes nothing: it has no plan.")
    given = {"cloud": cloud.name, **_parameters(parameters)}
    ctx.check(action, given)
    title, paragraphs = _shown(ctx, action, given)
    reporting = Plan(f"Report what {action} would do")
    reporting.add(
        mail,
        smtp=ctx.config.smtp(None).name,
        title=f"{action} of {cloud.shown}: {title}",
        recipients=recipients,
        paragraphs=paragraphs,
    )
    return reporting


@workflow("report.events", timeout="30m")
def events(
    ctx: Context,
    sensors: Names,
    within: Duration = Duration.parse("1d"),  # noqa: B008 - a constant
) -> Plan:
    """Mail the operators in one mail what sensors have found lately; none if that is nothing.

    sensors: The sensors, as drift.
    within: For how long back, as 12h or 7d.
    """
    recipients = _operators(ctx)
    for name in sensors:
        observer(name)  # raises what there is to say of its name
    found = Observations(ctx.open_journal().store).found_within(float(within), sensors)
    reporting = Plan("Report what sensors have found")
    if not found:
        reporting.skip("the mail", f"nothing was found within {within}")
        return reporting
    paragraphs = []
    for name in dict.fromkeys(sensors):
        mine = [sentence(one.payload) for one in found if one.trigger == name]
        more = len(mine) - _SHOWN
        paragraphs += [f"{name}: {count(len(mine), 'event')}"] if mine else []
        paragraphs += [f"- {line}" for line in mine[-_SHOWN:]]
        paragraphs += [f"and {count(more, 'earlier event')}."] if more > 0 else []
    reporting.add(
        mail,
        smtp=ctx.config.smtp(None).name,
        title=f"{count(len(found), 'event')} within {within}",
        recipients=recipients,
        paragraphs=paragraphs,
    )
    return reporting


def _operators(ctx: Context) -> list[str]:
    if recipients := operators(ctx.config):
        return recipients
    raise UserError(
        "Nobody would be told.",
        advice="Set email.operators and an SMTP account in the configuration.",
    )


def _parameters(text: str | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.DecodeError as error:
        raise UserError(f"parameters is a JSON object: {clean(error)}.") from None


def _shown(ctx: Context, action: str, given: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return a plan as a headline and paragraphs, or why there is none."""
    try:
        drawn = ctx.draw(action, given, _Unclaimed())
    except UserError as refused:
        return "would be refused", [f"{action} would be refused: {refused}"]
    steps = [one.sentence for one in drawn.steps()]
    more = len(steps) - _SHOWN
    return f"would make {count(drawn.changes_in_all(), 'change')}", [
        f"{drawn.title}: what {action} would do now. Nothing of it was done.",
        *(f"- {sentence}" for sentence in steps[:_SHOWN]),
        *([f"and {count(more, 'more step')}."] if more > 0 else []),
        *([] if steps else ["There is nothing to do."]),
        *(f"Left: {entry['what']}: {entry['why']}" for entry in drawn.left),
        *(f"Skipped: {entry['what']}: {entry['why']}" for entry in drawn.skipped[:_SHOWN]),
        *drawn.notes,
    ]


def _key(attempt: Attempt) -> str:
    return f"report-{attempt.run}"
