"""Names with values in one text, as forms and the command line can hold them."""

from __future__ import annotations

from common.errors import UserError
from common.text import clean

_QUOTES = "'\""


def pairs(parameter: str, text: str | None) -> dict[str, str]:
    """Return the values of ``name=value; other=value`` by their names, in that order.

    A value that has a semicolon, or blanks at its ends, stands in quotes. Raises UserError, which
    names the parameter, for what is no such text, for a quote that is not closed, and for a name
    that comes twice.

    >>> pairs("properties", "os_distro=debian; title='a; b'")
    {'os_distro': 'debian', 'title': 'a; b'}
    """
    found: dict[str, str] = {}
    for part in _parts(parameter, text or ""):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name:
            raise UserError(
                f"{parameter} must be name=value; other=value; {clean(part)!r:.80} is not "
                "such a pair."
            )
        if name in found:
            raise UserError(f"{parameter} has {clean(name)!r:.80} twice.")
        quoted = len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0]
        found[name] = value[1:-1] if quoted else value
    return found


def _parts(parameter: str, text: str) -> list[str]:
    """Return what stands between semicolons, but for those in a quoted value."""
    parts, begun, quote, before = [], 0, "", ""
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES and before == "=":
            quote = letter
        elif letter == ";":
            parts.append(text[begun:at])
            begun = at + 1
        before = letter if letter.strip() else before
    if quote:
        raise UserError(f"{parameter} has a quote ({quote}) that is not closed.")
    parts.append(text[begun:])
    return [part.strip() for part in parts if part.strip()]
