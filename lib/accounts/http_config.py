"""The part of the configuration that outside systems with an HTTP API need."""

from __future__ import annotations

import msgspec

from accounts.texts import Filled, Name
from common.duration import Duration


class HttpEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One outside system: where it is, and as whom we ask it."""

    name: Name
    url: Filled
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password: str | None = None
    timeout: Duration = Duration(30)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"  # it holds a password


class AlertmanagerEntry(HttpEntry, forbid_unknown_fields=True, kw_only=True):
    """One Alertmanager, or a cluster of them behind one address."""

    token: str | None = None


class WebhookEntry(HttpEntry, forbid_unknown_fields=True, kw_only=True):
    """An address of a site's own that is told what is done to a host; ``secret`` signs that."""

    token: str | None = None
    secret: str | None = None


class IcingaEntry(HttpEntry, forbid_unknown_fields=True, kw_only=True):
    """One Icinga with its API, or the masters of one zone behind one address."""

    def __repr__(self) -> str:
        return super().__repr__()
