"""Commands that are run to their end: installers and schema migrations."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcloud.errors import DevcloudError


def run_to_end(
    command: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None
) -> None:
    """Run a command with its output in a log, whose end is shown if it fails.

    It dies with us: what survives a killed `up` would get in the way of the next one.
    """
    setpriv = shutil.which("setpriv")
    dies_with_us = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
    with log.open("ab") as output:
        ended = subprocess.run(
            [*dies_with_us, *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if ended.returncode:
        words = " ".join(map(str, command[:4]))
        raise DevcloudError(f"{words} ... failed; the end of {log}:\n{tail(log)}")


def tail(log: Path, lines: int = 20) -> str:
    """The end of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(there is no log)"
