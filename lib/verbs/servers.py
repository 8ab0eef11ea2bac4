"""The verbs of servers, each with the states in which Nova accepts it (see its API reference)."""

from __future__ import annotations

from typing import Any, Literal

from accounts.config import PackConfig
from openstack_api import compute as change
from protection.marks import protected
from query_api.lookups import compute, server_actions
from query_api.lookups.compute_types import Server
from verbs.verb import Subject, Verb, states
from waiting.things import SERVERS
from workflow_api import Duration, ParameterGroup
from workflow_api.parameters import ServerName

_LOCKED = "it is locked: unlock it first if its owner agrees"


def _kept(server: Server, config: PackConfig, verb: Verb) -> str:
    if not verb.disturbs:
        return ""
    mark = protected(server.tags, server.metadata, config.protected)
    return "; ".join(filter(None, [_LOCKED if server.locked else "", mark]))


class AboutServer(ParameterGroup, frozen=True, kw_only=True):
    """The server that a verb is about."""

    server: ServerName


SERVER = Subject(
    name="server",
    about=AboutServer,
    find=compute.find_server,
    look=SERVERS.look,
    look_many=SERVERS.look_many,
    state=lambda server: server.status,
    busy=SERVERS.busy,
    fault=lambda server: server.fault.message if server.fault else "",
    kept=_kept,
    recorded=server_actions.newest_request,
    last_fault=server_actions.last_fault,
    judges=frozenset({409}),
    changed_at=SERVERS.changed_at,
)


class RebootOptions(ParameterGroup, frozen=True, kw_only=True):
    """How a server is rebooted.

    how: Soft asks the guest to shut down; hard cuts its power, also of one that is not running.
    hard_after: A soft reboot that takes longer than this is followed by a hard one.
    """

    how: Literal["soft", "hard"] = "soft"
    hard_after: Duration = Duration.parse("3m")


class LockOptions(ParameterGroup, frozen=True, kw_only=True):
    """Why a server is locked.

    reason: The reason, for anybody who looks at the server later.
    """

    reason: str | None = None


_SOFT = frozenset({"ACTIVE"})
_HARD = frozenset({"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR"})
_SUSPENDED = "it is suspended: resume it first"
_PAUSED = "it is paused: unpause it first"
_RESCUE = "it is in rescue mode: unrescue it first"
_SHELVED = "it is shelved: unshelve it first"
_UNCONFIRMED = "a resize or migration of it waits to be confirmed or reverted"
INSTEAD = {
    "SUSPENDED": _SUSPENDED,
    "PAUSED": _PAUSED,
    "RESCUE": _RESCUE,
    "SHELVED": _SHELVED,
    "SHELVED_OFFLOADED": _SHELVED,
    "VERIFY_RESIZE": _UNCONFIRMED,
    "ERROR": "it is in ERROR",
    "BUILD": "it is still being built",
    "SHUTOFF": "it is shut off: start it first",
}


def status_is(*wanted: str) -> Any:
    """Return that a verb has come to its end in one of these states."""
    known = frozenset(wanted)
    return lambda server, options: server.status in known


