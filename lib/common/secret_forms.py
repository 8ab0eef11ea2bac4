"""The forms in which a secret can stand in a text, and finding all of them fast.

A text is looked through as it is and in each way in which it can be decoded. First only for
whether there is a secret at all, which takes some milliseconds a megabyte and is all that nearly
every text needs. Where there is one, the text is decoded again with the place of each character,
so that just what stands for the secret is replaced.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

# A secret of this length is also found with spaces within it, as a line end becomes one where a
# message is made one line. A shorter one could be two words, or the numbers of two columns.
_LONG = 10
_SHORTEST = 6
# What was encoded twice, or in one way within another, is decoded so often.
_ROUNDS = 3

_INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff"
)
_ENDS = "\n\r\x0b\x0c\x85\u2028\u2029"
# Patterns are compiled when a text first needs them: start-up is a feature.
_LINE_END = rf"[{_INVISIBLE}]+|[ \t]*[{_ENDS}][ \t]*"
# For a secret that begins or ends with blanks of its own, which a line end beside it may not take.
_BARE_END = rf"[{_INVISIBLE}{_ENDS}]+"
_BLANK = rf"[{_INVISIBLE}\s]+"
# ASCII's part of it, which is far quicker.
_ASCII_BLANK = bytes(range(0x21)) + b"\x7f"

_HALVES = r"u([dD][89abAB][0-9a-fA-F]{2})\\+u([dD][c-fC-F][0-9a-fA-F]{2})"
_ESCAPE = (
    rf"\\+(?:{_HALVES}|u([0-9a-fA-F]{{4}})|x([0-9a-fA-F]{{2}})|U(00[01][0-9a-fA-F]{{5}})|([nrt])"
    r"|([^\w\s]))"
)
_UTF8 = (
    "{0}[0-7][0-9A-Fa-f]"
    "|{0}[cdCD][0-9A-Fa-f]{0}[89abAB][0-9A-Fa-f]"
    "|{0}[eE][0-9A-Fa-f](?:{0}[89abAB][0-9A-Fa-f]){{2}}"
    "|{0}[fF][0-7](?:{0}[89abAB][0-9A-Fa-f]){{3}}"
)


def _unescaped(found: re.Match[str]) -> str:
    high, low, *codes, control, other = found.groups()
    if high:
        return bytes.fromhex(high + low).decode("utf-16-be")
    if code := next(filter(None, codes), None):
        number = int(code, 16)
        return chr(number) if number <= 0x10FFFF else found[0]
    return str(other or {"n": "\n", "r": "\r", "t": "\t"}[control])


def _html_meaning(found: re.Match[str]) -> str:
    import html

    return html.unescape(found[0])


def _percent_meaning(found: re.Match[str]) -> str:
    digits = found[0].replace(found[0][0], "")
    return bytes.fromhex(digits).decode("utf-8", "replace")


# What an encoded character begins with, what it is, and what it stands for.
_ENCODINGS: tuple[tuple[str, str, Callable[[re.Match[str]], str]], ...] = (
    ("<", r"<w?br ?/?>", lambda m: ""),
    ("=", r"=\r?\n", lambda m: ""),  # of quoted-printable
    ("\\", _ESCAPE, _unescaped),
    ("&", r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z]+);", _html_meaning),
    ("%", _UTF8.format("%"), _percent_meaning),
    ("=", _UTF8.format("="), _percent_meaning),
)

# How a secret may begin, and end, that makes an encoded character with what stands around it.
_TAKEN = r"|[0-9a-fA-F]{1,8}|[nrt]|[xuU][0-9a-fA-F]{0,8}|#?\w{0,8};|[br /]{0,5}>"
_GIVEN = r"|[=%][0-9a-fA-F=%]{0,8}|\\[xuU]?[0-9a-fA-F]{0,8}|&[#\w]{0,8}|<[br /]{0,5}"
_LONGEST_PART = 10
# How much of a secret is left at least, by which it is found: one sign or two are everywhere, and
# a look at each place takes a millisecond.
_REST = 3
# How many characters such a part, which may be encoded too, has in a text.
_REACH = 24

# Last, without any backslash: of several nobody knows which are a secret's own.
_DECODED = (*(_ENCODINGS * _ROUNDS), ("\\", r"\\+", lambda m: ""))


class Forms:
    """Finds a number of secrets, whichever way they are written."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [_Secret(secret) for secret in secrets]

    def may_be_in(self, text: str) -> bool:
        """Return whether any secret may stand in a text: False is certain."""
        return bool(self._suspects(text))

    def hidden(self, text: str, mark: str) -> str:
        """Return a text with every secret in it replaced by the mark."""
        if not (suspects := self._suspects(text)):
            return text
        spans = {
            span
            for view in _views(text)
            for secret in suspects
            for span in secret.places(view, text)
        }
        parts, done = [], 0
        for start, end in sorted(spans):
            if start >= done:
                parts += [text[done:start], mark]
            done = max(done, end)
        return "".join([*parts, text[done:]])

    def _suspects(self, text: str) -> list[_Secret]:
        if len(text) < _SHORTEST:
            return []
        whole = b"\0".join(_bare(one) for one in _decodings(text))
        return [secret for secret in self._secrets if any(one in whole for one in secret.bare)]


