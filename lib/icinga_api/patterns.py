"""Patterns as Icinga's own ``match`` understands them."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Return whether a text is as the pattern says: ``*`` is anything, ``?`` one character.

    Capitals do not count. It takes no longer than both are long, whatever the pattern is.

    >>> matches("CMP-*", "cmp-1"), matches("cmp-?", "cmp-12")
    (True, False)
    """
    pattern, text = pattern.casefold(), text.casefold()
    at = place = 0
    star, after = -1, 0  # where the last * stands, and where in the text what follows it begins
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, after = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at += 1
            place += 1
        elif star >= 0:
            after += 1
            at, place = star + 1, after
        else:
            return False
    return not pattern[at:].strip("*")
