"""What a mail would load from elsewhere when it is read, which tells others who reads it and when.

Mail programs hide such content or ask their reader about it. Only what travels with a mail is
shown; a link is followed by whoever wants to.
"""

from __future__ import annotations

import re
from html import unescape

_COMMENT = re.compile(r"\{#.*?(?:#\}|\Z)", re.DOTALL)
# Where HTML and CSS name something that is loaded without anybody's doing.
_LOADED = re.compile(
    r"""
    (?<![\w.-]) (?:src|srcset|background|poster|lowsrc|dynsrc) \s*=\s*
        (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<bare>[^\s"'>]+) )
    | < (?:link|base|object|image|use|v:\w+) \b [^>]*? \s (?:xlink:)?(?:href|data) \s*=\s*
        (?P<tag>"[^"]*"|'[^']*'|[^\s>]+)
    | \b url \( \s* (?P<css>[^)]*)
    | @import \s+ (?P<sheet>[^;]*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A place in the network, or one that only the rendered mail knows; the logo travels with the mail.
_ELSEWHERE = re.compile(r"""(?:https?|ftp):|//|^["'\s]*\{\{(?!-?\s*logo\s*-?\}\})""", re.IGNORECASE)
_TRAVELS = re.compile(r"""["'\s]*(?:cid|data):""", re.IGNORECASE)


def remote_content(template: str) -> tuple[int, str] | None:
    """Return the line of the first thing that an HTML template would load, and what it is."""
    source = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), template)
    for found in _LOADED.finditer(source):
        value = unescape(next(filter(None, found.groups()), ""))
        if _ELSEWHERE.search(value) and not _TRAVELS.match(value):
            return source.count("\n", 0, found.start()) + 1, value.strip("\"' \t\n")
    return None
