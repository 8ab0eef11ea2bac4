"""report.plan: what a runbook would do, mailed to the operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from maintenance.telling import find_told_as, operators, tell
from workflow_api import Attempt, Context, Plan, UserError, clean, count, step, workflow
from workflow_api.parameters import Name
from workflow_api.workflow import workflow_named

# As many steps as are still read in a mail.
_SHOWN = 100


class _Unclaimed:
    """Claims of a plan that is only looked at: nobody is kept from anything."""

    def claim(self, things: Mapping[str, str]) -> None:
        """Take nothing."""


def find_mailed(attempt: Attempt, title: str) -> dict[str, Any] | None:
    """Say whether the operators were told, as far as they can be."""
    return find_told_as(attempt, _key(attempt))


@step("report.mail_plan", "mail the operators the plan: {title}", key="plan", find=find_mailed)
def mail_plan(
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
    recipients = operators(ctx.config)
    if not recipients:
        raise UserError(
            "Nobody would be told.",
            advice="Set email.operators and an SMTP account in the configuration.",
        )
    if not workflow_named(action).changes:
        raise UserError(f"{action} changes nothing: it has no plan.")
    given = {"cloud": cloud.name, **_parameters(parameters)}
    ctx.check(action, given)
    title, paragraphs = _shown(ctx, action, given)
    reporting = Plan(f"Report what {action} would do")
    reporting.add(
        mail_plan,
        smtp=ctx.config.smtp(None).name,
        title=f"{action} of {cloud.shown}: {title}",
        recipients=recipients,
        paragraphs=paragraphs,
    )
    return reporting


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
    return f"plan-{attempt.run}"
