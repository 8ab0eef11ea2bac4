"""Nova's simple actions on servers of a fake cloud, by its API reference: accepted in which states,
which task while they last, and where they lead."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from support.fake_cloud_estate import Json, Server
from support.fake_cloud_http import Answer

#: When what is recorded began and ended, unless a test says otherwise.
BEGUN, ENDED = "2026-01-01T10:00:00.000000", "2026-01-01T10:00:05.000000"


@dataclass
class Power:
    """How the next action on a server goes: how long it takes, and whether Nova gives it up.

    ``ends`` is the status at the end, where it is not the usual one; without ``seconds`` it never
    ends. ``task`` is False if nova-compute drops it without a word.
    """

    seconds: float | None = 0.2
    ends: str = ""
    fault: str = ""
    task: bool = True


@dataclass(frozen=True)
class _Kind:
    """An action: the server stays as it is where there is no task and no end."""

    accepted: frozenset[str]
    task: str = ""
    ends: str = ""


_SHELVES = {"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"}
_REBOOTS = {"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR"}
_FIXABLE = {"ACTIVE", "SHUTOFF", "ERROR"}
_DUMPS = {"ACTIVE", "PAUSED", "RESCUE", "VERIFY_RESIZE", "ERROR"}
_KINDS = {
    "os-start": _Kind(frozenset({"SHUTOFF"}), "powering-on", "ACTIVE"),
    "os-stop": _Kind(frozenset({"ACTIVE", "ERROR"}), "powering-off", "SHUTOFF"),
    "reboot:SOFT": _Kind(frozenset({"ACTIVE"}), "rebooting", "ACTIVE"),
    "reboot:HARD": _Kind(frozenset(_REBOOTS), "rebooting_hard", "ACTIVE"),
    "pause": _Kind(frozenset({"ACTIVE"}), "pausing", "PAUSED"),
    "unpause": _Kind(frozenset({"PAUSED"}), "unpausing", "ACTIVE"),
    "suspend": _Kind(frozenset({"ACTIVE"}), "suspending", "SUSPENDED"),
    "resume": _Kind(frozenset({"SUSPENDED"}), "resuming", "ACTIVE"),
    "shelve": _Kind(frozenset(_SHELVES), "shelving", "SHELVED_OFFLOADED"),
    "unshelve": _Kind(frozenset({"SHELVED", "SHELVED_OFFLOADED"}), "unshelving", "ACTIVE"),
    "rescue": _Kind(frozenset(_FIXABLE), "rescuing", "RESCUE"),
    "unrescue": _Kind(frozenset({"RESCUE"}), "unrescuing", "ACTIVE"),
    "rebuild": _Kind(frozenset(_FIXABLE), "rebuilding", "ACTIVE"),
    "trigger_crash_dump": _Kind(frozenset(_DUMPS)),
}
_AT_ONCE = {"lock": True, "unlock": False}
_CALLED = {"active": "ACTIVE", "error": "ERROR"}


class FakePower:
    """The actions of a fake Nova that are one request and a wait."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        #: How the next action on a server goes, by the server's id.
        self.courses: dict[str, Power] = {}
        #: What Nova recorded of each server, newest first.
        self.records: dict[str, list[Json]] = {}
        #: When each server was changed last, in seconds since 1970.
        self.changed: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._ends: list[tuple[float, Server, str, str, Json]] = []

    def knows(self, name: str) -> bool:
        """Return whether an action is one of these."""
        return name in _AT_ONCE or name in ("reboot", "os-resetState") or name in _KINDS

    def record(self, server: Server, action: str, *, begun: str = BEGUN, over: bool = True) -> Json:
        """Record a request as Nova does, by user-1, and return its record.

        ``begun`` is when; unless it is ``over`` its one event is under way.
        """
        event: Json = {"event": f"compute_{action}", "start_time": begun, "finish_time": None}
        record: Json = {
            "action": action,
            "request_id": f"req-{next(self._numbers)}",
            "instance_uuid": server.id,
            "start_time": begun,
            "user_id": "user-1",
            "project_id": server.project,
            "message": None,
            "events": [{**event, "result": None, "host": server.host}],
        }
        self.records.setdefault(server.id, []).insert(0, record)
        if over:
            self.finish(record)
        return record

    def moment(self) -> str:
        """Return the present time as Nova writes it."""
        return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"

    def finish(self, record: Json, fault: str = "") -> None:
        """Have the one event of a record be over, with an error if it has a ``fault``."""
        (event,) = record["events"]
        event |= {"finish_time": ENDED, "result": "Error" if fault else "Success"}
        if fault:
            event["details"], record["message"] = fault, "Error"

    def touch(self, server: Server) -> None:
        """Remember that a server has changed now."""
        self.changed[server.id] = time.time()

    def act(self, server: Server, name: str, given: Json) -> Answer:
        """Obey an action, or refuse it as Nova does."""
        self.touch(server)
        if name in _AT_ONCE:
            server.locked = _AT_ONCE[name]
            server.locked_reason = given.get("locked_reason", "") if server.locked else ""
            return Answer(status=202)
        if name == "os-resetState":
            server.status, server.task = _CALLED[given["state"]], None
            return Answer(status=202)
        kind = _KINDS[f"reboot:{given['type']}" if name == "reboot" else name]
        may_interrupt = name == "reboot" and given["type"] == "HARD"
        if server.status not in kind.accepted or (server.task and not may_interrupt):
            state = f"vm_state {server.status}, task_state {server.task}"
            said = f"Cannot '{name}' instance {server.id} while it is in {state}"
            return Answer({"conflictingRequest": {"message": said, "code": 409}}, 409)
        course = self.courses.pop(server.id, Power())
        action = name.removeprefix("os-")
        record = self.record(server, action, begun=self.moment(), over=not kind.task)
        if not kind.task:
            return Answer(status=202)
        self._ends = [end for end in self._ends if end[1] is not server]
        server.task = kind.task if course.task else None
        if course.seconds is not None and course.task:
            due = self._now() + course.seconds
            self._ends.append((due, server, course.ends or kind.ends, course.fault, record))
        if name == "rebuild":
            return Answer({"server": server.as_json((2, 96)), "adminPass": "never told"}, 202)
        return Answer(status=202)

    def advance(self) -> None:
        """Bring to an end what has taken its time."""
        for end in [end for end in self._ends if end[0] <= self._now()]:
            self._ends.remove(end)
            _, server, server.status, server.fault, record = end
            server.task = None
            self.touch(server)
            self.finish(record, server.fault)
