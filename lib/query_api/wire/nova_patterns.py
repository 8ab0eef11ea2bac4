"""Patterns that Nova's database understands as we do, and perhaps wider, never narrower.

Nova takes a name as a regular expression that matches anywhere. MySQL and MariaDB ignore case,
PostgreSQL does not, old MySQL takes bytes for characters, and Nova escapes every ``|``. So only
what all of them read alike is asked for; each function returns None for the rest.
"""

from __future__ import annotations

import re


def part(text: str) -> str | None:
    """Return the pattern that matches what contains ``text``."""
    safe = text and text.isascii() and text.isprintable() and "|" not in text
    return re.escape(text) if safe else None


def whole(text: str) -> str | None:
    """Return the pattern that matches just ``text``."""
    return f"^{escaped}$" if (escaped := part(text)) else None


def start(text: str) -> str | None:
    """Return the pattern that matches what begins with ``text``."""
    return f"^{escaped}" if (escaped := part(text)) else None


def glob(text: str) -> str | None:
    """Return the pattern of what stands before the first special character of a glob."""
    return start(re.split(r"[*?[]", text, maxsplit=1)[0])


def literal(text: str) -> str | None:
    """Return a text that is compared as it is, but has to be a valid pattern all the same."""
    return text if text.isascii() and text.translate(_AS_LETTERS).isalnum() else None


def regex(pattern: str) -> str | None:
    """Return a regular expression that is made of plain characters, ``^``, ``$`` and ``.*``.

    Up to its second ``.*``: with each more, the database would go over a name once more for each
    of its letters.
    """
    body = pattern.removeprefix("^").removesuffix("$").replace("\\.", "_").replace(".*", "_")
    return ".*".join(pattern.split(".*")[:2]) if literal(body) else None


_AS_LETTERS = str.maketrans("_- ", "aaa")
