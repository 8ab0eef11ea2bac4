"""What in a template would make a mail do something by itself, or a link do more than lead on.

Mail programs leave scripts out, and a mail that has some is taken for an attack. A link that a
value makes may lead anywhere, a script included, unless the filter ``web`` looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html import unescape

_COMMENT = re.compile(r"\{#.*?(?:#\}|\Z)", re.DOTALL)
# Elements and attributes that do something; `on...` only within a tag.
_ACTIVE = re.compile(
    r"<\s*(?P<element>script|iframe|frame|object|embed|applet|form|svg|math|meta\s+http-equiv)\b"
    r"|<[a-z][^<>]*?\s(?P<handler>on[a-z]+)\s*=",
    re.IGNORECASE,
)
_LEADS = re.compile(
    r"""\b(?:href|action|formaction|xlink:href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*))""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_ALLOWED = frozenset({"http", "https", "mailto", "tel", "cid"})
_VALUE = re.compile(r"\s*\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_LOOKED_AT = re.compile(r"(?:.*\|\s*web|organisation\.[\w.]+)\Z", re.DOTALL)


def active_content(template: str, links: Collection[str] = ()) -> tuple[int, str] | None:
    """Return the line of the first such thing in an HTML template, and what is wrong with it.

    ``links`` are the variables whose values are known to be links.
    """
    source = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), template)
    for found in _ACTIVE.finditer(source):
        what = found["element"] or found["handler"]
        shown = f"<{what.lower()}>" if found["element"] else f"{what}="
        return _line(source, found.start()), f"{shown} would do something by itself"
    for found in _LEADS.finditer(source):
        target = next(filter(None, found.groups()), "")
        # Characters that mail programs pass over hide a scheme.
        plain = re.sub(r"[\x00-\x20\x7f-\x9f\u200b-\u200f]", "", unescape(target))
        scheme = _SCHEME.match(plain)
        if scheme and scheme[1].lower() not in _ALLOWED:
            return _line(source, found.start()), f"a link leads to {scheme[1].lower()}:"
        value = _VALUE.match(target)
        if value and not _LOOKED_AT.match(value[1]) and value[1] not in links:
            why = (
                f"a link is made of {value[1]!r}, which may be anything: write {{{{ ... | web }}}}"
            )
            return _line(source, found.start()), why
    return None


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1
