"""Opening the state store: one database, made on first use, safe to open from many processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from state import engines, files
from state.retries import is_conflict, not_answered, reason
from state.schema import HEAD
from workflow_api.errors import UserError

_PATIENCE = 60.0
_NO_SUCH_TABLE = 1146


class Store:
    """A connection pool on the state database, with its schema at this code's version."""

    def __init__(self, url: str) -> None:
        """Open the store at an SQLAlchemy ``url``; raises UserError that says what to do."""
        self.url = engines.parsed(url)
        self.path = Path(self.url.database or "") if self.is_sqlite else None
        if self.path is not None:
            files.prepare(self.path)
            self._lock = files.FileLock(files.lock_of(self.path))
            self.engine = engines.sqlite_engine(self.url, self.path, self._lock)
        else:
            self.engine = engines.mariadb_engine(self.url)
        try:
            self._bring_up_to_date()
        except DBAPIError as error:
            self.close()
            raise UserError(
                f"The state store {self.shown} cannot be opened: {reason(error)}.",
                advice="Check state_url in the pack's configuration; cloud.check tests it.",
            ) from None
        except InvalidRequestError:
            self.close()
            raise UserError(
                f"The server of the state store {self.shown} is not MariaDB.",
                advice="Give state_url a MariaDB server or an SQLite file.",
            ) from None
        except BaseException:
            self.close()
            raise

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
        complete = False
        try:
            with self.engine.begin() as connection:
                yield connection
                complete = True
        except DBAPIError as error:
            if complete and not is_conflict(error):
                # Its commit was sent and not answered, so it must not be repeated.
                doubt = " The last entry may or may not have been written."
                raise not_answered(error, doubt=doubt) from error
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run one read-only transaction, which never waits for a writer."""
        with self.engine.connect() as connection:
            yield connection.execution_options(reading=True)

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

                with self.transaction() as connection:
                    upgrade(connection)

    def _revision(self) -> str | None:
        """Return the schema's version, None if there is none."""
        try:
            with self.reading() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version"))
                return found.scalar()
        except DBAPIError as error:
            missing = error.orig is not None and (
                "no such table" in str(error.orig) or error.orig.args[0] == _NO_SUCH_TABLE
            )
            if missing:
                return None
            raise

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Hold the lock under which the schema is made or upgraded, across processes."""
        if self.is_sqlite:
            with self._lock.held():
                yield
            return
        with self.engine.connect() as connection:
            name = {"name": f"openstack_ops.{self.url.database}"[:64]}
            until = time.monotonic() + _PATIENCE
            while connection.execute(text("SELECT GET_LOCK(:name, 5)"), name).scalar() != 1:
                if time.monotonic() > until:
                    raise UserError(
                        f"The schema of {self.shown} has been locked for {_PATIENCE:.0f} s.",
                        advice="Another process is upgrading it; try again when it has finished.",
                    )
            try:
                yield
            finally:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)
