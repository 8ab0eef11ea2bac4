"""When the record of a migration is not believed any more, but the server itself."""

from __future__ import annotations

from query_api.lookups.compute_types import Migration

# After how long without any news in its record the server itself is looked at, and how often.
DOUBTED_AFTER, SERVER_LOOK = 15.0, 1.0
# How long a server must be seen settled beside a record that does not end to believe the server.
_BELIEVED_AFTER = 3.0
_NEVER = float("-inf")


class StaleRecordCheck:
    """When a record that does not end is doubted, and when the server is believed instead."""

    def __init__(self, since: float, after: float) -> None:
        """Doubt a record that has not changed for ``after`` seconds, from ``since`` on."""
        self._after, self._same_since = after, since
        self._seen: tuple[object, ...] = ()
        self._looked = self._settled_since = _NEVER

    def is_due(self, record: Migration, now: float) -> bool:
        """Whether the server itself is to be looked at."""
        seen = (record.id, record.status, record.updated_at)
        if seen != self._seen:
            self._seen, self._same_since, self._settled_since = seen, now, _NEVER
        return now - self._same_since >= self._after and now - self._looked >= SERVER_LOOK

    def is_believed(self, settled: bool, now: float) -> bool:
        """Whether the server has been seen settled for so long that it will stay so."""
        self._looked = now
        if not settled:
            self._settled_since = _NEVER
            return False
        if self._settled_since == _NEVER:
            self._settled_since = now
        return now - self._settled_since >= _BELIEVED_AFTER
