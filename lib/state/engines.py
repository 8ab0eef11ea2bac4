"""From a state_url to a pool of connections that are set up as the journal needs them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from common.errors import UserError
from common.files import read_regular
from common.text import clean, listed
from state import files
from state.clock import STEADY_NOW

_EXAMPLES = (
    "Write it like sqlite:////var/lib/openstack_ops/state.db "
    "or mariadb+pymysql://user:password@host/openstack_ops."
)
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "mariadb": "mariadb+pymysql",
    "mariadb+pymysql": "mariadb+pymysql",
    "mysql": "mariadb+pymysql",
    "mysql+pymysql": "mariadb+pymysql",
}
# Seconds after which a MariaDB that says nothing is given up; longer than any lock is waited for.
_SILENCE = {"connect_timeout": 10, "read_timeout": 60, "write_timeout": 60}
_SESSION = (
    "SET time_zone = '+00:00', innodb_lock_wait_timeout = 10, "
    # Too long a key is refused: cut short, two could become one.
    "sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
)


# What names a file in the options of MariaDB's driver.
_FILES = frozenset({"ssl_ca", "ssl_cert", "ssl_key", "read_default_file"})


def parsed(url: str) -> URL:
    """Return a state_url with its driver named; raises UserError that says how to write it."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise UserError("state_url is not a database URL.", advice=_EXAMPLES) from None
    driver = _DRIVERS.get(found.drivername)
    if driver is None:
        raise UserError(f"state_url: {found.drivername} is not supported.", advice=_EXAMPLES)
    if driver == "sqlite" and not Path(found.database or "").is_absolute():
        raise UserError(
            "state_url: the path of a SQLite file must be absolute (four slashes).",
            advice=_EXAMPLES,
        )
    # SQLAlchemy 2.1 has undone the quoting of a path by now, 2.0 has not.
    if driver == "sqlite" and not unquote(str(found.database)).isprintable():
        raise UserError("state_url: the path has a control character in it.", advice=_EXAMPLES)
    if driver == "sqlite" and found.query:
        raise UserError(
            f"state_url: an SQLite file takes no options ({listed(found.query)}).",
            advice=_EXAMPLES,
        )
    for key in _FILES & found.query.keys():
        _check_file(key, str(found.query[key]))
    if not found.database:
        raise UserError("state_url names no database.", advice=_EXAMPLES)
    return found.set(drivername=driver)


def _check_file(key: str, path: str) -> None:
    """Raise UserError for what the driver would wait for, or read for ever."""
    try:
        read_regular(path)
    except OSError as error:
        raise UserError(
            f"state_url: {clean(path)}, which {key} names, cannot be read: {clean(error.strerror)}."
        ) from None


def sqlite_engine(url: URL, path: Path, lock: files.FileLock, clock: Callable[[], float]) -> Engine:
    """Return a pool of connections to an SQLite file, which tell the time by ``clock``."""

    def connect() -> sqlite3.Connection:
        connection = files.connect(path, lock)
        connection.create_function(STEADY_NOW, 0, clock)
        return connection

    engine = create_engine(url, creator=connect, json_serializer=_as_json)
    event.listen(engine, "begin", _begin)
    return engine


def mariadb_engine(url: URL) -> Engine:
    """Return a pool of connections to a MariaDB server."""
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        json_serializer=_as_json,
        connect_args={key: value for key, value in _SILENCE.items() if key not in url.query},
    )
    event.listen(engine, "connect", _connected)
    return engine


# NaN and Infinity are no JSON: MariaDB refuses them, so SQLite must not take them either.
_as_json = partial(json.dumps, allow_nan=False, separators=(",", ":"))


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock first: what is read in the transaction stays true in it.
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _connected(connection: Any, record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
