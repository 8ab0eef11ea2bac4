"""Reading what an operator types: words, quotes, and messages that point at the place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from common.errors import UserError
from common.text import near, shorten, width

_SPACE = re.compile(r"\s+")
# What a property's name is made of when it is not quoted; a key of a map may be any text.
PATH = re.compile(r"[\w.:\-*@/]+")
_HERE = re.compile(r"[^\s,;()]+|.")
QUOTES = "'\""
# Office programs and chats put these in place of the straight ones.
_CURLY = frozenset("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u00b4`")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BREAKS = "\t\r\n"
# How much of a long text is shown around the place, in characters, and of a word.
_BEFORE, _SHOWN, _WORD = 40, 76, 40


class Words:
    """A text and how far it has been read; ``at`` is the offset of the next character.

    Raises UserError for a text that holds control or invisible characters: pasted from somewhere,
    they would make a condition that no value meets.
    """

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        if text.isprintable():
            return
        found = [c for c in set(text) if _hidden(c) and c not in _BREAKS]
        if found:
            place = min(map(text.index, found))
            code = f"U+{ord(text[place]):04X}"
            raise self.wrong(f"this is a control or invisible character ({code})", place)

    def ended(self) -> bool:
        """Skip white space; return whether nothing follows it."""
        text, at = self.text, self.at
        if at < len(text) and text[at].isspace():
            found = _SPACE.match(text, at)
            self.at = at = found.end() if found else at
        return at >= len(text)

    def next_is(self, character: str) -> bool:
        """Return whether the next character, white space aside, is this one."""
        return not self.ended() and self.text[self.at] == character

    def take(self, character: str) -> bool:
        """Read one character if it is the next, white space aside."""
        found = self.next_is(character)
        self.at += found
        return found

    def match(self, pattern: re.Pattern[str]) -> str:
        """Read what the pattern matches here, white space aside; nothing if it does not."""
        self.ended()
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def quoted(self) -> str:
        """Read a quoted text that starts here. A doubled quote stands for itself; a backslash is
        an ordinary character, so that regular expressions stay as they are typed."""
        start, mark = self.at, self.text[self.at]
        parts: list[str] = []
        after = start + 1
        while True:
            end = self.text.find(mark, after)
            if end < 0:
                raise self.wrong(f"the quote {mark} is not closed", start)
            parts.append(self.text[after:end])
            after = end + 1
            if not self.text.startswith(mark, after):
                break
            after += 1
        found = mark.join(parts)
        broken = min((i for c in _BREAKS if (i := self.text.find(c, start, end)) >= 0), default=-1)
        if broken >= 0:
            raise self.wrong("a quoted text holds no tabs and no line breaks", broken)
        self.at = after
        return found

    def value(self, pattern: re.Pattern[str]) -> str:
        """Read a quoted text, or what the pattern matches; nothing if it does not."""
        self.straight()
        return self.quoted() if self.text.startswith((*QUOTES,), self.at) else self.match(pattern)

    def path(self, pattern: re.Pattern[str] = PATH) -> str:
        """Read the name of a property: nothing if there is none here. Parts of it, from a dot on,
        or all of it may be quoted; a star that is a part keeps its quotes."""
        self.straight()
        start = self.at
        parts: list[str] = []
        while self.at < len(self.text):
            if self.text[self.at] in QUOTES and (not parts or parts[-1].endswith(".")):
                part = self.quoted()
                parts.append('"*"' if parts and part == "*" else part)
                if not self.text.startswith(".", self.at):
                    break
            found = pattern.match(self.text, self.at)
            if found is None:
                break
            self.at = found.end()
            parts.append(found.group())
        path = "".join(parts)
        if self.at > start and not path:
            raise self.wrong("the name of a property cannot be empty", start)
        return path

    def straight(self) -> None:
        """Skip white space; raise UserError if a curly quote follows, which quotes nothing."""
        if not self.ended() and (mark := self.text[self.at]) in _CURLY:
            raise self.wrong(f"{mark} is not a quote here: write ' or \"")

    def here(self) -> str:
        """Return the next word, in quotes and not too long, for a message."""
        self.ended()
        found = _HERE.match(self.text, self.at)
        return shown(found.group() if found else "")

    def wrong(self, message: str, at: int | None = None) -> UserError:
        """Return the error that points at a place, by default where reading has come to."""
        return UserError(pointed(self.text, self.at if at is None else at, message))


def _hidden(character: str) -> bool:
    """Return whether this is a control character or one that nobody sees."""
    return unicodedata.category(character) in _HIDDEN


def shown(word: str) -> str:
    """Return a word in quotes and not too long, for a message."""
    return repr(shorten(word[: 2 * _WORD], _WORD))


def meant(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean any_in?``, or nothing if none of the known words is near."""
    found = near(word[: 2 * _WORD], known, 2)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def pointed(text: str, at: int | None, message: str) -> str:
    """Return the message with its place in the text, the line it stands in and a caret under it.

    ``at`` is a character's offset from 0; without one there is only the message. Of a long line
    the part around the place is shown. People count from 1, and so does the message.
    """
    if at is None:
        return message
    at = max(0, min(at, len(text)))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start:] if end < 0 else text[start:end]
    number = text.count("\n", 0, at) + 1
    place = f"line {number}, character" if number > 1 else "character"
    column = at - start
    first = max(0, column - _BEFORE) if len(line) > _SHOWN else 0
    before = ("…" if first else "") + _visible(line[first:column])
    after = _visible(line[column : first + _SHOWN]) + ("…" if first + _SHOWN < len(line) else "")
    return (
        f"At {place} {column + 1}: {message}\n"
        f"  {before}{after.rstrip()}\n"
        f"  {' ' * width(before)}^"
    )


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def written(value: str, plain: re.Pattern[str], reserved: frozenset[str] = frozenset()) -> str:
    """Return a value or name as it is typed: in quotes unless it is wholly ``plain`` and not
    reserved. Control characters, which no text of ours may hold, are shown by their escapes."""
    if plain.fullmatch(value) and value.lower() not in reserved:
        return value
    if not value.isprintable():
        value = "".join(ascii(c)[1:-1] if _hidden(c) else c for c in value)
    mark = "'" if '"' in value and "'" not in value else '"'
    return mark + value.replace(mark, mark * 2) + mark
