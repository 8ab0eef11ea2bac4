"""Mail about hypervisors: to the owners of what runs there, and a report to the operators."""

from __future__ import annotations

import datetime
import re
from typing import Any, Literal

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from campaigns.options import Options, OwnerOptions
from campaigns.owner_mail import (
    keys_of,
    mail_to,
    mail_workflow,
    receivers_of,
    refuse_partial,
    server_mail,
)
from workflow_api import Context, Duration, Plan, UserError, clean, count
from workflow_api.parameters import AllowPast, HypervisorName

Notice = Literal["fault", "maintenance"]
Effect = Literal["down", "moved"]
_COLUMNS = {"name": "name", "id": "id", "project": "project.name", "status": "status"}
# `2026-12-01 22:00 for 4h`; without a zone it is UTC.
_WINDOW = re.compile(
    r"\s*(?P<start>\S+(?:\s+\d\d:\d\d\S*)?)(?:\s+(?:for\s+)?(?P<length>\S.*?))?\s*"
)

_LONGEST_WINDOW = 80
_IF_MEANT = "If it is meant: allow_past=true."


@mail_workflow("email.hypervisor_notice")
def hypervisor_notice(
    ctx: Context,
    cloud: Cloud,
    hypervisor: HypervisorName,
    notice: Notice,
    window: str | None = None,
    effect: Effect = "down",
    *,
    smtp: SmtpAccount,
    allow_past: AllowPast = False,
    options: OwnerOptions,
) -> Plan:
    """Notify the owners of the servers on a hypervisor of a fault or maintenance.

    notice: Whether the hypervisor has a fault or is under maintenance.
    window: As 2026-12-01 22:00 for 4h (UTC by default): work needs it; of a fault, the start.
    effect: Whether the maintenance stops the servers, or they are moved while running.
    """
    from query_api.execution.query import query
    from query_api.lookups import compute

    start, end = parse_window(window) if window else (None, None)
    when: dict[str, Any] = {}
    if notice == "fault":
        when = {"since": start} if start else {}
        if end:
            raise UserError("Nobody knows how long a fault lasts: window is only since when.")
    elif start is None:
        raise UserError("Work has a window: window='2026-12-01 22:00 for 4h', in UTC.")
    elif (end or start) < _now() and not allow_past:
        raise UserError(f"The window {clean(window)} is over.", advice=_IF_MEANT)
    else:
        when = {"starts_at": start, "ends_at": end, "effect": effect}
    host = compute.find_hypervisor(cloud, hypervisor)
    about = "its fault" if notice == "fault" else f"work on it {_period(start, end)}"
    return server_mail(
        ctx,
        cloud,
        smtp,
        options.about(
            hypervisor=host.name, window=[start, end], effect=None if notice == "fault" else effect
        ),
        query("server").where("hypervisor_hostname", "equal_to", host.name),
        notice=f"hypervisor_{notice}",
        title=f"Tell the owners of servers on {host.name} of {about}",
        columns=_COLUMNS,
        common=when,
    )


@mail_workflow("email.hypervisor_report")
def hypervisor_report(
    ctx: Context,
    cloud: Cloud,
    *,
    smtp: SmtpAccount,
    to: str | None = None,
    allow_partial: bool = False,
    options: Options,
) -> Plan:
    """Report to the operators which hypervisors are down or disabled, why, and since when.

    to: The address, or several, that it goes to; email.operators if empty.
    allow_partial: Send even if not everything could be read.
    """
    from query_api.execution.query import query
    from query_api.language.conditions import any_of, test

    receiver = to or ctx.config.email.operators
    if not receiver:
        raise UserError("Nobody to tell: give to, or set email.operators in the configuration.")
    bad = any_of(test("state", "not_equal_to", "up"), test("status", "not_equal_to", "enabled"))
    columns = ("name", "state", "status", "disabled_reason", "server_count")
    answer = (
        query("hypervisor")
        .where(bad)
        .select(*columns, "compute_service.updated_at")
        .sort_by("name")
        .run([cloud])
    )
    rows = [
        {
            "hypervisor": name,
            "state": state,
            "status": status,
            "reason": reason,
            # Nova says when it last heard of a service, and not when it was disabled.
            "since": heard_of if state == "down" else None,
            "servers": servers,
        }
        for name, state, status, reason, servers, heard_of in answer.rows
    ]
    title = f"Tell {clean(receiver)} of {count(len(rows), 'hypervisor')} that are down or disabled"
    refuse_partial(title, answer.reasons, allow_partial)
    if not rows:
        plan = Plan(title)
        plan.note("Every hypervisor is up and enabled, so there is nothing to tell.")
        return plan
    # Another state is another report, also on the same day.
    state = [(row["hypervisor"], row["state"], row["status"], row["reason"]) for row in rows]
    receivers = receivers_of(receiver, ctx.config.email.local_domains)
    options = options.about(to=keys_of(receivers), state=state)
    content = {"hypervisors": rows, **options.common(cloud)}
    plan = mail_to(
        ctx, smtp, options, receivers, notice="hypervisor_report", title=title, content=content
    )
    for what, why in answer.reasons:
        plan.leave(what, why)
    return plan


def parse_window(text: str) -> tuple[str, str | None]:
    """Return start and end, both in UTC, of ``2026-12-01 22:00 for 4h``.

    The end is None without a length. Raises UserError.
    """
    from query_api.language.times import normal

    found = _WINDOW.fullmatch(text)
    try:
        if found is None or len(text) > _LONGEST_WINDOW:
            raise ValueError(text)
        start = normal(found["start"])
        if found["length"] is None:
            return start, None
        length = Duration.parse(found["length"])
        begin = datetime.datetime.fromisoformat(start.replace("Z", "+00:00"))
        return start, normal((begin + datetime.timedelta(seconds=length)).isoformat())
    except (ValueError, OverflowError):
        raise UserError(
            f"window is a start and a length, as '2026-12-01 22:00 for 4h' or "
            f"'2026-12-01T22:00+01:00 for 90m', not {clean(text)!r:.100}.",
            advice="A time without a zone is UTC.",
        ) from None


def _now() -> str:
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _period(start: str | None, end: str | None) -> str:
    """Return a window for a title, its zone said."""
    shown = [time[:16].replace("T", " ") for time in (start, end) if time]
    return f"from {' to '.join(shown)} UTC"
