"""Whether a file or database can be the state store: looked at before anything is made in it."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, inspect

from common.text import clean, listed
from state.schema import metadata

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
    return _not_ours(tables)


def why_not_on(engine: Engine) -> str | None:
    """Return why a server's database is not ours to make tables in, None if it is.

    Nothing is made or locked. Raises DBAPIError if it cannot be asked.
    """
    with engine.connect() as connection:
        tables = {clean(name) for name in inspect(connection).get_table_names()}
    # A server commits each table by itself: a first use that was killed leaves some of them.
    return None if tables <= {*metadata.tables, "alembic_version"} else _not_ours(tables)


def _not_ours(tables: set[str]) -> str | None:
    if tables and not tables >= _OURS:
        return f"it is the database of something else, with the tables {listed(sorted(tables), 5)}"
    return None


def _tables(path: Path) -> set[str]:
    # Immutable: neither a lock nor a -wal or -shm file is made.
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {clean(name) for (name,) in rows}
