"""event.report: what a sensor has told, passed on to operators and a webhook, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.smtp import SmtpAccount
from accounts.webhook import Webhook
from maintenance.telling import find_told_as, operators, tell
from observers.telling import facts, headline
from state.observations import Observations
from webhook_api.deliveries import deliver
from workflow_api import Attempt, Context, Plan, UserError, clean, step, workflow
from workflow_api.parameters import Name

_SCHEMA = 1


def find_mailed(attempt: Attempt, event: str) -> dict[str, Any] | None:
    """Say whether the operators were told, as far as they can be."""
    return find_told_as(attempt, _key(event))


@step(
    "event.mail",
    "tell the operators that {about}",
    key="{event}",
    find=find_mailed,
)
def mail_event(
    attempt: Attempt,
    smtp: SmtpAccount,
    event: str,
    about: str,
    recipients: list[str],
    paragraphs: list[str],
) -> dict[str, Any]:
    """Send the operators a mail, unless any run has told them of this event before."""
    tell(attempt, smtp, _key(event), recipients, about, paragraphs)
    return {"said": "the operators were told"}


@step(
    "event.tell_webhook",
    "tell webhook {to} that {about}",
    key="{event}:{to}",
    repeatable=True,
)
def tell_webhook(
    attempt: Attempt,
    webhook: Webhook,
    to: str,
    event: str,
    about: str,
    trigger: str,
    payload: dict[str, Any],
) -> dict[str, Any]:
    """Send the event to a webhook; sent twice, it is the same delivery by its id."""
    told = {"schema": _SCHEMA, "trigger": trigger, "event": payload}
    deliver(webhook, event, told, f"telling it that {about}")
    return {"said": f"webhook {webhook.name} has taken it"}


@workflow("event.report", one_object=True, timeout="30m")
def report(
    ctx: Context, event: Name, webhook: Name | None = None, *, no_mail: bool = False
) -> Plan:
    """Tell the operators by mail, and a webhook, what a sensor has found: each event once.

    event: The event, by the id in its payload.
    webhook: Also send it to this webhook of the configuration.
    no_mail: Send no mail.
    """
    found = Observations(ctx.open_journal().store).event(event)
    about = f"{headline(found.payload)} ({clean(found.payload['cloud'])})"
    plan = Plan(f"Report that {about}")
    recipients = [] if no_mail else operators(ctx.config)
    if not recipients and not webhook:
        raise UserError(
            "Nobody would be told.",
            advice="Set email.operators and an SMTP account in the configuration, or name a "
            "webhook.",
        )
    if recipients:
        plan.add(
            mail_event,
            smtp=ctx.config.smtp(None).name,
            event=found.id,
            about=about,
            recipients=recipients,
            paragraphs=_paragraphs(found.trigger, found.payload),
        )
    if webhook:
        plan.add(
            tell_webhook,
            webhook=ctx.config.webhook(webhook).name,
            to=webhook,
            event=found.id,
            about=about,
            trigger=found.trigger,
            payload=found.payload,
        )
    return plan


def _paragraphs(trigger: str, payload: Mapping[str, Any]) -> list[str]:
    known = facts(payload)
    run = payload["run"]
    return [
        f"{headline(payload)}, in cloud {payload['cloud']}.",
        f"So since {payload['since']}; seen as news at {payload['at']}.",
        *([f"Known of it: {known}."] if known else []),
        *([f"Run {run} is at work on it: run.show run={run}"] if run else []),
        f"Its id: {payload['subject_id']}. Told by the sensor {trigger}, event {payload['id']}.",
    ]


def _key(event: str) -> str:
    return f"event-{event}"
