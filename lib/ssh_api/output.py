"""What a command prints: decoded, in lines, and only so much of it."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable

# A bar of progress ends its lines with a carriage return.
_LINE_END = re.compile(r"\r\n|\n|\r")
# What has no line ends is cut into lines of so many characters.
_LONGEST_LINE = 4000
# Characters that are kept of the start, and of the end.
FIRST, LAST = 16_000, 48_000


class Lines:
    """One stream of bytes as lines of text. What is no UTF-8 becomes a replacement character."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._open = ""

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Take in bytes, and hand on each line that they complete; all of it at the ``last``."""
        text = self._open + self._decoder.decode(data, final=last)
        # A line feed that belongs to a carriage return may be still to come.
        held = "\r" if text.endswith("\r") and not last else ""
        *lines, self._open = _LINE_END.split(text[: len(text) - len(held)])
        for line in lines:
            self._hand_on(line)
        while len(self._open) > _LONGEST_LINE:
            self._take(self._open[:_LONGEST_LINE])
            self._open = self._open[_LONGEST_LINE:]
        self._open += held
        if last and self._open:
            self._take(self._open)
            self._open = ""

    def _hand_on(self, line: str) -> None:
        for start in range(0, max(len(line), 1), _LONGEST_LINE):
            self._take(line[start : start + _LONGEST_LINE])


class Kept:
    """The start and the end of some lines, in bounded memory, and how much was between them."""

    def __init__(self, first: int = FIRST, last: int = LAST) -> None:
        self._room, self._most = first, last
        self._first: list[str] = []
        self._last: deque[str] = deque()
        self._size = 0
        self.left_out = 0

    def add(self, line: str) -> None:
        """Keep a line, if need be in place of earlier ones."""
        if self._room > len(line) and not self._last:
            self._first.append(line)
            self._room -= len(line) + 1
            return
        self._last.append(line)
        self._size += len(line) + 1
        while self._size > self._most:
            dropped = len(self._last.popleft()) + 1
            self._size -= dropped
            self.left_out += dropped

    @property
    def text(self) -> str:
        """All that is kept, with a line that says how much is not."""
        gap = [f"[... {self.left_out} characters left out ...]"] if self.left_out else []
        return "\n".join([*self._first, *gap, *self._last])

    @property
    def end(self) -> str:
        """The last line that says anything."""
        lines = [*self._first, *self._last]
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
