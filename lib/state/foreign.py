"""Whether a file can be the state store: looked at before anything is made beside it or in it."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from workflow_api.text import clean, listed

# Every store has this table, and it is made with the first of the others.
_OURS = {"runs", "steps", "claims"}
# One page of the smallest size there is (SQLite's file format, 1.3.2).
_SMALLEST = 512
_NO_DATABASE = "it is no SQLite database"


def why_not(path: Path) -> str | None:
    """Return why a file is not ours to open as a state store, None if it is or is not there yet.

    Nothing is made, locked or changed. SQLite itself reads, because closing a file that was opened
    in any other way would drop the locks that SQLite holds on it in this process.
    """
    try:
        status = path.stat()
    except OSError:  # not there, or not to be seen: who opens it says so
        return None
    if stat.S_ISDIR(status.st_mode):
        return "it is a folder"
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if not status.st_size:
        return None
    if status.st_size < _SMALLEST:  # which SQLite takes for an empty one, and writes over
        return _NO_DATABASE
    try:
        tables = _tables(path)
    except sqlite3.OperationalError:  # unreadable by this user, or locked: who opens it says so
        return None
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            return _NO_DATABASE
        return None  # damaged: who opens it says so
    if tables and not tables >= _OURS:
        return f"it is the database of something else, with the tables {listed(sorted(tables))}"
    return None


def _tables(path: Path) -> set[str]:
    # Immutable: neither a lock nor a -wal or -shm file is made.
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {clean(name) for (name,) in rows}
