"""Since when servers have been off, or in ERROR, by their own actions.

``updated`` tells nothing of it: a lock, a new name or a changed tag renews it. What was asked of a
server, and whether it failed, Nova keeps for as long as the server is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from accounts.cloud import not_there
from common.errors import CloudError
from query_api.language.times import normal
from query_api.wire.narrowing import refuse_flood
from query_api.wire.objects import Action, Actions

if TYPE_CHECKING:
    from query_api.wire.reading import Reading

# The highest that gives all actions at once.
_ACTIONS = "2.57"
# After these a server runs: one that is off was stopped later.
_ON = frozenset(
    {"create", "start", "reboot", "restore", "resume", "unpause", "unrescue", "unshelve"}
)
# It leaves a server off since 2.95, and running before; one that was off stays so.
_MAYBE_OFF = "evacuate"
# What fails without breaking the server.
_HARMLESS = frozenset(
    {
        "start",
        "stop",
        "lock",
        "unlock",
        "live-migration",
        "live_migration_cancel",
        "live_migration_force_complete",
        "attach_interface",
        "detach_interface",
        "attach_volume",
        "detach_volume",
        "swap_volume",
        "extend_volume",
        "attach_share",
        "detach_share",
        "createImage",
        "createBackup",
        "changePassword",
        "trigger_crash_dump",
    }
)
# What succeeds also with a server that is in ERROR, and leaves it there.
_LEAVES_BROKEN = frozenset({"lock", "unlock", "detach_volume", "detach_interface"})


def actions(reading: Reading, servers: list[str]) -> Mapping[str, list[Action]]:
    """Return what was asked of each server, the newest first; one that is gone has nothing.

    One request a server. Raises CloudError if nothing could be read, UserError for too many.
    """
    asked = list(dict.fromkeys(servers))
    refuse_flood("what was done with servers is read for one of them at a time", len(asked))

    def done(server: str) -> list[Action]:
        path = f"/servers/{server}/os-instance-actions"
        try:
            answer: Actions = reading.one("compute", path, Actions, None, _ACTIONS)
        except CloudError as error:
            if not not_there(error):
                raise
            return []
        return answer.instanceActions

    where = f"server actions of {reading.cloud.name}"
    return reading.answers(done, asked, lambda server: f"{where} ({server})")


def off_since(known: Sequence[Action]) -> str | None:
    """Return since when a server that is SHUTOFF has been so; None if its actions do not tell.

    >>> off_since([Action("lock", "2026-03-01"), Action("stop", "2026-02-01")])
    '2026-02-01T00:00:00Z'
    """
    found = None
    for one in known:
        if one.failed:
            continue
        if one.action == "stop":
            return normal(one.start_time) if one.start_time else None
        if one.action == _MAYBE_OFF:
            found = one.start_time
        elif one.action in _ON:
            break
    return normal(found) if found else None


def error_since(known: Sequence[Action]) -> str | None:
    """Return since when a server that is in ERROR has been so: the first of what failed in a row.

    Later attempts that failed too do not restart the count. None if its actions do not tell.
    """
    found = None
    for one in known:
        if one.action == "resetState":
            # Somebody said so; or said that it was sound, and it has broken since.
            moment = found or one.start_time
            return normal(moment) if moment else None
        if one.failed and one.action not in _HARMLESS:
            found = one.start_time
        elif not one.failed and one.action not in _LEAVES_BROKEN:
            break
    return normal(found) if found else None
