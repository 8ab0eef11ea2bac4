"""Progress: what an operator sees while a plan runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from workflow_api.duration import humanize
from workflow_api.text import clean


class Reporter(Protocol):
    """Is told what happens; called from several threads.

    ``columns`` is how wide the screen is that the answer will stand on (0: as wide as it likes),
    ``shows_steps`` whether whoever reads the answer has seen each step end already.
    """

    columns: int
    shows_steps: bool

    def say(self, text: str) -> None:
        """A remark that is not about one step."""

    def began(self, run: str, title: str, total: int) -> None:
        """A run (or a child run) of ``total`` steps begins."""

    def started(self, key: str, sentence: str) -> None:
        """A step starts, or its outcome is being looked up."""

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """A step ended: done, failed, skipped, unknown, absent (looked up), undone or left."""


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

    def began(self, run: str, title: str, total: int) -> None:
        """Hand on that a run begins."""
        with suppress(Exception):
            self._reporter.began(run, self._line(title), total)

    def started(self, key: str, sentence: str) -> None:
        """Hand on that a step starts."""
        with suppress(Exception):
            self._reporter.started(key, self._line(sentence))

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """Hand on how a step ended."""
        with suppress(Exception):
            self._reporter.ended(key, self._line(sentence), state, self._line(detail))

    def _line(self, text: str) -> str:
        return self._redact(clean(text))


class LineReporter:
    """One line a step on stdout, which ``st2 execution tail`` and a pipe show as it happens."""

    columns = 0
    # They are on stdout; a stored result is read without it.
    shows_steps = False

    def __init__(self) -> None:
        self._total = self._ended = 0
        self._since: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print a remark."""
        self._print(clean(text))

    def began(self, run: str, title: str, total: int) -> None:
        """Print the run's id first: it is what every other command asks for."""
        self._total += total
        self._print(f"run {run}: {title}: {total} steps")

    def started(self, key: str, sentence: str) -> None:
        """Print that a step starts."""
        self._since[key] = time.monotonic()
        self._print(f"start  {sentence}")

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """Print how a step ended, with the count of ended steps and the time it took."""
        self._ended += 1
        took = time.monotonic() - self._since.pop(key, time.monotonic())
        after = f": {detail}" if detail else ""
        where = f"[{self._ended}/{self._total}]"
        self._print(f"{state:<6} {sentence}{after} ({humanize(took)}) {where}")

    def _print(self, line: str) -> None:
        """Write a line at once, so that lines of several threads never mix."""
        # A terminal that is not UTF-8 gets what it can show.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
