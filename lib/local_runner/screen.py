"""The terminal, or what stands in for one: when there are colours and how wide it is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from workflow_api.text import clean

if TYPE_CHECKING:
    from rich.console import Console


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at ``stream`` on something that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def console(stream: TextIO) -> Console:
    """Return a console that takes no text for markup and has colours only on a terminal."""
    from rich.console import Console

    class Quiet(Console):
        """A console whose reader may go away."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            forget(stream)

    return Quiet(
        file=stream,
        force_terminal=is_terminal(stream),
        no_color=bool(os.environ.get("NO_COLOR")),
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=not is_terminal(stream),
    )


def forget(stream: TextIO) -> None:
    """Let what is still to be written to a reader that is gone go nowhere, without an error."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def forgiving() -> None:
    """Make what the terminal's encoding cannot show come out as escapes, not as an error."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def clean_lines(text: str) -> str:
    """Return ``text`` with each of its lines safe to show."""
    return "\n".join(clean(line) for line in text.split("\n"))