class _Secret:
    """One secret in the forms that it has where nothing is left to be decoded."""

    def __init__(self, secret: str) -> None:
        forms = [secret, *_decodings(secret)]
        line_end = _LINE_END if all(form == form.strip(" \t") for form in forms) else _BARE_END
        self._blank = _BLANK if len(secret) >= _LONG else line_end
        # UTF-8 that was taken for Latin-1, as is often done.
        forms += [form.encode("utf-8", "surrogatepass").decode("latin-1") for form in forms]
        self._forms = [form for form in dict.fromkeys([*forms, *_digits(secret)]) if form.strip()]

    @cached_property
    def bare(self) -> list[bytes]:
        """The forms without blanks: where none of them is, the secret is not either."""
        found = [*self._forms, *(rest for _, rest, _ in self._parted)]
        return [bare for bare in dict.fromkeys(map(_bare, found)) if bare]

    @cached_property
    def _needles(self) -> list[str]:
        """The forms without what may break them."""
        return [needle for form in self._forms if (needle := re.sub(self._blank, "", form))]

    @cached_property
    def _parted(self) -> list[tuple[str, str, str]]:
        """The needles, each as what signs around it may take of its beginning, the rest, its end.

        Only one that has more than letters and digits is ever written otherwise than as it is.
        """
        return [
            parts
            for needle in self._needles
            if not (needle.isascii() and needle.isalnum())
            for parts in _parts(needle)
        ]

    def places(self, view: _View, original: str) -> Iterator[tuple[int, int]]:
        """Yield where in the original text the secret stands."""
        unbroken = view.replaced(self._blank, lambda found: "")
        for needle in self._needles:
            for at in _found(needle, unbroken.text):
                yield unbroken.starts[at], unbroken.ends[at + len(needle) - 1]
        for taken, rest, given in self._parted:
            for at in _found(rest, unbroken.text):
                start, end = unbroken.starts[at], unbroken.ends[at + len(rest) - 1]
                begins = range(start, max(start - _REACH, 0) - 1, -1) if taken else [start]
                ends = range(end, min(end + _REACH, len(original)) + 1) if given else [end]
                first = next((n for n in begins if self._is(taken + rest, original[n:end])), None)
                last = next((n for n in ends if self._is(rest + given, original[start:n])), None)
                if first is not None and last is not None:
                    yield first, last

    def _is(self, needle: str, text: str) -> bool:
        """Return whether a text by itself, without what stands around it, is a needle."""
        return any(re.sub(self._blank, "", one) == needle for one in _decodings(text))


def _parts(needle: str) -> Iterator[tuple[str, str, str]]:
    """Yield the ways in which the beginning or the end of a secret may be lost to a sign."""
    most = min(_LONGEST_PART, len(needle) - _REST)
    taken = [n for n in range(most + 1) if re.fullmatch(_TAKEN, needle[:n])]
    given = [n for n in range(most + 1) if re.fullmatch(_GIVEN, needle[len(needle) - n :])]
    for first in taken:
        for last in given:
            if (first or last) and first + last <= most:
                end = len(needle) - last
                yield needle[:first], needle[first:end], needle[end:]


@dataclass(frozen=True)
class _View:
    """A text that was made from another one, with where each character stood in that."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def replaced(self, what: str, by: Callable[[re.Match[str]], str]) -> _View:
        """Return the view with each match replaced."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for found in re.finditer(what, self.text):
            new = by(found)
            parts += [self.text[done : found.start()], new]
            starts += [*self.starts[done : found.start()], *[self.starts[found.start()]] * len(new)]
            ends += [*self.ends[done : found.start()], *[self.ends[found.end() - 1]] * len(new)]
            done = found.end()
        if not done:
            return self
        parts.append(self.text[done:])
        return _View("".join(parts), [*starts, *self.starts[done:]], [*ends, *self.ends[done:]])


def _found(needle: str, text: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)


def _views(text: str) -> Iterator[_View]:
    """Yield a text as it is and in each way in which it can be decoded, as ``_decodings`` does."""
    view = _View(text, range(len(text)), range(1, len(text) + 1))
    yield view
    for sign, encoded, meaning in _DECODED:
        if sign in view.text:
            before, view = view, view.replaced(encoded, meaning)
            if view is not before:
                yield view


def _decodings(text: str) -> Iterator[str]:
    yield text
    for sign, encoded, meaning in _DECODED:
        if sign in text:
            before, text = text, re.sub(encoded, meaning, text)
            if text != before:
                yield text


def _bare(text: str) -> bytes:
    """Return a text without anything that may break a secret."""
    if not text.isascii():
        text = re.sub(_BLANK, "", text)
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII_BLANK)


def _digits(secret: str) -> list[str]:
    """Return a secret in hexadecimal, in base64 and as a number."""
    data = secret.encode("utf-8", "surrogatepass")
    forms = [data.hex(), data.hex().upper()]
    for before in range(3):  # bytes that stand before it in what was encoded
        whole = binascii.b2a_base64(bytes(before) + data, newline=False).decode()
        # Digits that hold bits of what stands around it are not known.
        known = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        forms += [known, known.translate(str.maketrans("+/", "-_"))]
    if secret.isdecimal():
        forms.append(secret.lstrip("0"))
    return [form for form in dict.fromkeys(forms) if len(form) >= _SHORTEST]
