"""Whether other users can read what the tests of several users have them read."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def why_one_user() -> str:
    """Return why tests as several users cannot be here, "" if they can."""
    if os.geteuid() != 0:
        return "only root can become other users"
    for path in (REPOSITORY / "lib", Path(sys.prefix), Path(sys.base_prefix)):
        for folder in (path.resolve(), *path.resolve().parents):
            if not folder.stat().st_mode & stat.S_IXOTH:
                return f"other users cannot enter {folder}"
    return ""
