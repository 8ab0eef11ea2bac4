"""Telling a file of the pack's own that this user may not read from a bug in the pack."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

PACK = Path(__file__).parents[2]


def own_file(error: BaseException) -> str | None:
    """Return the sentence for an error that came of the pack's own file being closed to this user.

    None if the error came of anything else. A module in a folder that cannot be entered is, to
    Python, one that is not there.
    """
    for met in _chain(error):
        path: Path | None = None
        if isinstance(met, PermissionError) and isinstance(met.filename, (str, bytes)):
            path = Path(os.fsdecode(met.filename))
            path = path if any(path.is_relative_to(root) for root in _roots()) else None
        elif isinstance(met, ImportError):
            path = next((root for root in _roots() if not _is_open(root)), None)
        if path is not None:
            return (
                f"This user (uid {os.geteuid()}) may not read {path}, which the pack needs. Let it "
                "read the folder of the pack and the virtualenv, and enter every folder above them."
            )
    return None


def _roots() -> Iterator[Path]:
    """Yield the folders of the pack, of the virtualenv, and whatever else is imported from."""
    yield PACK
    yield from (Path(name) for name in (sys.prefix, sys.base_prefix, *sys.path) if name)


def _is_open(folder: Path) -> bool:
    if os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        return True
    try:
        folder.lstat()
    except PermissionError:
        return False
    except OSError:  # it is not there, which keeps nobody from anything
        return True
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
