"""What the commands print while they work."""

import time
from collections.abc import Callable

Say = Callable[[str], None]


def clock() -> Say:
    """A function that prints a line with the seconds since now."""
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - start:6.1f} s] {line}", flush=True)

    return say
