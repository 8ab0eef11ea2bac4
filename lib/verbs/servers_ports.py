"""Verbs that connect servers to networks, and put their ports into security groups."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import msgspec

from accounts import read_cache
from accounts.cloud import Cloud
from openstack_api import compute as change
from openstack_api import network
from query_api.execution.query import query
from query_api.lookups import server_devices, things
from query_api.lookups.related import related
from query_api.lookups.server_devices import ServerAndPorts
from query_api.lookups.things import Thing
from verbs.servers import INSTEAD
from verbs.verb import Verb, states
from workflow_api import ParameterGroup, clean, listed
from workflow_api.parameters import NetworkName, PortName, SecurityGroupName

_BEGINS = states("ACTIVE", "PAUSED", "SHUTOFF")
_INSTEAD = {key: why for key, why in INSTEAD.items() if key not in ("PAUSED", "SHUTOFF")}


class NetworkOptions(ParameterGroup, frozen=True, kw_only=True):
    """The network that a server gets a port on.

    fixed_address: Its address on the network; Neutron chooses if empty.
    """

    network: NetworkName
    fixed_address: str | None = None


class PortOptions(ParameterGroup, frozen=True, kw_only=True):
    """The port that is attached or detached."""

    port: PortName


class GroupOptions(ParameterGroup, frozen=True, kw_only=True):
    """The security group that a server's ports are put into or taken out of."""

    security_group: SecurityGroupName


def _as_written(cloud: Cloud, server: ServerAndPorts, options: NetworkOptions) -> NetworkOptions:
    """Return the options with the address in the form that Neutron gives it."""
    if options.fixed_address is None:
        return options
    try:
        address = str(ip_address(options.fixed_address.strip()))
    except ValueError:
        return options  # refused by _address_unfit
    return msgspec.structs.replace(options, fixed_address=address)


def _is_on(server: ServerAndPorts, options: NetworkOptions) -> bool:
    return any(
        port.network_id == options.network
        and options.fixed_address in (None, *(port.addresses or ()))
        for port in server.ports
    )


def _addresses(server: ServerAndPorts, options: NetworkOptions) -> str:
    mine = [port for port in server.ports if port.network_id == options.network]
    found = listed(address for port in mine for address in port.addresses or ())
    return f"on that network as {found}" if found else "on that network"


def _address_unfit(cloud: Cloud, server: ServerAndPorts, options: NetworkOptions) -> Iterator[str]:
    address = options.fixed_address
    if address is None:
        return
    try:
        ip_address(address)
    except ValueError:
        yield f"{clean(address)!r} is not an IP address"
        return
    for port in _at(cloud, options.network, address):
        yield f"{address} is taken by port {clean(port.name)}"


def _at(cloud: Cloud, network: str, address: str) -> list[Thing]:
    """Return the ports of a network that have an address; for many servers they are all read."""
    if read_cache.is_of_many():
        known = related(cloud, "port", "network_id", [network])
        return [port for port in known if address in (port.addresses or ())]
    asked = query("port").where("network_id", "equal_to", network)
    return things.of_query(cloud, asked.where("addresses", "contains", address))


def _has_port(server: ServerAndPorts, options: PortOptions) -> bool:
    return any(port.id == options.port for port in server.ports)


def _port_unfit(cloud: Cloud, server: ServerAndPorts, options: PortOptions) -> Iterator[str]:
    port = things.look(cloud, "port", options.port)
    if port is None:
        yield "the port is gone"
        return
    name = clean(port.name)
    if port.device_id:
        owner = clean(port.device_owner or "something")
        yield f"the port {name} belongs to {owner} {clean(port.device_id)}"
    if port.project_id and port.project_id != server.project_id:
        yield f"the port {name} belongs to another project"


def _floating_ips(cloud: Cloud, server: ServerAndPorts, options: PortOptions) -> Iterator[str]:
    for found in related(cloud, "floating_ip", "port_id", [options.port]):
        address = clean(found.floating_ip_address)
        yield f"the floating IP {address} leads to this port, and to nothing without it"


def _in_group(server: ServerAndPorts, options: GroupOptions) -> bool:
    guarded = server.guarded
    return bool(guarded) and all(
        options.security_group in (port.security_group_ids or ()) for port in guarded
    )


def _out_of_group(server: ServerAndPorts, options: GroupOptions) -> bool:
    return not any(
        options.security_group in (port.security_group_ids or ()) for port in server.ports
    )


