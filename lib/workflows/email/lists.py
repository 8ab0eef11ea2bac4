"""Mail to one address: a test, and an announcement to a mailing list."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from accounts.clouds import Clouds
from accounts.smtp import SmtpAccount
from campaigns.options import Options
from campaigns.owner_mail import keys_of, mail_to, mail_workflow, receivers_of, refuse_partial
from searches.searching import Selection, question
from workflow_api import Context, ParameterGroup, Plan, UserError, clean
from workflow_api.parameters import Name, RowLimit, Where


@mail_workflow("email.test")
def test(ctx: Context, to: str, *, smtp: SmtpAccount, options: Options) -> Plan:
    """Send one mail to test an SMTP account and the look of the organisation's mail.

    to: The address, or several, that it goes to.
    campaign: The key of the campaign; another one for each test by default.
    """
    content = {
        "account": smtp.name,
        "server": f"{smtp.entry.host}:{smtp.port}",
        "security": smtp.entry.security,
        "requested_by": ctx.requester.user,
    }
    receivers = receivers_of(to, smtp.config.email.local_domains)
    options = _fresh(ctx, options.about(to=keys_of(receivers)))
    title = f"Send a test mail to {clean(to)} through {smtp.name}"
    return mail_to(ctx, smtp, options, receivers, notice="test", title=title, content=content)


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


class AnnouncedTable(ParameterGroup, frozen=True, kw_only=True):
    """What the table of an announcement is about.

    resource: What the table shows, such as flavor or image; no table if empty.
    """

    resource: Name | None = None
    where: Where | None = None
    rows: RowLimit | None = None


@mail_workflow("email.list_notice")
def list_notice(
    ctx: Context,
    clouds: Clouds,
    to: str,
    subject: str,
    text: str,
    table: AnnouncedTable,
    *,
    smtp: SmtpAccount,
    selection: Selection,
    unsubscribe: str | None = None,
    allow_partial: bool = False,
    options: Options,
) -> Plan:
    """Announce something to a mailing list, optionally with the result of a query as a table.

    to: The address of the mailing list; several addresses get one mail each.
    subject: The subject of the mail.
    text: What the mail says; each line is a paragraph.
    unsubscribe: The https or mailto address for leaving the list.
    allow_partial: Send even if the table is incomplete.
    """
    receivers = receivers_of(to, smtp.config.email.local_domains)
    options = options.about(to=keys_of(receivers), clouds=clouds if table.resource else None)
    content: dict[str, Any] = {"subject": subject, "sentences": text}
    title = f"Announce to {clean(to)}: {clean(subject)}"
    reasons: list[tuple[str, str]] = []
    if table.resource:
        from email_api.notices import as_variable

        asked = question(table.resource, where=table.where, selection=selection, limit=table.rows)
        options = options.about_query(asked)
        answer = asked.run(clouds)
        reasons = answer.reasons
        refuse_partial(title, reasons, allow_partial)
        content["table"] = as_variable(answer.table())
    elif table != AnnouncedTable() or selection != Selection():
        raise UserError("A table is asked for without resource: what is it about?")
    plan = mail_to(
        ctx,
        smtp,
        options,
        receivers,
        notice="list_notice",
        title=title,
        content=content,
        unsubscribe=unsubscribe,
    )
    for what, why in reasons:
        plan.leave(what, why)
    return plan
