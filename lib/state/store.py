"""Opening the state store: one database, made on first use, safe to open from many processes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from state.schema import HEAD
from workflow_api.errors import UserError

# Read and write for the owner and the group: actions and sensors can be different users.
_SHARED = 0o660
_LOCK_SECONDS = 60
# MariaDB: lock wait timeout, deadlock, record changed since last read (11.6 and later).
_TRY_AGAIN = {1205, 1213, 1020}


class Store:
    """A connection pool on the state database, with its schema at this code's version."""

    def __init__(self, url: str) -> None:
        """Open the store at an SQLAlchemy ``url``; raises UserError that says what to do."""
        self.url = _parsed(url)
        self.path = Path(self.url.database or "") if self.is_sqlite else None
        if self.path is not None:
            _prepare_file(self.path)
        self.engine = _engine(self.url)
        try:
            self._bring_up_to_date()
        except OperationalError as error:
            raise UserError(
                f"The state store {self.shown} cannot be opened: {_reason(error)}.",
                advice="Check state_url in the pack's configuration; cloud.check tests it.",
            ) from None

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is a file on this machine."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run one read-write transaction: committed as a whole or not at all."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run one read-only transaction, which never waits for a writer."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(reading=True)
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _bring_up_to_date(self) -> None:
        if self._revision() == HEAD:
            return
        with self._exclusively():
            found = self._revision()
            if found is not None and found > HEAD:
                raise UserError(
                    f"The state store {self.shown} was made by a newer version of this pack "
                    f"(schema {found}, this one knows {HEAD}).",
                    advice="Upgrade the pack on this machine.",
                )
            if found != HEAD:
                from state.upgrade import upgrade

                with self.engine.begin() as connection:
                    upgrade(connection)

    def _revision(self) -> str | None:
        try:
            with self.reading() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version"))
                return found.scalar()
        except (OperationalError, ProgrammingError) as error:
            if "alembic_version" in str(error.orig):
                return None
            raise

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Hold the lock under which the schema is made or upgraded, across processes."""
        if self.path is not None:
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, _SHARED)
            try:
                _share(lock)
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
            return
        with self.engine.connect() as connection:
            name = {"name": f"openstack_ops.{self.url.database}"[:64], "wait": _LOCK_SECONDS}
            if connection.execute(text("SELECT GET_LOCK(:name, :wait)"), name).scalar() != 1:
                raise UserError(
                    f"The schema of {self.shown} has been locked for {_LOCK_SECONDS} s.",
                    advice="Another process is upgrading it; try again when it has finished.",
                )
            try:
                yield
            finally:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)


def retried(function: Any) -> Any:
    """Repeat a whole transaction that the database gave up because of another one."""
    return retry(
        retry=retry_if_exception(_is_conflict),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_delay(30),
        reraise=True,
    )(function)


def _is_conflict(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, sqlite3.OperationalError):
        return "locked" in str(cause)
    return isinstance(error, DBAPIError) and bool(cause.args) and cause.args[0] in _TRY_AGAIN


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UserError(
            "state_url is not a database URL.",
            advice="Write it like sqlite:////var/lib/openstack_ops/state.db "
            "or mariadb+pymysql://user:password@host/openstack_ops.",
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "mysql", "mariadb"):
        raise UserError(
            f"state_url: {parsed.get_backend_name()} is not supported.",
            advice="Use SQLite or MariaDB.",
        )
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_absolute():
        raise UserError(
            "state_url: the path of a SQLite file must be absolute (four slashes).",
            advice="Write it like sqlite:////var/lib/openstack_ops/state.db.",
        )
    return parsed


def _prepare_file(path: Path) -> None:
    """Make the database file readable and writable by its group before SQLite opens it.

    SQLite gives the journal files beside it the same mode.
    """
    if not path.parent.is_dir():
        raise UserError(
            f"The folder of the state store, {path.parent}, does not exist.",
            advice="Make it for the group that actions and sensors share, as: "
            f"install -d -m 2770 -g st2packs {path.parent}",
        )
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, _SHARED)
    except PermissionError:
        raise UserError(
            f"The state store {path} cannot be written by this user.",
            advice=f"Give its group access: chmod 2770 {path.parent}; chmod 660 {path}*",
        ) from None
    try:
        _share(file)
    finally:
        os.close(file)


def _share(file: int) -> None:
    status = os.fstat(file)
    # Only the owner may change the mode; the owner is who made the file and did so here.
    if status.st_uid == os.geteuid() and status.st_mode & 0o777 != _SHARED:
        os.fchmod(file, _SHARED)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    engine = create_engine(
        url, pool_pre_ping=True, pool_recycle=1800, isolation_level="READ COMMITTED"
    )
    event.listen(engine, "connect", _mysql_connected)
    return engine


def _sqlite_connected(connection: Any, record: Any) -> None:
    # Transactions are begun here (below), not by the driver, which would begin them late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


@retried
def _write_ahead(cursor: Any) -> None:
    cursor.execute("PRAGMA journal_mode = WAL")


def _sqlite_begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock first: what is read in the transaction stays true in it.
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _mysql_connected(connection: Any, record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().rstrip(".")
