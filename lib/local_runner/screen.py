"""The terminal, or what stands in for one: colours, width, and whether an answer arrived."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from common.text import clean

if TYPE_CHECKING:
    from rich.console import Console


class AnswerLost(OSError):
    """What was written to stdout did not arrive: a full disk, a closed descriptor or pipe."""


class Answers:
    """Stdout, but what it cannot take raises AnswerLost: no other OSError is meant by that."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; raises AnswerLost."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise AnswerLost(error.errno, error.strerror) from None

    def flush(self) -> None:
        """Write what is buffered; raises AnswerLost."""
        try:
            self._stream.flush()
        except OSError as error:
            raise AnswerLost(error.errno, error.strerror) from None


def tell_lost(error: OSError, advice: str = "") -> None:
    """Say on stderr that an answer did not arrive; a reader that went away is not complained of."""
    forget(sys.stdout)
    if error.errno != errno.EPIPE:
        with suppress(OSError):
            why = f"The answer could not be written: {error.strerror}."
            sys.stderr.write(f"runbook: {' '.join(filter(None, [why, advice]))}\n")
            sys.stderr.flush()
    forget(sys.stderr)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at ``stream`` on something that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def console(stream: TextIO) -> Console:
    """Return a console that does not interpret text as markup; colours only on a terminal."""
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
    """Have both streams there, and what their encoding cannot show come out as escapes.

    A standard descriptor that was closed is taken, or the next file that is opened would get its
    number and whatever is printed. Stdout then refuses what is written; stderr swallows it.
    """
    while (taken := os.open(os.devnull, os.O_RDONLY)) <= 2:
        os.set_inheritable(taken, True)
    os.close(taken)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def clean_lines(text: str) -> str:
    """Return ``text`` with each of its lines safe to show."""
    return "\n".join(clean(line) for line in text.split("\n"))
