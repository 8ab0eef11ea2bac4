"""The environment of a process whose start is measured."""

from __future__ import annotations

import os


def with_bytecode(folder: str) -> dict[str, str]:
    """Return this environment, but that modules are compiled once, into ``folder``.

    A shell may forbid to write bytecode; then each process would compile what was changed since.
    """
    kept = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}
