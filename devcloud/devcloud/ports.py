"""The ports of a devcloud: their names and defaults, and who holds one that is taken."""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from devcloud.errors import DevcloudError

DEFAULTS = {
    "keystone": 25000,
    "placement": 28778,
    "nova": 28774,
    "neutron": 29696,
    "glance": 29292,
    "cinder": 28776,
    "mariadb": 23306,
    "rabbitmq": 26672,
    "rabbitmq_tls": 26671,
    "rabbitmq_dist": 26673,
    "epmd": 24369,
    "memcached": 21221,
    "ssh": 22022,
    "icinga": 25665,
    "alertmanager": 29093,
}
"""OpenStack's usual ports moved to the 2xxxx, out of the way of a real one on this machine and
below 32768, where Linux starts to take ports for outgoing connections."""

LISTEN = "0A"


def chosen_ports(
    environ: Mapping[str, str], before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Each port by name: its own variable, else the offset, else what was remembered."""
    offset = environ.get("DEVCLOUD_PORT_OFFSET")
    shift = _port_number("DEVCLOUD_PORT_OFFSET", offset or "0", lowest=0)
    moved = {name: port + shift for name, port in DEFAULTS.items()}
    fallback = moved if before is None or offset is not None else _with_new(before)
    ports = {}
    for name in DEFAULTS:
        own = environ.get(variable(name))
        ports[name] = _port_number(variable(name), own) if own else fallback[name]
    _refuse_unusable(ports)
    return ports


def _with_new(before: Mapping[str, int]) -> dict[str, int]:
    """What was remembered, and the ports that were not known yet, moved as the others were."""
    shift = before["keystone"] - DEFAULTS["keystone"]
    return {name: before.get(name, port + shift) for name, port in DEFAULTS.items()}


def variable(name: str) -> str:
    """The environment variable that sets one port."""
    return f"DEVCLOUD_PORT_{name.upper()}"


def is_held(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something on this machine listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def refusal(port_name: str, port: int, service: str) -> str:
    """The sentence for a port that something else holds."""
    return (
        f"port {port} (for {service}) is held by {holder(port)}: stop that, or choose another with "
        f"{variable(port_name)}=<port>, or move them all with DEVCLOUD_PORT_OFFSET=<number>"
    )


def holder(port: int) -> str:
    """Who listens on a port: 'pid 123 (keystone)', as far as /proc tells this user."""
    inodes = set(_listening_inodes(port))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {os.readlink(entry) for entry in (process / "fd").iterdir()}
        except OSError:
            continue
        if links & inodes:
            return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
    return "a process this user cannot see"


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for columns in map(str.split, rows):
            if columns[3] == LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{columns[9]}]"


def _port_number(source: str, text: str, lowest: int = 1024) -> int:
    if not text.isdecimal() or not lowest <= int(text) <= 65535:
        raise DevcloudError(f"{source} must be a number from {lowest} to 65535, not {text!r}")
    return int(text)


def _refuse_unusable(ports: Mapping[str, int]) -> None:
    for name, port in ports.items():
        twins = [other for other in ports if ports[other] == port]
        if port > 65535 or len(twins) > 1:
            why = f"{' and '.join(twins)} would share it" if len(twins) > 1 else "it is above 65535"
            raise DevcloudError(f"port {port} for {name} cannot be used: {why}")
