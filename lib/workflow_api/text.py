"""Text that comes from a cloud or goes to a person: cleaned, shortened, suggested, counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# C0, DEL and C1 controls; the bidirectional and zero-width marks that can disguise a name; and
# lone surrogates, which JSON lets through and no terminal, file or database takes.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_ESCAPE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\^_])")


def clean(value: object) -> str:
    """Return ``value`` as one line that is safe in a terminal: no escapes, no control characters.

    Names in a cloud are chosen by its users, who may be hostile.
    """
    text = _ESCAPE.sub("", str(value))
    text = re.sub(r"[\t\r\n]+", " ", text)
    return _CONTROL.sub("", text)


def width(text: str) -> int:
    """Return how many terminal columns ``text`` takes (wide East Asian characters take two)."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def shorten(text: str, columns: int) -> str:
    """Cut ``text`` to at most ``columns`` terminal columns, marking the cut with an ellipsis."""
    if width(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width(kept) + width(character) > columns - 1:
            break
        kept += character
    return kept + "…"


def near(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of the ``known`` names that look like ``wanted``, nearest first."""
    names: Sequence[str] = sorted({clean(name) for name in known})
    folded = {name.casefold(): name for name in names}
    import difflib  # only a mistake needs it; start-up is a feature

    found = difflib.get_close_matches(wanted.casefold(), list(folded), n=count, cutoff=0.6)
    return [folded[name] for name in found]


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``3 servers``, ``1 server``: a number with its noun."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(words: Iterable[str], limit: int = 8) -> str:
    """Return ``a, b, c and 4 more``."""
    names = list(words)
    shown, more = names[:limit], len(names) - limit
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
