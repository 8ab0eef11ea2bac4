"""Following migrations by their own records: one listing serves all that are in flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from query_api.lookups import compute
from query_api.lookups.compute_types import Migration

# How long after the last start the records are asked for how often, in seconds.
_PACE = ((20.0, 1.0), (120.0, 2.0), (float("inf"), 5.0))
# A service that is slow to answer is asked less often: a pause is this often the time it took.
_PATIENCE = 2.0
# A listing this young still tells the newest record of a server that is claimed by this run.
_FRESH = 1.0
# More than are in flight off one host; a record that newer ones pushed out is asked for by server.
_NEWEST = 50


class _Listing(msgspec.Struct):
    """The newest records of a host, by server, and when they were asked for.

    ``oldest`` is the smallest id in it: whatever is newer stands in it too. It is 0 if the
    listing is the whole. ``error`` says why there are none: it is shared like the records are.
    """

    asked: float = float("-inf")
    by_server: dict[str, list[Migration]] = msgspec.field(default_factory=dict)
    oldest: int = 0
    error: CloudError | None = None


class MigrationWatch:
    """The newest migration records off one host, asked for once for everybody who waits."""

    def __init__(self, cloud: Cloud, host: str) -> None:
        self.cloud, self.host = cloud, host
        self._lock = threading.Lock()
        self._listing = _Listing()
        self._due = 0.0
        self._started = time.monotonic()

    def newest_id(self, server: str) -> int:
        """Return an id that no record of the server exceeds yet: its newest, or 0 if it has none.

        Asked before a migration is requested: the record of that request is the newer one.
        Clocks are never compared.
        """
        now = time.monotonic()
        listing = self._not_older_than(now if self._listing.error else now - _FRESH)
        if listing.error:
            raise listing.error
        self._started = now
        self._due = min(self._due, now + self._pace())
        # A server that is not in the listing can only have older records, if it has any.
        records = listing.by_server.get(server, [])
        return max((record.id for record in records), default=listing.oldest)

    def next_look(
        self, server: str, newer_than: int, wait: Callable[[float], None]
    ) -> Migration | None:
        """Wait for the next look at the records; return the server's one newer than that id.

        None if there is none yet or the cloud did not answer this time. ``wait(seconds)`` sleeps
        and may raise. Raises CloudError if the cloud will not answer at all (no rights).
        """
        due = self._due
        wait(max(0.0, due - time.monotonic()))
        listing = self._not_older_than(due)
        if error := listing.error:
            if not error.may_pass:
                raise error
            return None
        records = listing.by_server.get(server, [])
        newer = [record for record in records if record.id > newer_than]
        if not newer and listing.oldest > newer_than:
            found = compute.migrations(self.cloud, limit=1, instance_uuid=server)
            newer = [record for record in found if record.id > newer_than]
        return max(newer, key=lambda record: record.id, default=None)

    def _not_older_than(self, moment: float) -> _Listing:
        with self._lock:
            if self._listing.asked < moment or self._listing.asked == float("-inf"):
                asked = time.monotonic()
                self._listing = self._listed(asked)
                answered = time.monotonic()
                self._due = answered + max(self._pace(), _PATIENCE * (answered - asked))
            return self._listing

    def _listed(self, asked: float) -> _Listing:
        try:
            records = compute.migrations(self.cloud, host=self.host, limit=_NEWEST)
        except CloudError as error:
            return _Listing(asked, error=error)
        by_server: dict[str, list[Migration]] = {}
        for record in records:
            by_server.setdefault(record.instance_uuid, []).append(record)
        whole = len(records) < _NEWEST
        oldest = 0 if whole else min(record.id for record in records)
        return _Listing(asked, by_server, oldest)

    def _pace(self) -> float:
        age = time.monotonic() - self._started
        return next(pause for until, pause in _PACE if age <= until)


class Watches:
    """The watches of one cloud, one a host; shared by all threads of a run."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._lock = cloud, threading.Lock()
        self._watches: dict[str, MigrationWatch] = {}

    def off(self, host: str) -> MigrationWatch:
        """Return the watch of migrations off ``host``."""
        with self._lock:
            return self._watches.setdefault(host, MigrationWatch(self._cloud, host))
