"""Servers of the benchmarks, each in a process of its own that ends when its stdin is closed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_a_process(script: str, *words: str) -> Iterator[str]:
    """Run a script while the block runs, give the first line that it prints, and wait for its end.

    Raises SystemExit if it prints none.
    """
    command = [sys.executable, script, *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            if not line:
                raise SystemExit(f"{script} did not start")
            yield line
        finally:
            process.stdin.close()
            process.wait(30)
