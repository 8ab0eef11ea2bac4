"""Kinds of text in the configuration: the pattern of each, and what it asks for in words."""

from __future__ import annotations

from typing import Annotated

import msgspec

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
_HOST = r"^([^\s/@:\[\]]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$(?!\n)"
_ENDPOINT = r"^([^\s/@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$(?!\n)"
_FILLED = r"\S"
_COLOUR = r"^#[0-9A-Fa-f]{6}$"
_DOMAIN = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
_OF_HOST = r"\{(host|short)\}"
PERCENTAGE = r"^\d{1,6}%?$(?!\n)"

WORDS = {
    _NAME: "a name is made of letters, digits, dots, underscores and hyphens, 64 at most, and "
    "begins with a letter or digit",
    _HOST: "it has to be the name or address of a machine, without a scheme, and without a port, "
    "which has a key of its own",
    _ENDPOINT: "it has to be a host, or host:port, without a scheme and with an IPv6 address in "
    "brackets",
    _FILLED: "it has no value",
    _COLOUR: "it has to be a colour as '#1b5e9e', in quotes",
    _DOMAIN: "it has to be a domain as corp.local",
    PERCENTAGE: "it has to be a number, or a percentage as '30%'",
    _OF_HOST: "it has neither {host} nor {short} in it, so it would be about every host",
}

# Lists of names end at commas, and a name stands in claims, files and sentences.
Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
Host = Annotated[str, msgspec.Meta(pattern=_HOST)]
Endpoint = Annotated[str, msgspec.Meta(pattern=_ENDPOINT)]
Filled = Annotated[str, msgspec.Meta(pattern=_FILLED)]
# Six hexadecimal digits and nothing else: it goes into style attributes.
Colour = Annotated[str, msgspec.Meta(pattern=_COLOUR)]
# Written as in DNS: what is behind the @ of an address.
Domain = Annotated[str, msgspec.Meta(pattern=_DOMAIN)]
# What something is called that belongs to one host.
OfHost = Annotated[str, msgspec.Meta(pattern=_OF_HOST)]