def _no_ports(cloud: Cloud, server: ServerAndPorts, options: GroupOptions) -> Iterator[str]:
    if not server.ports:
        yield "it has no port"
    elif not server.guarded:
        yield "port security is off on all of its ports, and groups do not apply to them"


def _open_ports(cloud: Cloud, server: ServerAndPorts, options: GroupOptions) -> Iterator[str]:
    for port in server.ports:
        if port not in server.guarded:
            yield f"port security is off on its port {clean(port.name)}: no group applies to it"


def _last_group(cloud: Cloud, server: ServerAndPorts, options: GroupOptions) -> Iterator[str]:
    for port in server.guarded:
        if port.security_group_ids == [options.security_group]:
            yield f"its port {clean(port.name)} has no group then, and nothing gets through to it"


def _put_in(cloud: Cloud, id: str, options: GroupOptions) -> None:
    """Put each port that is not in the group into it: a repeat goes on where the first stopped."""
    server = server_devices.with_ports(cloud, id)
    for port in server.guarded if server else ():
        known = list(port.security_group_ids or ())
        if options.security_group not in known:
            network.set_security_groups(cloud, port.id, [*known, options.security_group])


def _take_out(cloud: Cloud, id: str, options: GroupOptions) -> None:
    """Take each port out of the group that is in it."""
    server = server_devices.with_ports(cloud, id)
    for port in server.ports if server else ():
        known = list(port.security_group_ids or ())
        if options.security_group in known:
            others = [group for group in known if group != options.security_group]
            network.set_security_groups(cloud, port.id, others)


PORT_VERBS = (
    Verb(
        name="server.attach_network",
        summary="Attach a server to a network by a new port.",
        sentence="attach network {names[network]} to {name}",
        participle="attached to the network",
        request=lambda cloud, id, options: change.attach_network(
            cloud, id, options.network, options.fixed_address
        ),
        begins=_BEGINS,
        ends=_is_on,
        outcome=_addresses,
        tasks=frozenset({"attach_interface"}),
        instead=_INSTEAD,
        options=NetworkOptions,
        others={"network": "network"},
        completed=_as_written,
        unfit=_address_unfit,
        look=server_devices.with_ports,
    ),
    Verb(
        name="server.attach_port",
        summary="Attach an existing port to a server.",
        sentence="attach port {names[port]} to {name}",
        participle="attached to the port",
        request=lambda cloud, id, options: change.attach_port(cloud, id, options.port),
        begins=_BEGINS,
        ends=_has_port,
        outcome=lambda server, options: f"attached to port {options.port}",
        tasks=frozenset({"attach_interface"}),
        instead=_INSTEAD,
        options=PortOptions,
        others={"port": "port"},
        claims=frozenset({"port"}),
        unfit=_port_unfit,
        look=server_devices.with_ports,
    ),
    Verb(
        name="server.detach_port",
        summary="Detach a port from a server; Nova deletes the port if Nova created it.",
        sentence="detach port {names[port]} from {name}",
        participle="detached from the port",
        request=lambda cloud, id, options: change.detach_port(cloud, id, options.port),
        begins=_BEGINS,
        ends=lambda server, options: not _has_port(server, options),
        outcome=lambda server, options: f"without port {options.port}",
        tasks=frozenset({"detach_interface"}),
        instead=_INSTEAD,
        options=PortOptions,
        others={"port": "port"},
        claims=frozenset({"port"}),
        notes=_floating_ips,
        look=server_devices.with_ports,
    ),
    Verb(
        name="server.add_security_group",
        summary="Add a security group to all ports of a server.",
        sentence="put {name} into security group {names[security_group]}",
        participle="put into the security group",
        request=_put_in,
        ends=_in_group,
        outcome=lambda server, options: f"in security group {options.security_group}",
        options=GroupOptions,
        others={"security_group": "security_group"},
        unfit=_no_ports,
        notes=_open_ports,
        look=server_devices.with_ports,
    ),
    Verb(
        name="server.remove_security_group",
        summary="Remove a security group from all ports of a server.",
        sentence="take {name} out of security group {names[security_group]}",
        participle="taken out of the security group",
        request=_take_out,
        ends=_out_of_group,
        outcome=lambda server, options: f"not in security group {options.security_group}",
        options=GroupOptions,
        others={"security_group": "security_group"},
        notes=_last_group,
        look=server_devices.with_ports,
    ),
)
