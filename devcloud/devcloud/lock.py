"""One command at a time changes a devcloud."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(state: Path, name: str, command: str) -> Iterator[None]:
    """Hold the state folder's lock; wait for it, and say for whom."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / f"{name}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"waiting for {file.read().strip() or 'another command'} to end", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(f"{command} (pid {os.getpid()})")
        file.flush()
        yield
