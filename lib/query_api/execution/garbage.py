"""Python's garbage collector, at rest while many rows come to be.

It goes through all lists and maps there are, again each time a quarter more has come: columns of
them took it as long as reading them. Nothing that is read has cycles, so there is nothing for it
to find: what is not used any more is freed without it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_resting = 0
_was_enabled = False


@contextmanager
def at_rest() -> Iterator[None]:
    """Let it rest while the block runs; in several threads at once, until the last has left."""
    global _resting, _was_enabled
    with _lock:
        if not _resting:
            _was_enabled = gc.isenabled()
            gc.disable()
        _resting += 1
    try:
        yield
    finally:
        with _lock:
            _resting -= 1
            if not _resting and _was_enabled:
                gc.enable()
