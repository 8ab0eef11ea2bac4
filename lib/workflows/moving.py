"""The step that moves one server, and how its own migration record is followed."""

from __future__ import annotations

import time
from typing import Any

from accounts.cloud import Cloud, not_there
from openstack_api import compute as change
from query_api import compute
from query_api.compute_types import Migration, Server
from query_api.migration_watch import MigrationWatch, Watches
from workflow_api import (
    Attempt,
    CloudError,
    StepFailed,
    UnknownOutcome,
    UserError,
    clean,
    count,
    humanize,
    listed,
    step,
)

# What os-migrations says when it is over (Nova's own words).
_DONE = frozenset({"completed", "done", "confirmed"})
_FAILED = frozenset({"error", "failed", "cancelled", "reverted"})
_AWAITS_CONFIRM = frozenset({"finished"})
# Nova writes the record within moments of accepting the request.
_RECORD_WITHIN = 60.0
# How long a server must have been idle before it is believed that a lost request never arrived.
_ABSENT_AFTER = 3.0
# How often the compute service behind a migration under way is looked at.
_SERVICE_LOOK = 10.0
_CONFLICT = 409
_ON_ITS_WAY = ("MIGRATING", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE")


def find_move(
    attempt: Attempt, cloud: Cloud, server: str, name: str, source: str, how: str
) -> dict[str, Any] | None:
    """Say what became of an earlier attempt: its result, None if it is not done, or StepFailed.

    The attempt noted the server's newest migration before it asked for one, so a newer record is
    its own. A cold migration that waits to be confirmed is not done: the step goes on from there.
    """
    noted = attempt.notes.get("newest_migration")
    if noted is None:
        return None  # noted before the request is sent, so nothing was sent
    follow = _Follower(attempt, cloud, server, name, source, how, noted)
    record, now = follow.record_if_any()
    if follow.awaits_confirm(now):
        return None
    if record is None:
        return None if now.host == source else follow.moved(now.host, "found on")
    return follow.to_the_end(confirms=False)


@step(
    "{how}-migrate {name} ({size}) from {source}",
    key="{server}",
    find=find_move,
)
def move_server(
    attempt: Attempt,
    cloud: Cloud,
    server: str,
    name: str,
    size: str,
    source: str,
    how: str,
    target: str | None = None,
) -> dict[str, Any] | None:
    """Move one server and follow the migration of this very request by its own record."""
    follow = _Follower(attempt, cloud, server, name, source, how)
    # An earlier attempt can have got so far: under our claim nobody else can have.
    moved_but_unconfirmed = how == "cold" and follow.awaits_confirm(follow.server_now())
    if moved_but_unconfirmed:
        follow.newer_than -= 1
    attempt.note(newest_migration=follow.newer_than)
    try:
        if how == "live":
            change.live_migrate(cloud, server, target)
        elif not moved_but_unconfirmed:
            change.cold_migrate(cloud, server, target)
    except CloudError as refused:
        follow.raise_if_on_its_way(refused)
        raise
    return follow.to_the_end(confirms=True)


@step("check that what was moved arrived well", changes=False)
def verify_arrived(cloud: Cloud, servers: dict[str, str]) -> dict[str, Any]:
    """Fail if any of the servers (names by id) is in ERROR now; one listing tells for all."""
    broken = [
        f"{servers[server.id]} on {server.host}"
        + (f" ({clean(server.fault.message)})" if server.fault else "")
        for server in compute.servers(cloud, status="ERROR")
        if server.id in servers and server.status == "ERROR"
    ]
    if broken:
        raise StepFailed(f"In ERROR now: {listed(sorted(broken))}.")
    return {"said": f"{count(len(servers), 'server')} looked at"}


class _Follower:
    """Follows the one migration of a server that is newer than a noted id."""

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
        self.newer_than = self.watch.newest_id(server) if newer_than is None else newer_than
        timeouts = cloud.config.limits.timeouts
        self.seconds = timeouts.live_migration if how == "live" else timeouts.cold_migration
        self.started = self._looked_at_service = time.monotonic()

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
            elif record.status in _AWAITS_CONFIRM and not confirming:
                confirming = self.awaits_confirm(self._patiently())
                if confirming and not confirms:
                    return None
                if confirming:
                    self._confirm()
            self._bounded(record)

    def raise_if_on_its_way(self, refused: CloudError) -> None:
        """Raise UnknownOutcome if Nova refused the request because the server is moved already.

        An earlier request of ours, given up when no answer came, can arrive after all: what
        becomes of it is looked up.
        """
        if refused.status != _CONFLICT:
            return
        now = self._patiently()
        if now is None or now.task_state or now.status in _ON_ITS_WAY or now.host != self.source:
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
            if now.task_state or now.status in ("MIGRATING", "RESIZE"):
                idle_since = time.monotonic()
            if time.monotonic() - idle_since >= _ABSENT_AFTER:
                return None, now
            self.attempt.wait(_ABSENT_AFTER / 3)

    def _arrived(self, record: Migration) -> dict[str, Any] | None:
        """Return the result once the server is settled on another host.

        Nova ends the record of a live migration only after the destination has saved the server
        (nova/compute/manager.py, _post_live_migration), so the server is not asked for it; whether
        it arrived well is checked for all at once at the end of the plan.
        """
        if self.how == "live" and record.dest_compute not in (None, self.source):
            return self.moved(record.dest_compute, "now on")
        now = self._patiently()
        if now is None or now.task_state or now.status in _ON_ITS_WAY or now.host == self.source:
            return None
        if now.status == "ERROR":
            why = f": {clean(now.fault.message)}" if now.fault else ""
            raise StepFailed(f"It is on {now.host} now, in ERROR{why}")
        return self.moved(now.host, "now on")

    def moved(self, host: str | None, found: str) -> dict[str, Any]:
        """Return the step's result for a server that is on ``host``."""
        return {
            "server": self.server,
            "name": self.name,
            "from": self.source,
            "to": host,
            "how": self.how,
            "took": round(time.monotonic() - self.started, 1),
            "said": f"{found} {clean(host or '')}",
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
            if error.status is not None and error.status < 500 and error.status != 429:
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
        if now - self._looked_at_service < _SERVICE_LOOK:
            return
        self._looked_at_service = now
        try:
            hosts = {h.service.host: h for h in compute.hypervisors(self.cloud)}
        except CloudError:
            return
        involved = [self.source, record.dest_compute if record else None]
        down = [h for h in involved if h in hosts and hosts[h].state != "up"]
        if down:
            raise UnknownOutcome(
                f"nova-compute on {' and '.join(map(str, down))} went down while it was moved: "
                f"{where}. It goes on, or fails, when that service is back."
            )

    def _why(self, record: Migration) -> str:
        said = compute.last_fault(self.cloud, self.server)
        target = f" to {record.dest_compute}" if record.dest_compute else ""
        why = f": {said}" if said else ""
        return f"Nova ended the migration{target} as {record.status!r}{why}."
