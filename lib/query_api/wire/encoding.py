"""What a filter's value looks like to a service; None where the service cannot be asked for it.

Each service reads values in its own way: some refuse what they do not know, some take a part of
it for an operator or a number. What is not sent is still looked at here.
"""

from __future__ import annotations

import math
import re

# Texts: few queries need one, and compiling them would cost every query a millisecond.
_KEYSTONE_ID = r"[0-9A-Za-z-]{1,64}"
_UUID = r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}"
# The letters a, c, d and f are in no number but a hexadecimal one, which would begin with 0x.
_NO_LITERAL = (
    _UUID.replace("-?", "-")
    + r"|(?=[^acdf]*[acdf])[0-9a-f]{32,64}"
    + r"|(?!(True|False|None)\b)[A-Za-z_][^'\"()]*"
)
# Keystone's shortest limit for a name that is asked for; a longer one is answered with a 400.
_KEYSTONE_NAME = 64


def flag(value: bool) -> str:
    """Return a truth value as all services read it."""
    return "true" if value else "false"


def only_true(value: bool) -> str | None:
    """Return a truth value where the service's own ``false`` finds less than it shows."""
    return "true" if value else None


def whole(value: float) -> str | None:
    """Return a whole number."""
    return str(int(value)) if value == int(value) else None


def floor(value: float) -> str:
    """Return a lower bound for a service that knows whole numbers only."""
    return str(math.floor(value))


def ceiling(value: float) -> str:
    """Return an upper bound for a service that knows whole numbers only."""
    return str(math.ceil(value))


def tag(value: str) -> str | None:
    """Return a tag; a comma would make it several, and some databases fail at an emoji."""
    return value if value.isascii() and value == value.strip() != "" and "," not in value else None


def ip(value: str) -> str | None:
    """Return an IP address in the one form in which services store it."""
    from ipaddress import ip_address

    try:
        return str(ip_address(value))
    except ValueError:
        return None


def cidr(value: str) -> str | None:
    """Return a range of IP addresses as it was given, or None if it is none."""
    from ipaddress import ip_network

    try:
        ip_network(value, strict=False)
    except ValueError:
        return None
    return value if "/" in value else None


def keystone_id(value: str) -> str | None:
    """Return an id that Keystone does not refuse to look for."""
    return value if re.fullmatch(_KEYSTONE_ID, value) else None


def keystone_uuid(value: str) -> str | None:
    """Return an id for where Keystone refuses all that are no UUID, as domain ids may be."""
    return value if re.fullmatch(_UUID, value) else None


def keystone_name(value: str) -> str | None:
    """Return a name that Keystone does not refuse to look for."""
    return value if value.strip() and len(value) <= _KEYSTONE_NAME else None


def keystone_part(value: str) -> str | None:
    """Return a part of a name for Keystone's LIKE, in which a backslash is an escape.

    Letters of other scripts are left out, because databases and Python fold some differently.
    """
    plain = value and value.isascii() and "\\" not in value and len(value) <= _KEYSTONE_NAME
    return value if plain else None


def glance_word(value: str) -> str | None:
    """Return a value for Glance: what has a colon would be an operator and its operand."""
    return value if value and not set(value) & set(':"\\') else None


def glance_since(time: str) -> str:
    """Return the filter for times after or at one."""
    return f"gte:{time}"


def glance_until(time: str) -> str | None:
    """Return the filter for times before or at one. Glance shows whole seconds, cut off."""
    from datetime import datetime, timedelta

    try:
        moment = datetime.fromisoformat(time[:19]) + timedelta(seconds=2)
    except OverflowError:
        return None
    return f"lte:{moment.isoformat()}Z"


def cinder_word(value: str) -> str | None:
    """Return a value for Cinder, which takes what is a Python literal for that and not for a text.

    The volume called None would not be found, nor the one called 0x10. An id is sent if it is no
    number in disguise, another text if it begins with a letter.
    """
    return value if re.fullmatch(_NO_LITERAL, value) else None
