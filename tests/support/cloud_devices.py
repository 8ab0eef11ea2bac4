"""Volumes and ports of a real cloud's server, for the verbs that attach and detach them."""

from __future__ import annotations

import uuid
from typing import Any

from support.cloud_site import Guest, Site, until
from verbs.servers_ports import PORT_VERBS
from verbs.servers_volumes import VOLUME_DEVICE_VERBS
from verbs.verb import Verb

DEVICE_VERBS = frozenset(verb.name for verb in (*VOLUME_DEVICE_VERBS, *PORT_VERBS))
_ADDRESS = "10.77.0.50"


class Devices:
    """What a verb about a server's devices names, and whether it is as it should be then."""

    def __init__(self, site: Site, guest: Guest, verb: Verb) -> None:
        self._site, self._guest = site, guest
        self._joins = verb.name.partition(".")[2].startswith(("attach", "add"))
        kind = next(iter(verb.others))
        #: What of the action's parameters names them.
        self.parameters: dict[str, Any] = {kind: getattr(self, f"_{kind}")()}
        if kind == "network":
            self.parameters["fixed_address"] = _ADDRESS
        self._kind, self._id = kind, self.parameters[kind]

    def is_as_it_should(self) -> bool:
        """Return whether the thing is on the server after joining, and off it after leaving."""
        return self.facts()["joined"] is self._joins

    def facts(self) -> dict[str, Any]:
        """Return whether the thing is on the server, by the service that it is of."""
        return {"joined": getattr(self, f"_has_{self._kind}")(self._id)}

    # -- what is named, joined already where the verb takes it away ----------------------------

    def _volume(self) -> str:
        volume = self._site.volume(f"proof-{uuid.uuid4().hex[:8]}")
        if not self._joins:
            self._site.sdk.compute.create_volume_attachment(self._guest.id, volume)
            until(lambda: self._has_volume(volume), f"{volume} attached")
        return volume

    def _network(self) -> str:
        """Make a network with the addresses 10.77.0.0/24."""
        network = self._site.sdk.network
        made = network.create_network(name=f"proof-{uuid.uuid4().hex[:8]}")
        self._site.at_the_end(lambda: self._remove_network(made.id))
        network.create_subnet(network_id=made.id, ip_version=4, cidr="10.77.0.0/24")
        return str(made.id)

    def _remove_network(self, id: str) -> None:
        for port in self._site.sdk.network.ports(network_id=id):
            self._site.sdk.network.delete_port(port.id)
        self._site.sdk.network.delete_network(id)

    def _port(self) -> str:
        """Make a port on a network of its own; it goes with that."""
        made = self._site.sdk.network.create_port(network_id=self._network())
        if not self._joins:
            self._plug(made.id)
        return str(made.id)

    def _plug(self, port: str) -> None:
        self._site.sdk.compute.create_server_interface(self._guest.id, port_id=port)

    def _security_group(self) -> str:
        network = self._site.sdk.network
        group = network.create_security_group(name=f"proof-{uuid.uuid4().hex[:8]}").id
        self._site.at_the_end(lambda: network.delete_security_group(group))
        port = network.create_port(network_id=self._network()).id
        self._plug(port)
        if not self._joins:
            network.update_port(port, security_groups=[group])
        return str(group)

    # -- whether it has joined -----------------------------------------------------------------

    def _has_volume(self, id: str) -> bool:
        volume = self._site.find_volume(id) or {}
        servers = {attachment["server_id"] for attachment in volume.get("attachments", ())}
        return volume.get("status") == "in-use" and self._guest.id in servers

    def _has_network(self, id: str) -> bool:
        addresses = [
            address["ip_address"]
            for port in self._ports()
            if port.network_id == id
            for address in port.fixed_ips
        ]
        return addresses == [_ADDRESS]

    def _has_port(self, id: str) -> bool:
        return id in {port.id for port in self._ports()}

    def _has_security_group(self, id: str) -> bool:
        return all(id in port.security_group_ids for port in self._ports())

    def _ports(self) -> list[Any]:
        return list(self._site.sdk.network.ports(device_id=self._guest.id))
