"""Several addresses in one text, as people, directories and forms write them.

The list is RFC 5322's (3.4): mailboxes between commas, names in quotes, groups with a name of their
own. Taken as well is what mail programs and directories write: semicolons, white space or nothing
but the angle brackets between addresses, and names with a comma and no quotes. What stands for no
address is handed out like the others, so that whoever reads it can say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# No text with one of these is a single plain address; most are.
_SPECIAL = re.compile(r'[\s,;:"()<>\[]')
# How a group may be called: in words or in quotes, on one line.
_GROUP = re.compile(r"""[ \t]*(?:[\w.&'+/ -]*|"[^"\r\n]*")[ \t]*""")


class _Piece(NamedTuple):
    text: str
    ending: str  # the comma or semicolon behind it, if one is


def mailboxes(held: Any) -> list[str]:
    """Return the mailboxes of a text, or of a list of texts, as they are written, each once.

    A text may be a list in JSON, as a property of a project is. What is no text has none.
    """
    return list(dict.fromkeys(_found(held)))


def _found(held: Any) -> Iterator[str]:
    if isinstance(held, (list, tuple)):
        texts = [text for text in held if isinstance(text, str)]
        # Forms split lists at every comma, also at one within quotes.
        yield from _found(",".join(texts))
    elif isinstance(held, str):
        if held.lstrip().startswith("[") and isinstance(read := _json(held), list):
            yield from _found(read)
        elif _SPECIAL.search(held):
            yield from _named(list(_pieces(held, quotes=True)))
        elif held:
            yield held


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pieces(text: str, *, quotes: bool) -> Iterator[_Piece]:
    """Yield what stands between commas and semicolons, behind angle brackets and in groups.

    A quote that is never closed is a character like others.
    """
    start, opened, depth, quoted, at = 0, False, 0, False, 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and (quoted or depth):
            at += 1
        elif quoted:
            quoted = letter != '"'
        elif letter == '"' and quotes and not depth:
            quoted = True
        elif letter in "()" and not opened:
            depth = max(0, depth + (1 if letter == "(" else -1))
        elif depth:
            pass
        elif letter == "<":
            opened = True
        elif letter == ">" and opened:
            opened = False
            yield _Piece(text[start : at + 1], "")
            start = at + 1
        elif letter == ":" and not opened and _GROUP.fullmatch(text[start:at]):
            start = at + 1  # the name of a group
        elif letter in ",;" and not opened:
            yield _Piece(text[start:at], letter)
            start = at + 1
        at += 1
    if quoted:
        yield from _pieces(text[start:], quotes=False)
    else:
        yield _Piece(text[start:], "")


def _named(pieces: list[_Piece]) -> Iterator[str]:
    """Yield the mailboxes of pieces, with the parts of a name that had a comma put together."""
    name: list[str] = []
    for text, ending in pieces:
        part = " ".join(text.split()) if "@" not in text else text.strip()
        if not part or re.fullmatch(r"\(.*\)", part, re.DOTALL):
            continue
        if "@" not in part and "<" not in part and ending == ",":
            name.append(part)
        elif "<" in part and name and not part.startswith(('"', "<")):
            whole = ", ".join([*name, part[: part.index("<")].strip()]).replace('"', "")
            yield f'"{whole}" {part[part.index("<") :]}'
            name = []
        else:
            yield from name
            name = []
            words = part.split()
            several = all("@" in word for word in words) and not {"<", "("} & {*part}
            yield from words if several else [part]
    yield from name
