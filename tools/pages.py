"""What the generated pages have alike: tables, links, and the places that are filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def table(*heads: str, rows: Iterable[str]) -> str:
    """Return a Markdown table; each of ``rows`` is a line of it."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *rows]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return plain text as a cell that shows it as it is."""
    return re.sub(r"([|<*])", r"\\\1", text)


def code(value: Any) -> str:
    """Return a value as code in a cell."""
    escaped = str(value).replace("|", "\\|")
    return f"`{escaped}`"


def link(text: str, heading: str, *, page: str = "") -> str:
    """Return a link to a heading, whose anchor is made as GitHub makes it."""
    return f"[{text}]({page}#{re.sub(r'[^a-z0-9 _-]', '', heading.lower()).replace(' ', '-')})"


def filled(text: str, made: Mapping[str, str]) -> str:
    """Return a page in which each part stands in place of the comment of its name."""
    for name, part in made.items():
        text = text.replace(f"<!-- {name} -->\n", part)
    return text


def between(text: str, name: str, part: str, by: str = "generate") -> str:
    """Return a page with the part between its markers replaced; the markers stay.

    Raises ValueError where the page does not have them.
    """
    begin, end = f"<!-- {name}: made by `make {by}` -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = text.partition(begin)
    _, marked, after = rest.partition(end)
    if not marked:
        raise ValueError(f"the markers of {name} are not there")
    return f"{before}{begin}{part}{end}{after}"
