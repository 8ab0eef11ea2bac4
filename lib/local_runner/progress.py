"""Progress on a terminal: a bar for the plan, a line a running step, ended ones scrolled above."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from common.duration import humanize
from common.text import clean
from engine.reporter import Tally, opening

if TYPE_CHECKING:
    from rich.console import Console

    from engine.reporter import Reporter

_STYLES = {"done": "green", "failed": "bold red", "unknown": "bold red", "left": "yellow"}
_STYLES |= {"begun": "yellow", "undone": "yellow"}
# What is answered at once needs no spinner.
_PATIENCE = 0.5


class TerminalReporter:
    """Draws what happens while the block runs; called from several threads."""

    shows_steps = True

    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name = console, name
        self.columns = console.width
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._tally = Tally()
        self._running: dict[str, tuple[str, float]] = {}
        self._spinner = Spinner("dots" if "utf" in console.encoding.lower() else "line")
        self._live = Live(
            console=console, get_renderable=self._drawn, transient=True, refresh_per_second=8
        )

    def __enter__(self) -> TerminalReporter:
        with suppress(OSError):  # see Steady
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a remark above the bar."""
        self._print(Text(clean(text)))

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        """Print which run it is."""
        with self._lock:
            self._tally.began(run, total, ended)
        self._print(Text(opening(run, clean(title), total, ended), "bold"))

    def started(self, key: str, sentence: str) -> None:
        """Show a line for the step below."""
        with self._lock:
            self._running[key] = (clean(sentence), time.monotonic())

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """Take the step's line away and print above how it ended."""
        with self._lock:
            _, since = self._running.pop(key, ("", time.monotonic()))
            self._tally.heard(key, state)
        line = Text(f"{state:<6} ", _STYLES.get(state, ""))
        line.append(clean(sentence), "default not bold")
        line.append(f": {clean(detail)}" if detail else "", "default not bold")
        line.append(f" ({humanize(time.monotonic() - since)})", "default not bold dim")
        self._print(line)

    def _print(self, line: Text) -> None:
        # Never under the lock: printing draws, and drawing takes it.
        self.console.print(line)

    def _drawn(self) -> RenderableType:
        now = time.monotonic()
        with self._lock:
            running = list(self._running.values())
            ended, total = self._tally.ended, self._tally.total
        if not total:
            running = [(self.name, self._since)] if now - self._since > _PATIENCE else []
        lines = Table.grid(padding=(0, 1), expand=True)
        lines.add_column(width=1)
        lines.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        lines.add_column(justify="right", no_wrap=True)
        for sentence, since in running:
            lines.add_row(self._spinner, Text(sentence), Text(humanize(int(now - since)), "dim"))
        if not total:
            return lines
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        bar.add_row(
            ProgressBar(total=total, completed=ended),
            Text(f"{ended} of {total} steps, {humanize(int(now - self._since))}"),
        )
        return Group(lines, bar)


class Steady:
    """Hands everything on to another reporter, and remembers the run.

    A reader or a terminal that goes away must not stop a run half-way.
    """

    def __init__(self, inner: Reporter, *, for_data: bool = False) -> None:
        """``for_data`` says that the answer goes to a program, which wants the whole of it."""
        self.inner = inner
        self.columns = 0 if for_data else inner.columns
        self.shows_steps = inner.shows_steps and not for_data
        self.run: str | None = None
        self.acted = False

    def say(self, text: str) -> None:
        """See Reporter."""
        self._tell(self.inner.say, text)

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        """See Reporter."""
        self.run = self.run or run
        self._tell(self.inner.began, run, title, total, ended)

    def started(self, key: str, sentence: str) -> None:
        """See Reporter."""
        self.acted = True
        self._tell(self.inner.started, key, sentence)

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        """See Reporter."""
        self._tell(self.inner.ended, key, clean(sentence), state, clean(detail))

    def _tell(self, tell: Callable[..., None], *what: Any) -> None:
        with suppress(OSError, ValueError):  # ValueError: the stream was closed
            tell(*what)
