"""Servers of a real cloud on which verbs have something to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from support.cloud_devices import DEVICE_VERBS, Devices
from support.cloud_site import Site
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
}
#: What is sent where it is no action.
_CHANGES = {
    "server.protect": Match("compute", "PUT", "/tags/"),
    "server.unprotect": Match("compute", "DELETE", "/tags/"),
    "server.attach_volume": Match("compute", "POST", "/os-volume_attachments$"),
    "server.detach_volume": Match("compute", "DELETE", "/os-volume_attachments/"),
    "server.attach_network": Match("compute", "POST", "/os-interface$"),
    "server.attach_port": Match("compute", "POST", "/os-interface$"),
    "server.detach_port": Match("compute", "DELETE", "/os-interface/"),
    "server.add_security_group": Match("network", "PUT", "/ports/"),
    "server.remove_security_group": Match("network", "PUT", "/ports/"),
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
    }
    _ENDS: ClassVar = {
        "server.stop": "SHUTOFF",
        "server.pause": "PAUSED",
        "server.suspend": "SUSPENDED",
        "server.shelve": "SHELVED_OFFLOADED",
        "server.rescue": "RESCUE",
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
        self._devices = Devices(site, self.guest, verb) if verb.name in DEVICE_VERBS else None

    def parameters(self) -> dict[str, Any]:
        about = {"server": self.guest.id}
        if "image" in self._verb.options.__struct_fields__:
            about["image"] = self._site.image()
        if "confirm" in self._verb.options.__struct_fields__:
            about["confirm"] = self.guest.name
        return {**about, **(self._devices.parameters if self._devices else {})}

    def is_as_it_should(self) -> bool:
        if self._devices:
            return self._devices.is_as_it_should()
        shown = self._site.server(self.guest)
        if self._verb.name in _LEADS_TO:
            return _LEADS_TO[self._verb.name](shown)
        wanted = self._ENDS.get(self._verb.name, "ACTIVE")
        return shown["status"] == wanted and shown["OS-EXT-STS:task_state"] is None

    def facts(self) -> dict[str, Any]:
        shown = self._site.server(self.guest)
        devices = self._devices.facts() if self._devices else {}
        return {**{key: shown[key] for key in ("status", "locked", "tags")}, **devices}
