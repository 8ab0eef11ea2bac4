"""The files of an SQLite store, shared by the users of one group without a moment of doubt.

Nothing here ever opens an existing database file: closing it again would drop every lock that
SQLite holds on it in this process (POSIX locks belong to the process, not to the opener).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from common.errors import StoreLost, UserError
from common.files import read_regular
from state import advice, foreign

# Read and write for the owner and the group: actions and sensors can be different users.
SHARED = 0o660
# What SQLite and the lock add to the name of the database.
SUFFIXES = ("-wal", "-shm", ".lock")
_PATIENCE = 60.0
_BUSY_SECONDS = 30.0


def prepare(path: Path) -> None:
    """Make the database file and its lock if they are missing; raises UserError with the cure."""
    folder = path.parent
    try:
        lock = lock_of(path)
        if os.path.lexists(lock) and not stat.S_ISREG(lock.lstat().st_mode):
            raise UserError(
                f"The state store's {lock} is no regular file. Nothing was made or changed.",
                advice="See who made it, and remove it.",
            )
        if not path.exists():
            refuse_to_begin_anew(path)
        if is_private(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.is_dir():
            raise UserError(
                f"The folder of the state store, {folder}, does not exist.",
                advice="Make it for the group that actions and sensors share: "
                f"{advice.make(folder)}",
            )
        if why := foreign.why_not(path):
            raise UserError(
                f"The state store cannot be {path}: {why}. Nothing was made or changed.",
                advice="Name a file of its own in state_url, in a folder of its own.",
            )
        for file in (path, lock):
            _make(file)
            if not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
                raise PermissionError
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError
    except PermissionError:
        raise UserError(
            f"The state store {path} cannot be written by this user.",
            advice=advice.share(path),
        ) from None
    except OSError as error:
        raise UserError(f"The state store {path} cannot be made: {error.strerror}.") from None


def is_private(folder: Path) -> bool:
    """Whether a folder belongs to this user alone, being somewhere under its home."""
    try:
        home = Path.home()
    except RuntimeError:  # a container's user that has none
        return False
    return len(home.parts) > 1 and folder.is_relative_to(home)


def lock_of(path: Path) -> Path:
    """Return the file whose lock keeps openings and upgrades of a database apart."""
    return path.with_name(f"{path.name}.lock")


def remembered(path: Path) -> str | None:
    """Return the id of the store that was here when it was last opened, None if there was none."""
    try:
        return read_regular(lock_of(path)).decode(errors="replace").strip() or None
    except OSError:
        return None


def remember(path: Path, identity: str) -> None:
    """Keep a store's id beside it, so that its loss is noticed."""
    file = os.open(lock_of(path), os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(file, "w") as opened:
        opened.write(f"{identity}\n")


def refuse_to_begin_anew(path: Path) -> None:
    """Raise StoreLost if there was a store here: an empty one would do everything once more."""
    if remembered(path) is not None:
        raise lost(path, "is gone")


def lost(path: Path, how: str) -> StoreLost:
    """Return what to tell of a store that is not there any more, or not the one that was."""
    return StoreLost(
        f"The state store {path} {how}, and with it what was done: which mails were sent, which "
        "runs have begun what. Nothing is sent without it.",
        advice=f"{restore(path)} To begin with an empty one, delete {lock_of(path)} and what is "
        f"left of {path}: what was done before is then done again where it is asked for again.",
    )


def restore(path: Path) -> str:
    """Return from what a store can be restored: the newest copy beside it, else a backup."""
    copies = sorted(path.parent.glob(f"{path.name}.before-*"), key=lambda copy: copy.name)
    if not copies:
        return f"Restore it from your backup of {path.parent}."
    made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(copies[-1].stat().st_mtime))
    return (
        f"Restore it from your newest backup, or from {copies[-1]} (made {made} UTC, before the "
        "upgrade that it names): what was sent later is not in it."
    )


def copy_of(path: Path, revision: str) -> Path:
    """Return the file that keeps what a store was before it was upgraded to ``revision``."""
    return path.with_name(f"{path.name}.before-{revision}")


def copy(path: Path, connection: sqlite3.Connection, to: Path) -> None:
    """Copy a store as ``connection`` sees it, whole or not at all; raises UserError."""
    draft = path.with_name(f".{to.name}.{uuid.uuid4().hex}")
    try:
        _make(draft)
        with contextlib.closing(sqlite3.connect(draft)) as target:
            connection.backup(target)
        draft.replace(to)
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"The state store {path} has to be upgraded and cannot be copied before to {to}: "
            f"{error}. It was left as it was.",
            advice="Make room for a copy of it there.",
        ) from None
    finally:
        for suffix in ("", "-journal"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _make(path: Path) -> None:
    """Make an empty file that has its mode from the first moment it can be seen.

    Made in place it would, for an instant, be closed to the group by this user's umask.
    """
    if path.exists():
        return
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SHARED)
        try:
            os.fchmod(file, SHARED)
        finally:
            os.close(file)
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
    finally:
        made.unlink(missing_ok=True)


class FileLock:
    """An exclusive lock between processes and threads; the thread that has it may take it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._file = -1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs; raises UserError when somebody keeps it."""
        with self._thread_lock:
            if self._depth == 0:
                self._file = self._acquire()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    os.close(self._file)

    def _acquire(self) -> int:
        _make(self.path)  # in case somebody tidied it away
        file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise UserError(f"The state store's {self.path} is no regular file any more.")
        pause, until = 0.001, time.monotonic() + _PATIENCE
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return file
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise UserError(
                            f"The state store's {self.path} has been locked for {_PATIENCE:.0f} s.",
                            advice=f"See which process has it: fuser -v {self.path}",
                        ) from None
                time.sleep(pause)
                pause = min(pause * 2, 0.05)
        except BaseException:
            os.close(file)
            raise


def connect(path: Path, lock: FileLock) -> sqlite3.Connection:
    """Open one connection.

    Under the lock, because SQLite makes the -wal and -shm files closed to the group and opens
    them to it an instant later: whoever came in between would be refused.
    """
    with lock.held():
        connection = sqlite3.connect(
            # Never made here: where it was deleted, an empty one must not take its place.
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=_BUSY_SECONDS,
            check_same_thread=False,
            # Transactions are begun by the store; the driver would begin them late.
            isolation_level=None,
        )
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise UserError(
                    f"The state store {path} lies where SQLite cannot share it between processes.",
                    advice="Move it to a local disk; cloud.check tests the place.",
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
    return connection
