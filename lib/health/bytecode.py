"""Whether Python can keep what it compiles of this library, or compiles it again at every start."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import cache_from_source
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
# How the files of its modules begin, as Python spells them.
_BEGINNING = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def compiled_anew() -> str | None:
    """Return why modules of the library are compiled at every start; None if they are not.

    What ``compileall`` has left is enough, even where nothing can be written.
    """
    loaded = _loaded()
    if not any(map(_is_stale, loaded)):
        return None
    if sys.dont_write_bytecode:
        return "PYTHONDONTWRITEBYTECODE is set"
    shut = sorted({str(folder) for folder in map(_folder, loaded) if not _may_write(folder)})
    return f"this user cannot write {shut[0]}" if shut else None


def command() -> str:
    """Return the command that compiles the library once, for a user who may write it."""
    return f"{shlex.quote(sys.executable)} -m compileall -q {shlex.quote(str(LIBRARY))}"


def _loaded() -> list[Path]:
    # Texts are compared: to make a path of each of a thousand modules takes 50 ms.
    names = (str(getattr(module, "__file__", "")) for module in list(sys.modules.values()))
    return [Path(name) for name in names if name.startswith(_BEGINNING) and name.endswith(".py")]


def _is_stale(source: Path) -> bool:
    """Whether the compiled file is not there, or is that of another text of the module."""
    try:
        header = Path(cache_from_source(str(source))).read_bytes()[:16]
        status = source.stat()
    except OSError:
        return True
    if int.from_bytes(header[4:8], "little"):  # by hash (PEP 552), which is Python's to compare
        return False
    seconds, size = (int.from_bytes(header[at : at + 4], "little") for at in (8, 12))
    return (seconds, size) != (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)


def _folder(source: Path) -> Path:
    return Path(cache_from_source(str(source))).parent


def _may_write(folder: Path) -> bool:
    there = folder if folder.exists() else folder.parent
    return os.access(there, os.W_OK | os.X_OK, effective_ids=True)
