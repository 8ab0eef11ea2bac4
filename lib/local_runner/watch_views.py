"""How ``./runbook watch`` shows what it sees: a table that stays in place, lines, or JSON."""

from __future__ import annotations

import json
import sys
import time
from shlex import quote
from types import TracebackType
from typing import Any, Protocol

from common.duration import humanize
from common.redaction import Redactor
from common.text import clean
from observers.telling import sentence
from observing.polling import Polled
from state.observations import Found

_STYLES = {"new": "bold red", "changed": "yellow", "still": "red", "gone": "green"}


class View(Protocol):
    """Shows events, and how each poll went, while its block runs."""

    def __enter__(self) -> View:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """End."""

    def event(self, event: Found) -> None:
        """Show an event; what was shown has left this process."""

    def polled(self, name: str, polled: Polled) -> None:
        """Show how a sensor's poll of a cloud went."""

    def ruled(self, what: dict[str, Any]) -> None:
        """Show what a rule starts or would start, or how that ended."""


class Lines:
    """A line for each event, and for each trouble when it begins, changes or ends."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._troubles: dict[tuple[str, str], str] = {}

    def __enter__(self) -> View:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        return

    def event(self, event: Found) -> None:
        """Print a line."""
        self.print(self.redactor.text(sentence(event.payload)))

    def polled(self, name: str, polled: Polled) -> None:
        """Print a line if there is a new trouble, or none any more."""
        trouble = self.redactor.text(trouble_of(polled))
        if trouble != self._troubles.get((name, polled.cloud), ""):
            told = clean(trouble) or "all is seen again"
            self.print(f"{name} of {polled.cloud}: {told}")
        self._troubles[name, polled.cloud] = trouble

    def ruled(self, what: dict[str, Any]) -> None:
        """Print a line."""
        self.print(self.redactor.text(ruling(what)))

    def print(self, line: str) -> None:
        """Write a line at once."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class JsonLines(Lines):
    """A line of JSON for each event, and for each trouble."""

    def event(self, event: Found) -> None:
        """Print the event as its trigger is dispatched."""
        self._say({"trigger": event.trigger, "payload": event.payload})

    def polled(self, name: str, polled: Polled) -> None:
        """Print what was not seen."""
        if trouble := trouble_of(polled):
            self._say({"sensor": name, "cloud": polled.cloud, "error": trouble})

    def ruled(self, what: dict[str, Any]) -> None:
        """Print it as it is."""
        self._say(what)

    def _say(self, what: dict[str, Any]) -> None:
        self.print(json.dumps(self.redactor.data(what)))


class TableInPlace(Lines):
    """A table of sensors and clouds that stays in place, and events above it."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(redactor)
        from rich.live import Live

        from local_runner.screen import console

        self._console = console(sys.stdout)
        self._seen: dict[tuple[str, str], tuple[Polled, float]] = {}
        self._live = Live(console=self._console, get_renderable=self._drawn, refresh_per_second=1)

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._live.stop()

    def event(self, event: Found) -> None:
        """Print the event above the table."""
        from rich.text import Text

        change = event.payload["change"]
        line = self.redactor.text(sentence(event.payload))
        self._console.print(Text(line, _STYLES.get(change, "")))

    def print(self, line: str) -> None:
        """Print a line above the table."""
        from rich.text import Text

        self._console.print(Text(line))

    def polled(self, name: str, polled: Polled) -> None:
        """Bring the row up to date."""
        self._seen[name, polled.cloud] = (polled, time.monotonic())
        self._live.refresh()

    def _drawn(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(expand=True, box=None)
        for head in ("sensor", "cloud", "sees", "looked"):
            table.add_column(head, ratio=4 if head == "sees" else None)
        for (name, cloud), (polled, at) in list(self._seen.items()):
            trouble = clean(self.redactor.text(trouble_of(polled)))
            states = ", ".join(f"{n} {state}" for state, n in sorted(polled.states.items()))
            sees = Text(states or ("" if trouble else "nothing"))
            if trouble:
                sees.append(f"{'; ' if states else ''}{trouble}", "red")
            ago = f"{humanize(int(time.monotonic() - at))} ago"
            table.add_row(Text(name), Text(cloud), sees, Text(ago, "dim"))
        return table


def ruling(what: dict[str, Any]) -> str:
    """Return what a rule does in a line."""
    told = f"rule {what['rule']}"
    if "error" in what:
        return f"{told} starts nothing: {clean(what['error'])}"
    if "ended" in what:
        return f"{told}: {what['action']}: {what['ended']}"
    words = [
        f"{name}={quote(value if isinstance(value, str) else json.dumps(value))}"
        for name, value in what["parameters"].items()
    ]
    verb = "starts" if what["enabled"] else "is disabled; it would start"
    return f"{told} {verb} {' '.join([what['action'], *words])}"


def trouble_of(polled: Polled) -> str:
    """Return what is wrong with a poll, "" if nothing is."""
    if polled.waits_for:
        return f"polled by {polled.waits_for}"
    return polled.error or ""
