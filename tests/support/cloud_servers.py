"""Which servers an answer of a cloud has to have, where others make and delete some meanwhile."""

from __future__ import annotations

from openstack.connection import Connection

from query_api.execution.answer import Answer


class Servers:
    """The servers that are there all the time, whatever others do in this cloud meanwhile."""

    def __init__(self, sdk: Connection) -> None:
        self._sdk = sdk
        self._before = self._now()

    def assert_whole(self, answer: Answer) -> None:
        """The answer has each of them once, and lacks nothing."""
        assert answer.reasons == []
        self.assert_in(answer)

    def assert_in(self, answer: Answer) -> None:
        found = answer.column("id")
        assert len(found) == len(set(found))
        assert self._before & self._now() <= set(found)

    def _now(self) -> set[str]:
        return {one.id for one in self._sdk.compute.servers(all_projects=True, details=False)}
