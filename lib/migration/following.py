"""Following the migration of one server to its end, by its own record and by the server itself."""

from __future__ import annotations

import time
from typing import Any

from accounts.cloud import Cloud, not_there
from migration.stale_records import DOUBTED_AFTER, SERVER_LOOK, StaleRecordCheck
from openstack_api import compute as change
from query_api.lookups import compute, server_actions
from query_api.lookups.compute_types import UNCONFIRMED, Migration, Server
from query_api.lookups.migration_watch import MigrationWatch, Watches
from workflow_api import (
    Attempt,
    CloudError,
    StepFailed,
    UnknownOutcome,
    UserError,
    clean,
    humanize,
)

# What os-migrations says when it is over (Nova's own words).
_DONE = frozenset({"completed", "done", "confirmed"})
_FAILED = frozenset({"error", "failed", "cancelled", "reverted"})
# Nova writes the record within moments of accepting the request.
_RECORD_WITHIN = 60.0
# How long a server must have been idle before it is believed that a lost request never arrived.
_ABSENT_AFTER = 3.0
# How often the compute services behind a migration under way are looked at.
_SERVICE_LOOK = 10.0
# How often a look-up tells what it sees.
_TOLD_EVERY = 5.0
_CONFLICT = 409
ON_ITS_WAY = ("MIGRATING", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE")


class Follower:
    """Follows the one migration of a server that is newer than a noted id.

    With ``newer_than`` it is one that an earlier attempt asked for, which is looked up.
    """

    def __init__(
        self,
        attempt: Attempt,
        cloud: Cloud,
        server: str,
        name: str,
        source: str,
        how: str,
        newer_than: int | None = None,
    ) -> None:
        self.attempt, self.cloud, self.server = attempt, cloud, server
        self.name, self.source, self.how = name, source, how
        self.watch: MigrationWatch = cloud.shared(Watches).off(source)
        self.looks_up = newer_than is not None
        self.newer_than = self.watch.newest_id(server) if newer_than is None else newer_than
        timeouts = cloud.config.limits.timeouts
        self.seconds = timeouts.live_migration if how == "live" else timeouts.cold_migration
        self.started = time.monotonic()
        self._looked_at_services = self.started - (_SERVICE_LOOK - SERVER_LOOK) * self.looks_up
        self._told = self.started - _TOLD_EVERY
        self._stale_record = StaleRecordCheck(self.started, 0.0 if self.looks_up else DOUBTED_AFTER)

    def to_the_end(self, *, confirms: bool) -> dict[str, Any] | None:
        """Follow until the server is settled elsewhere, and confirm a cold migration.

        Without ``confirms`` the answer is None as soon as one waits for its confirmation. Raises
        StepFailed if the migration failed, UnknownOutcome if it does not end in time or the cloud
        will not tell of it.
        """
        try:
            return self._followed(confirms)
        except (CloudError, UserError) as error:
            # The request was accepted, whatever those are answered who ask what became of it.
            raise UnknownOutcome(f"It cannot be followed: {error}") from None

    def _followed(self, confirms: bool) -> dict[str, Any] | None:
        confirming = False
        while True:
            record = self.watch.next_look(self.server, self.newer_than, self.attempt.wait)
            if record is None:
                self._expect_record()
            elif record.status in _FAILED:
                raise StepFailed(self._why(record))
            elif record.status in _DONE:
                if found := self._arrived(record):
                    return found
            elif record.status == UNCONFIRMED and not confirming:
                confirming = self.awaits_confirm(self._patiently())
                if confirming and not confirms:
                    return None
                if confirming:
                    self._confirm()
            elif found := self._settled_beside(record):
                return found
            self._bounded(record)

    def raise_if_on_its_way(self, refused: CloudError) -> None:
        """Raise UnknownOutcome if Nova refused the request because the server is moved already.

        An earlier request of ours, given up when no answer came, can arrive after all: what
        becomes of it is looked up.
        """
        if refused.status != _CONFLICT:
            return
        now = self._patiently()
        if now is None or now.task_state or now.status in ON_ITS_WAY or now.host != self.source:
            raise UnknownOutcome(f"It may be on its way already: {refused}") from None

    def awaits_confirm(self, now: Server | None) -> bool:
        """Whether a cold migration of the server is done but for its confirmation."""
        return now is not None and now.status == "VERIFY_RESIZE" and now.host != self.source

    def server_now(self) -> Server:
        """Return the server; raises StepFailed if it was deleted meanwhile."""
        try:
            return compute.server(self.cloud, self.server)
        except CloudError as error:
            if not_there(error):
                raise StepFailed("The server was deleted meanwhile.") from None
            raise

    def record_if_any(self) -> tuple[Migration | None, Server]:
        """Return the record newer than the noted one, and the server, once that can be said.

        A request whose answer was lost can still be on its way into Nova: that there is no
        record is believed when the server has been idle for a while.
        """
        idle_since = time.monotonic()
        while True:
            now = self.server_now()
            found = compute.migrations(self.cloud, limit=1, instance_uuid=self.server)
            if found and found[0].id > self.newer_than:
                return found[0], now
            self._tell(None, now)
            if now.task_state or now.status in ("MIGRATING", "RESIZE"):
                idle_since = time.monotonic()
            if time.monotonic() - self.started > self.seconds:
                raise UnknownOutcome(f"It has been {_seen(now)} for {self.seconds}.")
            if time.monotonic() - idle_since >= _ABSENT_AFTER:
                return None, now
            self.attempt.wait(_ABSENT_AFTER / 3)

    def is_settled(self, now: Server | None) -> bool:
        """Whether Nova does nothing about the server just now, and waits for nothing."""
        return now is not None and now.task_state is None and now.status not in ON_ITS_WAY

    def _settled_beside(self, record: Migration) -> dict[str, Any] | None:
        """Return the result if the server has long arrived and only its record does not end.

        Nova leaves a record as it is for good if the compute service of the source died just when
        the server changed its host. What the server is then is what the migration came to, once
        the services are up again; StepFailed says that it is back where it was.
        """
        moment = time.monotonic()
        if not self._stale_record.is_due(record, moment):
            return None
        now = self._patiently()
        if now is None or not self._stale_record.is_believed(self.is_settled(now), moment):
            self._tell(record, now)
            return None
        if self._down(record) != []:
            return None
        said = f"Nova left its migration {record.id} at {record.status!r}"
        if now.host == self.source:
            raise StepFailed(f"{said}, and it is {_seen(now)}.")
        if now.status == "ERROR":
            raise StepFailed(f"{said}, and it is {_seen(now)}: {_fault(now)}")
        return self.moved(now.host, "found on", f" ({said})")

    def _tell(self, record: Migration | None, now: Server | None) -> None:
        """Say every few seconds what a look-up sees, so that nobody waits without a word."""
        moment = time.monotonic()
        if not self.looks_up or now is None or moment - self._told < _TOLD_EVERY:
            return
        self._told = moment
        where = f"its migration is at {record.status!r}" if record else "no migration is seen yet"
        self.attempt.say(f"looking at {self.name}: {where}, and it is {_seen(now)}")

    def _arrived(self, record: Migration) -> dict[str, Any] | None:
        """Return the result once the server is settled on another host.

        Nova ends the record of a live migration only after the destination has saved the server
        (nova/compute/manager.py, _post_live_migration), so the server is not asked for it; whether
        it arrived well is checked for all at once at the end of the plan.
        """
        if self.how == "live" and record.dest_compute not in (None, self.source):
            return self.moved(record.dest_compute, "now on")
        now = self._patiently()
        if now is None or now.task_state or now.status in ON_ITS_WAY or now.host == self.source:
            return None
        if now.status == "ERROR":
            raise StepFailed(f"It is on {clean(now.host or '')} now, in ERROR: {_fault(now)}")
        return self.moved(now.host, "now on")

    def moved(self, host: str | None, found: str, but: str = "") -> dict[str, Any]:
        """Return the step's result for a server that is on ``host``."""
        return {
            "server": self.server,
            "name": self.name,
            "from": self.source,
            "to": host,
            "how": self.how,
            "took": round(time.monotonic() - self.started, 1),
            "said": f"{found} {clean(host or '')}{but}",
        }

    def _confirm(self) -> None:
        try:
            change.confirm_migration(self.cloud, self.server)
        except CloudError as error:
            # Nova may have confirmed it by itself (resize_confirm_window): its record tells.
            if error.status not in (400, 409):
                raise

    def _patiently(self) -> Server | None:
        """Return the server, or None while the cloud cannot say."""
        try:
            return self.server_now()
        except CloudError as error:
            if not error.may_pass:
                raise
            return None

    def _expect_record(self) -> None:
        if time.monotonic() - self.started < _RECORD_WITHIN:
            return
        now = self._patiently()
        if now is not None and now.task_state is None and now.host == self.source:
            raise StepFailed(
                f"Nova accepted the request and began no migration within "
                f"{humanize(_RECORD_WITHIN)}; the server is still on {self.source}."
            )

    def _bounded(self, record: Migration | None) -> None:
        """Raise UnknownOutcome if it takes too long, or if the host that works on it is down."""
        now = time.monotonic()
        where = f"its migration is at {record.status!r}" if record else "no record of it was found"
        if now - self.started > self.seconds:
            raise UnknownOutcome(f"It has not ended within {self.seconds}: {where}.")
        if now - self._looked_at_services < _SERVICE_LOOK:
            return
        self._looked_at_services = now
        down = self._down(record)
        if down:
            raise UnknownOutcome(
                f"nova-compute on {' and '.join(down)} went down while it was moved: "
                f"{where}. It goes on, or fails, when that service is back."
            )

    def _down(self, record: Migration | None) -> list[str] | None:
        """Return which of the compute services that work on it are not up; None if untold."""
        try:
            up = {h.service.host: h.state == "up" for h in compute.hypervisors(self.cloud)}
        except CloudError:
            return None
        return [host for host in self._involved(record) if host and not up.get(host, True)]

    def _involved(self, record: Migration | None) -> list[str | None]:
        """Return the compute hosts that work on it, as far as they are known."""
        return [self.source, record.dest_compute if record else None]

    def _why(self, record: Migration) -> str:
        said = server_actions.last_fault(self.cloud, self.server)
        target = f" to {record.dest_compute}" if record.dest_compute else ""
        why = f": {said}" if said else ""
        return f"Nova ended the migration{target} as {record.status!r}{why}."


def _seen(now: Server) -> str:
    task = f", {now.task_state}" if now.task_state else ""
    return f"{now.status} on {clean(now.host or 'no host')}{task}"


def _fault(now: Server) -> str:
    return clean(now.fault.message) if now.fault else "Nova does not say why"
