"""Whether and how a server can be moved off its hypervisor."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from accounts.config import LiveMigrationForbidden, PackConfig
from protection.marks import protected
from query_api.lookups.compute_types import Server
from workflow_api import clean

Migration = Literal["auto", "live", "cold"]
How = Literal["live", "cold", "evacuate"]

# status -> what the operator asked for -> how the server is moved. What is not here cannot be.
_HOW: dict[str, dict[Migration, How]] = {
    "ACTIVE": {"auto": "live", "live": "live", "cold": "cold"},
    "PAUSED": {"auto": "live", "live": "live"},
    "SHUTOFF": {"auto": "cold", "cold": "cold"},
}
SOFT_DELETED = (
    "it was deleted softly and keeps its place until Nova reclaims it: restore it, or delete it "
    "for good (openstack server delete --force)"
)
_WHY_NOT = {
    "ERROR": "it is in ERROR",
    "BUILD": "it is still being built",
    "SUSPENDED": "it is suspended, and Nova moves no suspended server: resume it first",
    "VERIFY_RESIZE": "a resize or migration of it waits to be confirmed or reverted",
    "SOFT_DELETED": SOFT_DELETED,
    "RESCUE": "it is in rescue mode: unrescue it first",
    "PAUSED": "it is paused: only live migration can move it",
    "SHUTOFF": "it is shut off: only cold migration can move it",
}


class MigrationChoice(msgspec.Struct, frozen=True):
    """How a server will be moved, or why it is left.

    One that is moved has a ``why`` if the configuration speaks against it and was overruled.
    ``kept`` says that it is left because it is protected or locked.
    """

    server: Server
    how: How | None
    why: str = ""
    kept: bool = False


def choose_migration(
    server: Server,
    wanted: Migration,
    config: PackConfig,
    *,
    bulk: bool = True,
    overrule: bool = False,
) -> MigrationChoice:
    """Judge one server by its state, its locks and what the configuration forbids.

    Protection is against runbooks that take what they find (``bulk``), not against being named.
    ``overrule`` has one live-migrated although the configuration forbids it.
    """
    marked = bulk and protected(server.tags, server.metadata, config.protected)
    if why := marked or _locked(server):
        return MigrationChoice(server, None, why, kept=True)
    if server.task_state:
        return MigrationChoice(server, None, f"a task is under way on it ({server.task_state})")
    how = _HOW.get(server.status, {}).get(wanted)
    if how is None:
        return MigrationChoice(server, None, _why_not(server))
    if how == "live" and (why := _live_forbidden(server, config.live_migration_forbidden)):
        if overrule:
            return MigrationChoice(server, how, why)
        advice = "migration=cold would move it with a downtime"
        return MigrationChoice(
            server, None, f"{why}; {advice}" if server.status == "ACTIVE" else why
        )
    return MigrationChoice(server, how)


def shown_size(server: Server) -> str:
    """Return ``2 vCPU, 4 GiB``."""
    return f"{server.flavor.vcpus} vCPU, {server.flavor.ram / 1024:.3g} GiB"


def step_data(server: Server, how: How, source: str, target: str | None) -> dict[str, Any]:
    """Return what the step that moves the server is planned with."""
    return {
        "server": server.id,
        "name": clean(server.name),
        "size": shown_size(server),
        "source": source,
        "how": how,
        "target": target,
    }


def _locked(server: Server) -> str:
    return "it is locked: unlock it first if its owner agrees" if server.locked else ""


def _why_not(server: Server) -> str:
    why = _WHY_NOT.get(server.status, f"a server that is {server.status} cannot be moved")
    fault = clean(server.fault.message) if server.fault else ""
    return f"{why}: {fault}" if fault and server.status == "ERROR" else why


def _live_forbidden(server: Server, rules: LiveMigrationForbidden) -> str:
    flavor = server.flavor
    if any(fnmatchcase(flavor.original_name, pattern) for pattern in rules.flavors):
        return f"servers of flavor {clean(flavor.original_name)} must not be live-migrated"
    for rule in rules.extra_specs:
        key, _, value = rule.partition("=")
        for name, spec in flavor.extra_specs.items():
            if fnmatchcase(name, key) and fnmatchcase(spec, value or "*"):
                return f"servers with {clean(name)}={clean(spec)} must not be live-migrated"
    return ""
