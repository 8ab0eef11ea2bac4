"""What is said of a thing that was not found: that it is not there, or only that it may be where
nobody could look."""

from __future__ import annotations

from collections.abc import Sequence

from common.errors import CloudError, NotFound, RunbookError
from common.text import clean, listed


def absent(error: NotFound, reasons: Sequence[tuple[str, str]]) -> RunbookError:
    """Return the error to raise for what is not among the things that were read.

    That is ``error`` where everything was read, and a CloudError where ``reasons`` (what is
    missing, and why) say that it was not: nobody knows then that the thing is not there.
    """
    if not reasons:
        return error
    why = listed((f"{what}: {said.rstrip('.')}" for what, said in reasons), 3)
    return CloudError(
        f"Whether there is {error.kind} {clean(error.wanted)!r} is not known, because not all "
        f"could be read: {why}.",
        advice="Try again when the cloud is whole.",
    )
