"""Progress: what an operator sees while a plan runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol

from common.duration import humanize
from common.text import clean, count


class Reporter(Protocol):
    """Is told what happens; called from several threads.

    ``columns`` is how wide the screen is that the answer will stand on (0: as wide as it likes),
    ``shows_steps`` whether whoever reads the answer has seen each step end already.
    """

    columns: int
    shows_steps: bool

    def say(self, text: str) -> None:
        """A remark that is not about one step."""

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        """A run (or a child run) of ``total`` steps is worked on.

        ``ended`` are the keys of those that have ended before, by which progress counts on.
        """

    def started(self, key: str, sentence: str) -> None:
        """A step starts, or its outcome is being looked up."""

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """An attempt at a step ended.

        ``state`` is done, failed, skipped, begun (in part), unknown, absent (looked up), undone or
        left. ``key`` is the step's in all runs of the process.
        """


class Aside:
    """A reporter that passes remarks on and says nothing of steps."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.columns, self.shows_steps = reporter.columns, reporter.shows_steps
        self.say = reporter.say

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        """Say nothing."""

    def started(self, key: str, sentence: str) -> None:
        """Say nothing."""

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """Say nothing."""


class Tally:
    """How many steps there are in all runs that a process works on, and how many have ended.

    A step counts once, whatever is done about it: looked up, undone, tried again.
    """

    _ENDED = frozenset({"done", "failed", "skipped", "undone"})

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._keys: set[str] = set()

    @property
    def total(self) -> int:
        """The steps that there are, as far as plans are drawn."""
        return sum(self._totals.values())

    @property
    def ended(self) -> int:
        """The steps that have come to an end."""
        return len(self._keys)

    def began(self, run: str, total: int, ended: Collection[str]) -> None:
        """Count a run's steps; it may be told of several times."""
        self._totals[run] = total
        self._keys.update(ended)

    def heard(self, key: str, state: str) -> None:
        """Count a step if it has come to an end in that state."""
        if state in self._ENDED:
            self._keys.add(key)

    def __str__(self) -> str:
        return f"{self.ended}/{self.total}"


def opening(run: str, title: str, total: int, ended: Collection[str]) -> str:
    """Return the line with which a run begins: its id first, which every command asks for."""
    done = f", {len(ended)} of them ended before" if ended else ""
    return f"run {run}: {title}: {count(total, 'step')}{done}"


class Voice:
    """Hands everything on to a reporter as clean lines without secrets.

    What cannot be shown must not stop a run: if the reporter fails, as when nobody reads its
    pipe any more, the run goes on in silence.
    """

    def __init__(self, reporter: Reporter, redact: Callable[[str], str]) -> None:
        self._reporter, self._redact = reporter, redact
        self.columns, self.shows_steps = reporter.columns, reporter.shows_steps

    def say(self, text: str) -> None:
        """Hand a remark on."""
        with suppress(Exception):
            self._reporter.say(self._line(text))

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        """Hand on that a run begins."""
        with suppress(Exception):
            self._reporter.began(run, self._line(title), total, ended)

    def started(self, key: str, sentence: str) -> None:
        """Hand on that a step starts."""
        with suppress(Exception):
            self._reporter.started(key, self._line(sentence))

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """Hand on how a step ended."""
        with suppress(Exception):
            self._reporter.ended(key, self._line(sentence), state, self._line(detail))

    def _line(self, text: str) -> str:
        return clean(self._redact(text))  # cleaned before, a broken secret is not found


class LineReporter:
    """One line a step on stdout, which ``st2 execution tail`` and a pipe show as it happens."""

    columns = 0
    # They are on stdout; a stored result is read without it.
    shows_steps = False

    def __init__(self) -> None:
        self._tally = Tally()
        self._since: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print a remark."""
        self._print(clean(text))

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        """Print which run it is."""
        self._tally.began(run, total, ended)
        self._print(opening(run, title, total, ended))

    def started(self, key: str, sentence: str) -> None:
        """Print that a step starts."""
        self._since[key] = time.monotonic()
        self._print(f"start  {sentence}")

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """Print how a step ended, with the count of ended steps and the time it took."""
        self._tally.heard(key, state)
        took = time.monotonic() - self._since.pop(key, time.monotonic())
        after = f": {detail}" if detail else ""
        self._print(f"{state:<6} {sentence}{after} ({humanize(took)}) [{self._tally}]")

    def _print(self, line: str) -> None:
        """Write a line at once, so that lines of several threads never mix."""
        # A terminal that is not UTF-8 gets what it can show.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
