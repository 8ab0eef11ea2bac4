"""Mail to one address: a test, and an announcement to a mailing list."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from accounts.clouds import Clouds
from accounts.smtp import SmtpAccount
from campaigns.options import Options
from campaigns.owner_mail import keys_of, letter_to, mail_workflow, refuse_partial
from searches.searching import question
from workflow_api import Context, Plan, UserError, clean


@mail_workflow("email.test")
def test(ctx: Context, smtp: SmtpAccount, options: Options, to: str) -> Plan:
    """Send one mail to see that an SMTP account works, and how the organisation's mail looks."""
    content = {
        "account": smtp.name,
        "server": f"{smtp.entry.host}:{smtp.port}",
        "security": smtp.entry.security,
        "requested_by": ctx.requester.user,
    }
    options = _fresh(ctx, options.about(to=keys_of(to, smtp.config.email.local_domains)))
    title = f"Send a test mail to {clean(to)} through {smtp.name}"
    return letter_to(ctx, smtp, options, to, notice="test", title=title, content=content)


def _fresh(ctx: Context, options: Options) -> Options:
    """Return the options of the first campaign of that key whose mail is still to be sent.

    So a test can be repeated, as a rehearsal can by itself.
    """
    from state.ledger import Campaigns

    if options.campaign or options.override_recipient:
        return options
    ledger = Campaigns(ctx.open_journal().store)
    for number in itertools.count(1):
        key = f"{options.key}-{number}"
        known = ledger.campaign(key)
        if known is None or known.counts.get("pending"):
            break
    return msgspec.structs.replace(options, campaign=key)


@mail_workflow("email.list_notice")
def list_notice(
    ctx: Context,
    smtp: SmtpAccount,
    clouds: Clouds,
    options: Options,
    to: str,
    subject: str,
    text: str,
    resource: str | None = None,
    where: str | None = None,
    select: list[str] = [],  # noqa: B006 - never changed; the signature is the action's default
    sort_by: list[str] = [],  # noqa: B006
    group_by: str | None = None,
    aggregate: str | None = None,
    follow: str | None = None,
    join: str | None = None,
    rows: int | None = None,
    unsubscribe: str | None = None,
    allow_partial: bool = False,
) -> Plan:
    """Announce something to a mailing list, with a table of what a query finds if asked."""
    options = options.about(
        to=keys_of(to, smtp.config.email.local_domains), clouds=clouds if resource else None
    )
    content: dict[str, Any] = {"subject": subject, "sentences": text}
    title = f"Announce to {clean(to)}: {clean(subject)}"
    reasons: list[tuple[str, str]] = []
    if resource:
        from email_api.notices import as_variable

        asked = question(
            resource,
            where=where,
            select=select,
            sort_by=sort_by,
            group_by=group_by,
            aggregate=aggregate,
            follow=follow,
            join=join,
            limit=rows,
        )
        options = options.about_query(asked)
        answer = asked.run(clouds)
        reasons = answer.reasons
        refuse_partial(title, reasons, allow_partial)
        content["table"] = as_variable(answer.table())
    elif any((where, select, sort_by, group_by, aggregate, follow, join, rows)):
        raise UserError("A table is asked for without resource: what is it about?")
    plan = letter_to(
        ctx,
        smtp,
        options,
        to,
        notice="list_notice",
        title=title,
        content=content,
        unsubscribe=unsubscribe,
    )
    for what, why in reasons:
        plan.leave(what, why)
    return plan
