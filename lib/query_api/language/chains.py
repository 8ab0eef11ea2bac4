"""Which links a query follows, and what it joins over them: two small languages.

``user, project`` follows one link after the other. ``user: name, email; project: name`` joins
columns of what each row leads to; a link may be a path, as in ``user.domain: name``.
"""

from __future__ import annotations

import re

import msgspec

from query_api.language.words import PATH, Words, shown

# Links and the dots between them; a colon comes before what is joined over them.
_LINK = re.compile(r"[\w.\-]+")


class Follow(msgspec.Struct, frozen=True):
    """A link to follow, and its place in the text."""

    link: str
    at: int


class Joined(msgspec.Struct, frozen=True):
    """A property to join over a link, and the property's place in the text."""

    link: str
    name: str
    at: int

    @property
    def path(self) -> str:
        """The path that selects the same."""
        return f"{self.link}.{self.name}"


def parse_follow(text: str) -> list[Follow]:
    """Return the links that the text names, in its order; nothing for an empty text.

    Raises UserError that points at the word which cannot be understood.
    """
    words, found = Words(text), list[Follow]()
    if words.ended():
        return found
    while True:
        found.append(_link(words))
        if words.ended():
            return found
        if not words.take(","):
            raise words.wrong(f"a comma is missing before {words.here()}")


def parse_join(text: str) -> list[Joined]:
    """Return what the text joins, in its order; nothing for an empty text.

    Raises UserError that points at the word which cannot be understood.
    """
    words, found = Words(text), list[Joined]()
    while not words.ended():
        link = _link(words)
        if not words.take(":"):
            raise words.wrong(
                f"say which of its properties after a colon, as in {link.link}: name", link.at
            )
        names = _names(words, link.link)
        for one in names:
            if any(one.path == other.path for other in found):
                raise words.wrong(f"{shown(one.path)} is there twice", one.at)
            found.append(one)
        if not words.ended() and not words.take(";"):
            raise words.wrong(f"a comma or ; is missing before {words.here()}")
    return found


def _link(words: Words) -> Follow:
    words.ended()
    at = words.at
    link = words.path(_LINK)
    if not link:
        raise words.wrong(_missing("the name of a link", words))
    return Follow(link, at)


def _names(words: Words, link: str) -> list[Joined]:
    names: list[Joined] = []
    while not names or words.take(","):
        words.ended()
        at = words.at
        name = words.path(PATH)
        if not name:
            raise words.wrong(_missing(f"a property to join over {shown(link)}", words))
        if name.endswith(":"):
            raise words.wrong("a ; comes before the next link, not a comma", at)
        names.append(Joined(link, name, at))
    return names


def _missing(what: str, words: Words) -> str:
    return f"{what} is missing {'at the end' if words.ended() else 'before ' + words.here()}"
