"""Headers of a message as bytes: whatever a value is, it stays one value of one header.

The stdlib's newer header classes decode encoded words in what they are given and, in many of the
Pythons that are in use, write line breaks within them out as line breaks (CVE-2024-6923). So what
goes into a header is cleaned, encoded and folded here, with the older module that leaves it as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from email.header import Header

from common.text import clean
from email_api.addresses import Address

# How long a line should be at most (RFC 2047, 2; RFC 5322, 2.1.1 would bear two more).
_LINE = 76
# A longer word cannot be broken as it is, but can when it is encoded.
_WORD = 60
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def text_header(name: str, value: str) -> bytes:
    """Return a header with a text that people read, as ``Subject``."""
    line = _one_line(value)
    return _folded(name, line.split(" ") if _is_plain(line) else _encoded(line))


def token_header(name: str, value: str) -> bytes:
    """Return a header with a value for programs; it is made by us and has only ASCII."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"not for a header: {value!r}")
    return f"{name}: {value}\r\n".encode()


def address_header(name: str, addresses: Sequence[Address]) -> bytes:
    """Return a header with addresses and the names beside them.

    It is UTF-8 where the part of an address before its @ is (RFC 6532, for SMTPUTF8 only).
    """
    return _folded(name, _mailboxes(addresses))


def _mailboxes(addresses: Sequence[Address]) -> Iterator[str]:
    for number, address in enumerate(addresses, 1):
        if address.name:
            yield from _phrase(_one_line(address.name))
        spec = f"<{address.spec}>" if address.name else address.spec
        yield spec + ("," if number < len(addresses) else "")


def _phrase(name: str) -> list[str]:
    """Return the words of a name as they stand before an address (RFC 5322, 3.2.5)."""
    if not _is_plain(name):
        return _encoded(name)
    if _ATOMS.fullmatch(name):
        return name.split(" ")
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'.split(" ")


def _one_line(value: str) -> str:
    return " ".join(clean(value).split())


def _is_plain(line: str) -> bool:
    """Whether a text can stand in a header as it is: ``=?`` would begin an encoded word."""
    words = line.split(" ")
    return line.isascii() and "=?" not in line and all(len(word) <= _WORD for word in words)


def _encoded(line: str) -> list[str]:
    """Return a text as encoded words (RFC 2047); the white space between those means nothing."""
    return Header(line, "utf-8", maxlinelen=_WORD).encode(linesep="\n").split("\n ")


def _folded(name: str, words: Iterable[str]) -> bytes:
    lines, begin = [f"{name}:"], f"{name}:"
    for word in words:
        # The first line has a word in any case: a header must not begin with an empty one.
        if len(lines[-1]) + 1 + len(word) > _LINE and lines != [begin]:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join((*lines, "")).encode()
