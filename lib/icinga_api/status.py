"""What an Icinga says of itself, and what an account may do there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from accounts.icinga import Icinga
from common.errors import CloudError
from icinga_api.patterns import matches

#: What an account of the pack needs. With ``filter-expression`` Icinga narrows answers itself.
NEEDED = (
    "objects/query/Host",
    "objects/query/Service",
    "objects/query/Dependency",
    "objects/query/Downtime",
    "actions/schedule-downtime",
    "actions/remove-downtime",
)


class _Permission(msgspec.Struct):
    permission: str


class Status(msgspec.Struct):
    """Icinga's version, and the permissions of the account: patterns, as ``objects/query/*``."""

    version: str = ""
    permissions: list[str | _Permission] = []

    def lacking(self, needed: Iterable[str] = NEEDED) -> list[str]:
        """Return which permissions the account has not. Those for some objects only count too."""
        held = [one if isinstance(one, str) else one.permission for one in self.permissions]
        return [right for right in needed if not any(matches(one, right) for one in held)]


class _Answer(msgspec.Struct):
    results: list[Status]


def status(icinga: Icinga) -> Status:
    """Return what Icinga says of itself; one request. Raises CloudError."""
    answer = icinga.get("/v1", _Answer, "asking for its version")
    if not answer.results:
        raise CloudError(f"{icinga.who}: asking for its version: the answer is empty.")
    return answer.results[0]
