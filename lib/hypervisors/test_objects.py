"""What one test of a hypervisor has made: found by its marks, and deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from accounts.cloud import Cloud, not_there
from keeping.marks import marks_of
from openstack_api import compute as change
from openstack_api import volume as change_volume
from query_api.execution.query import query
from query_api.lookups import attachments, things
from query_api.lookups.things import Thing
from workflow_api import Attempt, CloudError, StepFailed, humanize, listed

Seen = TypeVar("Seen")
# How often is looked at first, and at most, while something takes its time.
_SOON, _LATER = 0.5, 5.0
_DELETE = {"server": change.delete_server_for_good, "volume": change_volume.delete_volume}
# States of a volume that pass; a server that is deleted in between can leave the volume attached.
_PASSING = ("creating", "attaching", "detaching", "reserved")
# And in which Cinder deletes none. So long is waited until Nova gives a volume up with its server.
_HELD = (*_PASSING, "in-use")
_GIVEN_UP_WITHIN = 20.0


class MarkedObjects:
    """The servers and volumes that carry the marks of a step; ``within`` is in seconds."""

    def __init__(
        self,
        attempt: Attempt,
        cloud: Cloud,
        maker: Cloud,
        kinds: Sequence[str],
        within: float,
    ) -> None:
        self._attempt, self._cloud, self._maker = attempt, cloud, maker
        self._kinds, self._within = kinds, within
        self.name = f"openstack-ops-test-{attempt.run[:8]}"
        self.marks = marks_of(attempt.run, attempt.key)

    def left(self) -> list[Thing]:
        """Return what is there, in a request for each kind."""
        return [thing for kind in self._kinds for thing in self._marked(kind)]

    def clear_away(self) -> None:
        """Delete all of it, and wait until it is gone; raises StepFailed with what is not."""
        with suppress(StepFailed):
            self.until(partial(self._is_none, _PASSING), "a volume is busy", _GIVEN_UP_WITHIN)
        for kind in self._kinds:
            if kind == "volume":
                self._free_volumes()
            for thing in self._marked(kind):
                if thing.status != "deleting":  # by an earlier attempt; Cinder refuses another
                    self._delete(thing)
            self._wait_gone(kind)

    def until(self, read: Callable[[], Seen], why: str, within: float | None = None) -> Seen:
        """Return what a look says once that is something; raises StepFailed with why it is not."""
        begun, most = time.monotonic(), within or self._within
        while not (found := read()):
            waited = time.monotonic() - begun
            if waited > most:
                raise StepFailed(f"{why} after {humanize(most)}")
            self._attempt.wait(min(_LATER, _SOON + waited / 20))
        return found

    def _free_volumes(self) -> None:
        """Wait until no server has them; an attachment that outlives its server is deleted."""
        try:
            self.until(partial(self._is_none, _HELD), "a volume is held", _GIVEN_UP_WITHIN)
        except StepFailed:
            for volume in self._marked("volume"):
                for record in attachments.records(self._cloud, volume.id):
                    change_volume.delete_attachment(self._cloud, record.id)
            self.until(partial(self._is_none, _HELD), "a volume of the test is held")

    def _is_none(self, states: Sequence[str]) -> bool:
        if "volume" not in self._kinds:
            return True
        return not any(volume.status in states for volume in self._marked("volume"))

    def _delete(self, thing: Thing) -> None:
        try:
            _DELETE[thing.kind](self._maker, thing.id)
        except CloudError as error:
            if not not_there(error):
                raise

    def _wait_gone(self, kind: str) -> None:
        try:
            self.until(lambda: not self._marked(kind), f"{kind} {self.name} is not gone")
        except StepFailed:
            ids = listed(thing.id for thing in self._marked(kind))
            raise StepFailed(f"Not deleted: {kind} {ids}.") from None

    def _marked(self, kind: str) -> list[Thing]:
        asked = query(kind).where("name", "equal_to", self.name)
        return [
            thing
            for thing in things.of_query(self._cloud, asked)
            if self.marks.items() <= dict(thing.metadata or {}).items()
            and thing.status != "DELETED"
        ]