SERVER_VERBS = (
    Verb(
        name="server.lock",
        summary="Lock a server, so that its owner cannot change or delete it.",
        sentence="lock {name}",
        participle="locked",
        request=lambda cloud, id, options: change.lock_server(cloud, id, options.reason),
        ends=lambda server, options: server.locked,
        outcome=lambda server, options: "locked",
        undo="server.unlock",
        options=LockOptions,
        disturbs=False,
    ),
    Verb(
        name="server.unlock",
        summary="Unlock a server.",
        sentence="unlock {name}",
        participle="unlocked",
        request=lambda cloud, id, options: change.unlock_server(cloud, id),
        ends=lambda server, options: not server.locked,
        outcome=lambda server, options: "unlocked",
        undo="server.lock",
        disturbs=False,
    ),
    Verb(
        name="server.start",
        summary="Start a server that is shut off.",
        sentence="start {name}",
        participle="started",
        request=lambda cloud, id, options: change.start_server(cloud, id),
        begins=states("SHUTOFF"),
        ends=status_is("ACTIVE"),
        tasks=frozenset({"powering-on"}),
        instead=INSTEAD,
        undo="server.stop",
        disturbs=False,
    ),
    Verb(
        name="server.stop",
        summary="Shut a server off; it keeps its resources on the hypervisor.",
        sentence="stop {name}",
        participle="stopped",
        request=lambda cloud, id, options: change.stop_server(cloud, id),
        begins=states("ACTIVE"),
        ends=status_is("SHUTOFF"),
        tasks=frozenset({"powering-off"}),
        instead=INSTEAD,
        undo="server.start",
    ),
    Verb(
        name="server.reboot",
        summary="Reboot a server; hard if a soft reboot takes too long.",
        sentence="reboot {name} ({options[how]})",
        participle="rebooted",
        request=lambda cloud, id, options: change.reboot_server(cloud, id, options.how),
        begins=lambda options: _HARD if options.how == "hard" else _SOFT,
        ends=status_is("ACTIVE"),
        record="reboot",
        tasks=frozenset(
            f"reboot{kind}{stage}"
            for kind in ("", "_hard")
            for stage in ("ing", "_pending", "_started")
        )
        | {"rebooting_hard"},
        instead={**INSTEAD, "SHUTOFF": "it is shut off: start it, or reboot it with how=hard"},
        escalate=lambda cloud, id, options: change.reboot_server(cloud, id, "hard"),
        patience=lambda options: options.hard_after if options.how == "soft" else None,
        options=RebootOptions,
    ),
    Verb(
        name="server.pause",
        summary="Pause a server; it stays in memory but does not run.",
        sentence="pause {name}",
        participle="paused",
        request=lambda cloud, id, options: change.pause_server(cloud, id),
        begins=states("ACTIVE"),
        ends=status_is("PAUSED"),
        tasks=frozenset({"pausing"}),
        instead=INSTEAD,
        undo="server.unpause",
    ),
    Verb(
        name="server.unpause",
        summary="Let a paused server run again.",
        sentence="unpause {name}",
        participle="unpaused",
        request=lambda cloud, id, options: change.unpause_server(cloud, id),
        begins=states("PAUSED"),
        ends=status_is("ACTIVE"),
        tasks=frozenset({"unpausing"}),
        undo="server.pause",
        disturbs=False,
    ),
    Verb(
        name="server.suspend",
        summary="Suspend a server; its memory is written to the hypervisor's disk.",
        sentence="suspend {name}",
        participle="suspended",
        request=lambda cloud, id, options: change.suspend_server(cloud, id),
        begins=states("ACTIVE"),
        ends=status_is("SUSPENDED"),
        tasks=frozenset({"suspending"}),
        instead=INSTEAD,
        undo="server.resume",
    ),
    Verb(
        name="server.resume",
        summary="Resume a suspended server.",
        sentence="resume {name}",
        participle="resumed",
        request=lambda cloud, id, options: change.resume_server(cloud, id),
        begins=states("SUSPENDED"),
        ends=status_is("ACTIVE"),
        tasks=frozenset({"resuming"}),
        undo="server.suspend",
        disturbs=False,
    ),
    Verb(
        name="server.shelve",
        summary="Shelve a server: keep it as an image and release its resources.",
        sentence="shelve {name}",
        participle="shelved",
        request=lambda cloud, id, options: change.shelve_server(cloud, id),
        begins=states("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"),
        ends=status_is("SHELVED", "SHELVED_OFFLOADED"),
        tasks=frozenset({"shelving", "shelving_image_pending_upload", "shelving_image_uploading"}),
        instead={"RESCUE": _RESCUE, "VERIFY_RESIZE": _UNCONFIRMED},
        within=Duration.parse("1h"),
        undo="server.unshelve",
    ),
    Verb(
        name="server.unshelve",
        summary="Bring a shelved server back, on a hypervisor that Nova chooses.",
        sentence="unshelve {name}",
        participle="unshelved",
        request=lambda cloud, id, options: change.unshelve_server(cloud, id),
        begins=states("SHELVED", "SHELVED_OFFLOADED"),
        ends=status_is("ACTIVE", "SHUTOFF"),
        tasks=frozenset({"unshelving", "spawning"}),
        within=Duration.parse("1h"),
        undo="server.shelve",
        disturbs=False,
    ),
)
