"""What Nova says of a server, as the values of its properties."""

from __future__ import annotations

import msgspec

from query_api.wire.objects import Id

# The statuses that Nova can be asked for. It refuses others, and DELETED (which admins may ask
# for) would give rows that are in no listing.
_STATUSES = frozenset(
    {
        "ACTIVE",
        "BUILD",
        "ERROR",
        "HARD_REBOOT",
        "MIGRATING",
        "PASSWORD",
        "PAUSED",
        "REBOOT",
        "REBUILD",
        "RESCUE",
        "RESIZE",
        "REVERT_RESIZE",
        "SHELVED",
        "SHELVED_OFFLOADED",
        "SHUTOFF",
        "SUSPENDED",
        "VERIFY_RESIZE",
    }
)
_POWER_STATES = {
    0: "NOSTATE",
    1: "RUNNING",
    3: "PAUSED",
    4: "SHUTDOWN",
    6: "CRASHED",
    7: "SUSPENDED",
}


class Name(msgspec.Struct):
    name: str


class _Address(msgspec.Struct):
    addr: str
    kind: str = msgspec.field(name="OS-EXT-IPS:type", default="fixed")
    mac: str = msgspec.field(name="OS-EXT-IPS-MAC:mac_addr", default="")


Networks = dict[str, list[_Address]]


def all_addresses(networks: Networks) -> list[str]:
    return [entry.addr for entries in networks.values() for entry in entries]


def fixed(networks: Networks) -> list[str]:
    return [e.addr for entries in networks.values() for e in entries if e.kind == "fixed"]


def floating(networks: Networks) -> list[str]:
    return [e.addr for entries in networks.values() for e in entries if e.kind == "floating"]


def macs(networks: Networks) -> list[str]:
    # Each address of a port, a floating one too, comes with the port's MAC address.
    return list(dict.fromkeys(e.mac for entries in networks.values() for e in entries if e.mac))


def image_id(image: Id | str) -> str | None:
    return image.id if isinstance(image, Id) else None


def ids(volumes: list[Id]) -> list[str]:
    return [volume.id for volume in volumes]


def names(groups: list[Name]) -> list[str]:
    # A group is named once for each port that has it.
    return list(dict.fromkeys(group.name for group in groups))


def power_state(number: int) -> str:
    return _POWER_STATES.get(number, str(number))


def is_true(word: str) -> bool:
    return word == "True"


def known_status(status: str) -> str | None:
    return status if status in _STATUSES else None


def version_4(address: str) -> str | None:
    # IPv6 has a parameter of its own. Part of an address or a pattern: this finds no less.
    return None if ":" in address else address
