"""The steps that move servers and look whether they arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from accounts.cloud import Cloud
from migration.following import ON_ITS_WAY, Follower
from openstack_api import compute as change
from query_api.lookups import compute
from query_api.lookups.compute_types import Server
from waiting.things import SERVERS
from waiting.watching import watch
from workflow_api import Attempt, Begun, CloudError, StepFailed, clean, count, listed, step

Answer = TypeVar("Answer")
# Nova has a server arrive moments before or after it ends the record of its migration.
_ARRIVES_WITHIN = 30.0
_LOOK = 1.0
# So many are not worth listings of their own; they were changed within so many seconds.
_FEW, _LATELY = 3, 10.0
# For so long others that arrive at the same time are waited for: one listing shows them all.
_GATHERED = 0.5


def find_move(
    attempt: Attempt, cloud: Cloud, server: str, name: str, source: str, how: str
) -> dict[str, Any] | Begun | None:
    """Say what became of an earlier attempt: its result, None if it is not done, or StepFailed.

    The attempt noted the server's newest migration before it asked for one, so a newer record is
    its own. A cold migration that waits to be confirmed is begun: the server has moved, and its
    source still holds its place and its disk.
    """
    noted = attempt.notes.get("newest_migration")
    if noted is None:
        return None  # noted before the request is sent, so nothing was sent
    follow = Follower(attempt, cloud, server, name, source, how, noted)
    record, now = follow.record_if_any()
    if not follow.awaits_confirm(now):
        if record is None:
            return None if now.host == source else follow.moved(now.host, "found on")
        if found := follow.to_the_end(confirms=False):
            return found
    return Begun(f"it is off {source} and its migration waits to be confirmed", server=server)


def finish_move(
    attempt: Attempt, cloud: Cloud, server: str, name: str, source: str, how: str
) -> dict[str, Any] | None:
    """Confirm a cold migration whose run goes no further: the server is where it was sent.

    It is not reverted: that would stop the server once more, on the host that is to be left.
    """
    newest = attempt.notes["newest_migration"]
    return Follower(attempt, cloud, server, name, source, how, newest).to_the_end(confirms=True)


@step(
    "server.move",
    "{how}-migrate {name} ({size}) from {source}",
    key="{server}",
    find=find_move,
    finish=finish_move,
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
    follow = Follower(attempt, cloud, server, name, source, how)
    begun = False
    if how == "cold":
        # An earlier attempt can have got so far: under our claim nobody else can have.
        now = follow.server_now()
        begun = follow.awaits_confirm(now)
        if now.host != source and not begun and follow.is_settled(now):
            return follow.moved(now.host, "found on")
    if begun:
        follow.newer_than -= 1
    attempt.note(newest_migration=follow.newer_than)
    try:
        if how == "live":
            change.live_migrate(cloud, server, target)
        elif not begun:
            change.cold_migrate(cloud, server, target)
    except CloudError as refused:
        follow.raise_if_on_its_way(refused)
        raise
    return follow.to_the_end(confirms=True)


@step("server.verify_arrived", "check that what was moved arrived well", changes=False)
def verify_arrived(
    attempt: Attempt, cloud: Cloud, servers: dict[str, str], source: str | None = None
) -> dict[str, Any]:
    """Fail if any of the servers (names by id) is in ERROR, or is not off the host ``source``.

    The records of their migrations said that they are done; this asks the servers themselves: many
    with one listing of each kind, a few together with all who wait for servers of the cloud.
    """
    if len(servers) <= _FEW:
        broken, absent = _of_few(attempt, cloud, source, servers)
    else:
        failed = _patiently(attempt, lambda: compute.servers(cloud, status="ERROR"))
        broken = [one for one in failed if one.id in servers]
        absent = _not_arrived(attempt, cloud, source, servers) if source else []
    wrong = [
        f"{servers[server.id]} is in ERROR on {clean(server.host or '')}"
        + (f" ({clean(server.fault.message)})" if server.fault else "")
        for server in broken
        if server.status == "ERROR"
    ]
    for server in absent:
        state = f"{server.status}, {server.task_state}" if server.task_state else server.status
        there = clean(server.host or "no host")
        where = f"still on {source}" if server.host == source else f"not settled on {there}"
        wrong.append(
            f"{servers[server.id]} is {where} ({state}), though its migration is said to be "
            "completed"
        )
    if wrong:
        raise StepFailed(f"Not all arrived well: {listed(sorted(wrong))}.")
    return {"said": f"{count(len(servers), 'server')} looked at"}


def _of_few(
    attempt: Attempt, cloud: Cloud, source: str | None, servers: dict[str, str]
) -> tuple[list[Server], list[Server]]:
    """Return those in ERROR, and those that have not arrived after a while to do so."""
    broken, absent = [], []
    together, since = watch(cloud, SERVERS), time.time() - _LATELY
    until = time.monotonic() + _ARRIVES_WITHIN

    def seen(id: str, seconds: float) -> Any:
        return _patiently(attempt, lambda: together.after(attempt, id, seconds, since))[0]

    for id in servers:
        now = seen(id, _GATHERED)
        while _is_absent(now, source) and _moves(now) and time.monotonic() < until:
            now = seen(id, _LOOK)
        if now is not None and now.status == "ERROR":
            broken.append(now)
        elif _is_absent(now, source):
            absent.append(now)
    return broken, absent


def _patiently(attempt: Attempt, look: Callable[[], Answer]) -> Answer:
    """Return what a look says, however often the cloud does not answer for a while.

    The servers are moved: that the run fails for want of an answer would be no help to anybody.
    """
    until = time.monotonic() + _ARRIVES_WITHIN
    while True:
        try:
            return look()
        except CloudError as error:
            if not error.may_pass or time.monotonic() >= until:
                raise
        attempt.wait(_LOOK)


def _is_absent(server: Server | None, source: str | None) -> bool:
    """Return whether a server has not come to another host. One that is gone is nobody's care."""
    if server is None or source is None or server.status == "ERROR":
        return False
    return server.host == source or server.status in ON_ITS_WAY


def _moves(server: Server) -> bool:
    return bool(server.task_state) or server.status in ON_ITS_WAY


def _not_arrived(
    attempt: Attempt, cloud: Cloud, source: str, servers: dict[str, str]
) -> list[Server]:
    """Return those that the host still has, or that still migrate, after a while to arrive."""
    until = time.monotonic() + _ARRIVES_WITHIN
    while True:
        # One whose host was changed and whose task was not ended is MIGRATING on its target.
        seen = [
            *_patiently(attempt, lambda: compute.servers(cloud, host=source)),
            *_patiently(attempt, lambda: compute.servers(cloud, status="MIGRATING")),
        ]
        found = {
            server.id: server
            for server in seen
            if server.id in servers and _is_absent(server, source)
        }
        moving = [server for server in found.values() if _moves(server)]
        if not moving or time.monotonic() >= until:
            return list(found.values())
        attempt.wait(_LOOK)
