"""What all mail runbooks have in common: how they are registered, and mail to owners.

A mail runbook takes ``options``, one of the groups of parameters of ``campaigns.options``, and is
registered with ``mail_workflow``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from campaigns.options import Options, OwnerOptions
from owners.owners import label, project_of, readers
from owners.resolvers import owner_resolver
from protection.marks import protected
from workflow_api import Context, ParameterGroup, Plan, Refused, workflow

if TYPE_CHECKING:
    from accounts.cloud import Cloud
    from accounts.smtp import SmtpAccount
    from email_api.addresses import Address
    from owners.owners import Readers, Row
    from query_api.execution.query import Query

Runbook = Callable[..., Plan]
Reasons = Sequence[tuple[str, str]]


def mail_workflow(name: str) -> Callable[[Runbook], Runbook]:
    """Register a mail runbook, whose ``options`` are told what its parameters ask."""

    def register(function: Runbook) -> Runbook:
        @functools.wraps(function)
        def run(ctx: Context, **given: Any) -> Plan:
            asked = _spread({word: value for word, value in given.items() if word != "options"})
            options = given["options"].asking(ctx, name, asked)
            return function(ctx, **{**given, "options": options})

        workflow(name)(run)
        return function

    return register


def _spread(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the parameters of the action, those of a group each by its name."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        is_group = isinstance(value, ParameterGroup)
        found |= msgspec.structs.asdict(value) if is_group else {name: value}
    return found


def owner_mail(
    ctx: Context,
    cloud: Cloud,
    smtp: SmtpAccount,
    options: OwnerOptions,
    found: Readers,
    *,
    notice: str,
    title: str,
    content: Callable[[Sequence[Row]], Mapping[str, Any]],
    common: Mapping[str, Any] | None = None,
    reasons: Reasons = (),
    label: Callable[[Row], str] = label,
) -> Plan:
    """Return the plan that tells each reader of their rows, of which ``content`` makes variables.

    ``reasons`` say why the rows may not be all; Refused then, unless the options allow it.
    """
    from campaigns.planning import plan_campaign
    from campaigns.recipients import OwnerMail

    refuse_partial(title, reasons, options.allow_partial)
    mails = [
        OwnerMail(
            address=reader.to,
            content=content(reader.rows),
            name=reader.name or "",
            project=", ".join(dict.fromkeys(filter(None, map(project_of, reader.rows)))),
            concerns=list(map(label, reader.rows)),
        )
        for reader in found.told
    ]
    plan = plan_campaign(
        ctx,
        smtp,
        notice,
        mails,
        title=title,
        key=options.key,
        common={**(common or {}), **options.common(cloud)},
        left_out=found.left,
        delivery=options.delivery(tell_operators=options.tell_operators),
        whole=not reasons,
    )
    for what, why in reasons:
        plan.leave(what, why)
    if not mails:
        plan.note("There is nobody to be told.")
    return plan


def server_mail(
    ctx: Context,
    cloud: Cloud,
    smtp: SmtpAccount,
    options: OwnerOptions,
    asked: Query,
    *,
    notice: str,
    title: str,
    columns: Mapping[str, str | Callable[[Row], Any]],
    common: Mapping[str, Any] | None = None,
    also: Sequence[str] = (),
    spare_protected: bool = False,
    remark: str = "",
) -> Plan:
    """Return the plan that tells the owners of servers of those that ``asked`` finds.

    ``columns`` say what of a server stands in the variable ``servers`` of the notice: a path, or
    what a row (which has the paths in ``also``) makes of it. With ``spare_protected`` nobody is
    told of protected servers.
    """
    resolver = owner_resolver(asked.resource, cloud, options.owner)
    own = [path for path in columns.values() if isinstance(path, str)]
    more = ("tags", "metadata") if spare_protected else ()
    paths = dict.fromkeys(("id", "name", "project_id", *own, *also, *more, *resolver.columns))
    answer = asked.select(*paths).sort_by("project.name", "name", "id").run([cloud])
    rows = answer.dicts()
    marks = ctx.config.protected
    why = {r["id"]: protected(r["tags"], r["metadata"], marks) for r in rows if spare_protected}
    spared = [row for row in rows if why.get(row["id"])]
    kept = {id(row) for row in spared}
    found = readers(
        (row for row in rows if id(row) not in kept),
        resolver,
        cloud.config.email.local_domains,
        unread=answer.unread,
    )

    def servers(rows: Sequence[Row]) -> Mapping[str, Any]:
        return {
            "servers": [
                {name: row[of] if isinstance(of, str) else of(row) for name, of in columns.items()}
                for row in rows
            ]
        }

    plan = owner_mail(
        ctx,
        cloud,
        smtp,
        options,
        found,
        notice=notice,
        title=title,
        content=servers,
        common=common,
        reasons=[*answer.reasons, *resolver.reasons],
    )
    for row in spared:
        plan.skip(f"{label(row)} ({row['id']})", why[row["id"]])
    if remark:
        plan.note(remark)
    return plan


def mail_to(
    ctx: Context,
    smtp: SmtpAccount,
    options: Options,
    receivers: Sequence[Address],
    *,
    notice: str,
    title: str,
    content: Mapping[str, Any],
    common: Mapping[str, Any] | None = None,
    **delivery: Any,
) -> Plan:
    """Return the plan of a campaign of one mail, to each of the receivers."""
    from campaigns.planning import plan_campaign
    from campaigns.recipients import OwnerMail

    return plan_campaign(
        ctx,
        smtp,
        notice,
        [OwnerMail(address=receiver, content=content) for receiver in receivers],
        title=title,
        key=options.key,
        common={**(common or {}), **options.common(None)},
        delivery=options.delivery(**delivery),
    )


def receivers_of(text: str, local_domains: Sequence[str]) -> list[Address]:
    """Return the addresses, one or several, that an operator wrote.

    Raises UserError for one that is not valid, and if there is none.
    """
    from email_api.addresses import address, addresses

    return addresses(text, local_domains) or [address(text, local_domains)]


def keys_of(receivers: Iterable[Address]) -> list[str]:
    """Return whom a mail goes to, however the addresses are written and ordered."""
    return sorted(one.key for one in receivers)


def refuse_partial(title: str, reasons: Reasons, allow_partial: bool) -> None:
    """Raise Refused if an answer is not whole: mail is not sent on half a picture."""
    if reasons and not allow_partial:
        raise Refused(
            title,
            [f"not everything could be read: {what}: {why.rstrip('.')}" for what, why in reasons],
            advice="Try again when the cloud is whole, or send to those who were found with "
            "allow_partial=true.",
        )
