"""What a text can stand for, and what each service is asked to find out."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from common.errors import UserError

Kind = Literal["UUID", "id", "name", "MAC address", "IP address"]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Keystone's ids: those of users of LDAP are the longer ones.
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_MAC = re.compile(r"([0-9a-f]{2}[:-]){5}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*")
_LONGEST = 255


class Clue(msgspec.Struct, frozen=True):
    """What a text can be, and the form of it that services know.

    ``host`` is the first label of what can be a host name, empty if it can be none.
    """

    kind: Kind
    value: str
    host: str = ""


class Look(msgspec.Struct, frozen=True):
    """One question: which of a resource's rows have the text as this property."""

    resource: str
    path: str


# The fields of a match (see matches) by the properties of each resource, in the order in which
# things are told of.
SHOWN: dict[str, dict[str, str]] = {
    "server": {
        "name": "name",
        "state": "status",
        "project_id": "project_id",
        "user_id": "user_id",
        "host": "host",
        "servers": "id",
    },
    "port": {
        "name": "name",
        "state": "status",
        "project_id": "project_id",
        "device": "device_id",
        "device_owner": "device_owner",
        "host": "host",
    },
    "floating_ip": {
        "name": "floating_ip_address",
        "state": "status",
        "project_id": "project_id",
        "device": "device_id",
        "device_owner": "device_owner",
    },
    "volume": {
        "name": "name",
        "state": "status",
        "project_id": "project_id",
        "user_id": "user_id",
        "servers": "server_ids",
    },
    "volume_snapshot": {
        "name": "name",
        "state": "status",
        "project_id": "project_id",
        "volume_id": "volume_id",
    },
    "image": {
        "name": "name",
        "state": "status",
        "project_id": "project_id",
        "user_id": "user_id",
        "servers": "instance_uuid",
    },
    "network": {"name": "name", "state": "status", "project_id": "project_id"},
    "subnet": {"name": "name", "project_id": "project_id"},
    "router": {"name": "name", "state": "status", "project_id": "project_id"},
    "security_group": {"name": "name", "project_id": "project_id"},
    "project": {"name": "name", "domain_id": "domain_id"},
    "user": {"name": "name", "domain_id": "domain_id"},
    "hypervisor": {"name": "name", "state": "state", "host": "service_host"},
    "resource_provider": {"name": "name"},
}
_HAVE_UUIDS = [name for name in SHOWN if name not in ("project", "user", "hypervisor")]
_HAVE_NAMES = (
    "server",
    "port",
    "volume",
    "image",
    "network",
    "router",
    "project",
    "user",
    "resource_provider",
)
# Keystone is asked for an id by its path, not by a filter.
_KEYSTONE = (Look("project", ""), Look("user", ""))
LOOKS: dict[Kind, tuple[Look, ...]] = {
    "UUID": (*(Look(name, "id") for name in _HAVE_UUIDS), *_KEYSTONE),
    "id": _KEYSTONE,
    "MAC address": (Look("port", "mac_address"),),
    "IP address": (Look("port", "addresses"), Look("floating_ip", "floating_ip_address")),
    "name": (*(Look(name, "name") for name in _HAVE_NAMES), Look("server", "hostname")),
}


def clue(text: str) -> Clue:
    """Return what a text can be. Raises UserError if it is empty or too long for a name.

    >>> clue("FA-16-3E-00-00-01").value, clue("2001:DB8::0:1").value
    ('fa:16:3e:00:00:01', '2001:db8::1')
    """
    wanted = text.strip()
    if not 1 <= len(wanted) <= _LONGEST:
        raise UserError(f"any has 1 to {_LONGEST} characters, not {len(wanted)}.")
    small = wanted.lower()
    if _MAC.fullmatch(small):
        digits = re.sub("[^0-9a-f]", "", small)
        return Clue("MAC address", ":".join(re.findall("..", digits)))
    if _UUID.fullmatch(small):
        return Clue("UUID", small)
    if _ID.fullmatch(small):
        return Clue("id", small)
    from ipaddress import ip_address

    try:
        return Clue("IP address", str(ip_address(wanted)))
    except ValueError:
        # A server's host name at Nova has no domain behind it.
        label = small.partition(".")[0]
        return Clue("name", wanted, label if _LABEL.fullmatch(label) else "")
