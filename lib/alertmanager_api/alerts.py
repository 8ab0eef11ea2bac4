"""Alerts of an Alertmanager: which of them fire, and which of these are silenced."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from accounts.alertmanager import Alertmanager
from alertmanager_api.matchers import Matcher, match


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    state: Literal["unprocessed", "active", "suppressed"]
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """An alert that has not been resolved; one that is suppressed notifies nobody."""

    labels: dict[str, str]
    status: _Status
    starts_at: datetime
    annotations: dict[str, str] = {}
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """The alert's name, "" if it has none."""
        return self.labels.get("alertname", "")

    @property
    def silenced_by(self) -> tuple[str, ...]:
        """The ids of the silences that it is suppressed by."""
        return self.status.silenced_by

    @property
    def is_suppressed(self) -> bool:
        """Whether a silence or another alert keeps it from notifying anybody."""
        return self.status.state == "suppressed"


def firing(
    alertmanager: Alertmanager, matchers: Iterable[Matcher] = (), *, suppressed: bool = True
) -> list[Alert]:
    """Return the alerts that fire now and pass all matchers, in one request.

    Without ``suppressed``, those that a silence or another alert suppresses are left out.
    """
    wanted = "true" if suppressed else "false"
    params = {"active": "true", "silenced": wanted, "inhibited": wanted, "unprocessed": "true"}
    found = alertmanager.get("/api/v2/alerts", list[Alert], "listing the alerts", params=params)
    conditions = tuple(matchers)
    kept = [
        alert
        for alert in found
        if match(conditions, alert.labels) and (suppressed or not alert.is_suppressed)
    ]
    return sorted(kept, key=lambda alert: (alert.name, sorted(alert.labels.items())))
