"""Who is in a group, and which roles bring others with them: what Keystone lists for one at a time,
or not as assignments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from accounts.cloud import not_there
from common.errors import CloudError
from query_api.wire.objects import Id
from query_api.wire.reading import Reading


class _Users(msgspec.Struct):
    users: list[Id]


class _Inference(msgspec.Struct):
    prior_role: Id
    implies: list[Id]


class _Inferences(msgspec.Struct):
    role_inferences: list[_Inference]


def members(reading: Reading, groups: Sequence[str]) -> Mapping[str, list[str]]:
    """Return the ids of the users in each group; one request a group.

    A group that is gone has none; one that could not be read is left out, which is said. Raises
    CloudError if none could be read.
    """

    def of(group: str) -> list[str]:
        try:
            answer: _Users = reading.one("identity", f"/groups/{group}/users", _Users)
        except CloudError as error:
            if not not_there(error):
                raise
            return []
        return [user.id for user in answer.users]

    where = f"members of groups of {reading.cloud.name}"
    return reading.answers(of, groups, lambda group: f"{where} ({group})")


def implying(reading: Reading, roles: Collection[str]) -> Mapping[str, str]:
    """Return by role id which of ``roles`` it is or, at first or at last, implies.

    One request. Raises CloudError.
    """
    answer: _Inferences = reading.one("identity", "/role_inferences", _Inferences)
    found = {role: role for role in roles}
    while True:
        more = {
            one.prior_role.id: found[implied.id]
            for one in answer.role_inferences
            for implied in one.implies
            if implied.id in found and one.prior_role.id not in found
        }
        if not more:
            return found
        found |= more
