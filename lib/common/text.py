"""Text that comes from a cloud or goes to a person: cleaned, shortened, suggested, counted."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

# C0, DEL and C1 controls; the bidirectional and zero-width marks that can disguise a name; and
# lone surrogates, which JSON lets through and no terminal, file or database takes.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_ESCAPE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\^_])")
# Below it no character is wide or combines with another.
_FIRST_ODD = "\u0300"


def clean(value: object) -> str:
    """Return ``value`` as one line that is safe in a terminal: no escapes, no control characters.

    Names in a cloud are chosen by its users, who may be hostile.
    """
    text = str(value)
    if text.isprintable():  # none of the characters below is, and most text is
        return text
    text = _ESCAPE.sub("", text)
    text = re.sub(r"[\t\r\n]+", " ", text)
    return _CONTROL.sub("", text)


def width(text: str) -> int:
    """Return how many terminal columns ``text`` takes (wide East Asian characters take two)."""
    if text.isascii() or max(text) < _FIRST_ODD:
        return len(text)
    return sum(map(_columns, text))


@lru_cache(4096)
def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitting(text: str, columns: int) -> str:
    """Return as much of the start of ``text`` as ``columns`` terminal columns hold."""
    if text.isascii():
        return text[:columns]
    taken = 0
    for place, character in enumerate(text):
        taken += _columns(character)
        if taken > columns:
            return text[:place]
    return text


def shorten(text: str, columns: int) -> str:
    """Cut ``text`` to at most ``columns`` terminal columns, marking the cut with an ellipsis."""
    fits = fitting(text, columns)
    return text if len(fits) == len(text) else fitting(fits, columns - 1) + "…"


def wrapped(text: str, columns: int, *, cut: bool = False) -> list[str]:
    """Return ``text`` as lines of at most ``columns`` terminal columns, broken between words.

    A word that is longer than a line is broken too, or with ``cut`` shortened: half an id is of
    no use, and an ellipsis says that it is one.
    """
    if width(text) <= columns:
        return [text]
    lines, line, room = [], "", columns
    for word in text.split(" "):
        size = width(word)
        if size < room and line:
            line += " " + word
            room -= size + 1
            continue
        if line:
            lines.append(line)
        if size > columns and cut:
            word = shorten(word, columns)
        while (size := width(word)) > columns:
            head = fitting(word, columns) or word[0]
            lines.append(head)
            word = word[len(head) :]
        line, room = word, columns - size
    return [*lines, line] if line or not lines else lines


def near(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of the ``known`` names that look like ``wanted``, nearest first."""
    names: Sequence[str] = sorted({clean(name) for name in known})
    folded = {name.casefold(): name for name in names}
    import difflib

    found = difflib.get_close_matches(wanted.casefold(), list(folded), n=count, cutoff=0.6)
    return [folded[name] for name in found]


def count(number: int, noun: str, plural: str = "", *, more: bool = False) -> str:
    """Return ``3 servers``, ``1 server``: a number with its noun, and whether there are more."""
    counted = f"{number} {noun if number == 1 else plural or noun + 's'}"
    return f"{counted}; there are more" if more else counted


def utc(seconds: float) -> str:
    """Return a moment in seconds since 1970 as ``2026-03-29 06:00 UTC``."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def listed(words: Iterable[str], limit: int = 8) -> str:
    """Return ``a, b, c and 4 more``."""
    names = list(words)
    shown, more = names[:limit], len(names) - limit
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
