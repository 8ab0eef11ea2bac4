"""What an Alertmanager is: its version, its cluster, and whether it lets us make silences."""

from __future__ import annotations

import re

import msgspec

from accounts.alertmanager import Alertmanager
from accounts.http_account import not_there
from common.errors import CloudError

# Negative matchers came with it; a version before takes them for positive ones.
_NEGATIVE = (0, 22)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


class _Version(msgspec.Struct):
    version: str = ""


class _Cluster(msgspec.Struct):
    status: str = ""
    peers: list[object] = []


class Status(msgspec.Struct, rename="camel"):
    """The version and the cluster; what only looks like Alertmanager may tell neither."""

    version_info: _Version = msgspec.field(default_factory=_Version)
    cluster: _Cluster = msgspec.field(default_factory=_Cluster)

    @property
    def version(self) -> str:
        """Its version as it says it, "" if it says none."""
        return self.version_info.version

    @property
    def knows_negative_matchers(self) -> bool:
        """Whether ``!=`` and ``!~`` mean what they say; a version that is not known is new."""
        found = _VERSION.match(self.version)
        return found is None or (int(found[1]), int(found[2])) >= _NEGATIVE


def status(alertmanager: Alertmanager) -> Status:
    """Return what an Alertmanager is. Raises CloudError."""
    try:
        return alertmanager.get("/api/v2/status", Status, "asking for its version")
    except CloudError as error:
        if not not_there(error):
            raise
        raise CloudError(
            f"{alertmanager.who}: version 2 of Alertmanager's API is not at its url.",
            status=error.status,
            advice="Alertmanager 0.16 or newer is needed, and url needs the path that it is served "
            "under, if there is one.",
        ) from None


def may_silence(alertmanager: Alertmanager) -> bool:
    """Return whether the account may make silences; nothing is made. Raises CloudError.

    A silence without matchers is none. Whoever may make some is told that, and others are
    refused before.
    """
    try:
        alertmanager.ask("/api/v2/silences", msgspec.Raw, "asking for the right", body={})
    except CloudError as error:
        if error.status in (400, 422):
            return True
        if error.status in (401, 403):
            return False
        raise
    return True
