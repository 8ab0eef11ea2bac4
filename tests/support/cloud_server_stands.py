"""Servers of a real cloud on which verbs have something to do."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from devcloud import faults
from support.cloud_devices import DEVICE_VERBS, Devices
from support.cloud_site import Site, until
from support.proxy import Match
from support.verb_stands import options_of
from verbs.verb import Verb

MARK = "openstack-ops-protected"
Shown = dict[str, Any]
#: What Nova shows of a server where a verb has led that changes no status.
_LEADS_TO: dict[str, Callable[[Shown], bool]] = {
    "server.lock": lambda shown: bool(shown["locked"]),
    "server.unlock": lambda shown: not shown["locked"],
    "server.protect": lambda shown: MARK in shown["tags"],
    "server.unprotect": lambda shown: MARK not in shown["tags"],
    "server.update": lambda shown: shown["metadata"] == {"role": "web", "team": "shop"},
}
#: What is sent where it is no action.
_CHANGES = {
    "server.protect": Match("compute", "PUT", "/tags/"),
    "server.unprotect": Match("compute", "DELETE", "/tags/"),
    "server.update": Match("compute", "POST", "/metadata$"),
    "server.abort_migration": Match("compute", "DELETE", "/migrations/"),
    "server.force_complete": Match("compute", "POST", "/migrations/[^/]+/action$"),
    "server.attach_volume": Match("compute", "POST", "/os-volume_attachments$"),
    "server.detach_volume": Match("compute", "DELETE", "/os-volume_attachments/"),
    "server.attach_network": Match("compute", "POST", "/os-interface$"),
    "server.attach_port": Match("compute", "POST", "/os-interface$"),
    "server.detach_port": Match("compute", "DELETE", "/os-interface/"),
    "server.add_security_group": Match("network", "PUT", "/ports/"),
    "server.remove_security_group": Match("network", "PUT", "/ports/"),
    "server.delete": Match("compute", "DELETE", "/servers/"),
}
#: The statuses of a server's migrations by then, and whether it is off its host.
_MIGRATION_ENDS = {
    "server.abort_migration": (["cancelled"], False),
    "server.force_complete": (["completed"], True),
}


class ServerOnCloud:
    """A server, in a state from which the verb leads."""

    # A status -> the action of Nova that leads to it from ACTIVE.
    _LEADS: ClassVar = {
        "SHUTOFF": "os-stop",
        "PAUSED": "pause",
        "SUSPENDED": "suspend",
        "SHELVED": "shelve",
        "SHELVED_OFFLOADED": "shelve",
        "RESCUE": "rescue",
        "VERIFY_RESIZE": "migrate",
    }
    _ENDS: ClassVar = {
        "server.stop": "SHUTOFF",
        "server.pause": "PAUSED",
        "server.suspend": "SUSPENDED",
        "server.shelve": "SHELVED_OFFLOADED",
        "server.rescue": "RESCUE",
        "server.resize": "VERIFY_RESIZE",
        # devcloud deletes softly.
        "server.delete": "SOFT_DELETED",
    }

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site, self._verb = site, verb
        self.change = _CHANGES.get(verb.name, Match("compute", "POST", "/action$"))
        (self.guest,) = site.boot()
        begins = verb.begins(options_of(verb)) if verb.begins else {"ACTIVE"}
        if "ACTIVE" not in begins:
            # A shelved server is offloaded by and by, at once where devcloud has it so.
            state, *_ = sorted(begins, reverse=True)
            site.act(self.guest, self._LEADS[state], state)
        if verb.name == "server.unlock":
            site.act(self.guest, "lock")
        if verb.name == "server.unprotect":
            site.tag(self.guest, MARK)
        if verb.name == "server.reset_state":
            site.act(self.guest, "os-resetState", "ERROR", state="error")
        self._since = site.newest_migration()
        if "migration" in verb.options.__struct_fields__:
            self._begin_migration()
        self._devices = Devices(site, self.guest, verb) if verb.name in DEVICE_VERBS else None
        self._flavor = site.flavor(ram=128) if verb.name == "server.resize" else ""

    def _begin_migration(self) -> None:
        """Have a live migration of it under way, which would take a while by itself."""
        faults.set_knobs(self._site.source, live_migration_seconds=30)
        self._site.act(self.guest, "os-migrateLive", host=None, block_migration="auto")
        until(lambda: self._migrations() == ["running"], f"{self.guest.name} migrates")

    def _migrations(self) -> list[str]:
        """Return the statuses of its migrations."""
        return [record["status"] for record in self._site.migrations(self._since, self.guest)]

    def parameters(self) -> dict[str, Any]:
        about = {"server": self.guest.id}
        if "image" in self._verb.options.__struct_fields__:
            about["image"] = self._site.image()
        if self._verb.name == "server.rebuild":
            about["confirm"] = self.guest.name
        if self._flavor:
            about["flavor"] = self._flavor
        return {**about, **(self._devices.parameters if self._devices else {})}

    def is_as_it_should(self) -> bool:
        if self._devices:
            return self._devices.is_as_it_should()
        shown = self._site.server(self.guest)
        if self._verb.name in _LEADS_TO:
            return _LEADS_TO[self._verb.name](shown)
        if self._verb.name in _MIGRATION_ENDS:
            is_off = self._site.host_of(self.guest) != self._site.source
            at_rest = shown["OS-EXT-STS:task_state"] is None
            return at_rest and (self._migrations(), is_off) == _MIGRATION_ENDS[self._verb.name]
        wanted = self._ENDS.get(self._verb.name, "ACTIVE")
        return shown["status"] == wanted and shown["OS-EXT-STS:task_state"] is None

    def facts(self) -> dict[str, Any]:
        shown = self._site.server(self.guest)
        devices = self._devices.facts() if self._devices else {}
        return {**{key: shown[key] for key in ("status", "locked", "tags")}, **devices}


class ServerBirthOnCloud:
    """A server without a network."""

    change = Match("compute", "POST", "/servers$")

    def __init__(self, site: Site) -> None:
        self._site, self._name = site, f"proof-{uuid.uuid4().hex[:8]}"
        self._flavor, self._image = site.flavor(), site.image()
        site.at_the_end(lambda: site.delete([server["id"] for server in self._servers()]))

    def parameters(self) -> dict[str, Any]:
        size = {"name": self._name, "flavor": self._flavor, "source": self._image}
        return {**size, "networks": ["none"], "security_groups": []}

    def there(self) -> int:
        return len([server for server in self._servers() if server["status"] == "ACTIVE"])

    def _servers(self) -> list[dict[str, Any]]:
        path = f"/servers/detail?all_tenants=1&name=^{self._name}$"
        found: list[dict[str, Any]] = self._site.nova(path)["servers"]
        return found
