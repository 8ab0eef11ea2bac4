"""Runbooks about the notifications of OpenStack's services: notifications.check."""

from __future__ import annotations

from accounts.broker import brokers
from health.checks import WARN, Check, table
from health.notifications import checks
from state.observations import Observations
from workflow_api import Context, Table, count, workflow


@workflow("notifications.check")
def check(ctx: Context) -> Table:
    """Check whether notifications are read: brokers, queues, and what has begun and not ended."""
    found = brokers(ctx.config)
    if not found:
        advice = "Add one to brokers in the pack's configuration."
        none = Check("brokers", WARN, "none is configured, so no notifications are read", advice)
        return table([none], "0 brokers", "Notifications")
    observations = Observations(ctx.open_journal().store)
    settings = ctx.config.notifications
    rows = [row for broker in found for row in checks(broker, settings, observations)]
    return table(rows, count(len(found), "broker"), "Notifications")
