"""Opening the state store: one database, made on first use, safe to open from many processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select, text, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from common.errors import StoreError, StoreLost, UserError
from state import engines, files, foreign
from state.clock import SteadyClock
from state.retries import is_conflict, is_damaged, is_missing, not_answered, reason
from state.schema import HEAD, identity, observations, runs

_PATIENCE = 60.0
# The revision since which a store has an id.
_NAMED_SINCE = "0003"


class Store:
    """A connection pool on the state database, with its schema at this code's version."""

    def __init__(self, url: str) -> None:
        """Open the store at an SQLAlchemy ``url``; raises UserError that says what to do."""
        self.url = engines.parsed(url)
        self.path = Path(self.url.database or "") if self.is_sqlite else None
        self._clock = SteadyClock()
        # What file, and which store in it, this is; known when it is open.
        self._file: tuple[int, int] | None = None
        self.identity: str | None = None
        if self.path is not None:
            files.prepare(self.path)
            self._lock = files.FileLock(files.lock_of(self.path))
            self.engine = engines.sqlite_engine(self.url, self.path, self._lock, self._clock)
        else:
            self.engine = engines.mariadb_engine(self.url)
        try:
            self._bring_up_to_date()
            self._recognise()
        except DBAPIError as error:
            self.close()
            never = self.path is not None and files.remembered(self.path) is None
            if is_damaged(error) and not (never and "not a database" in reason(error)):
                raise self._damaged(error) from None
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
        self._see_that_it_is_there()
        try:
            with self.engine.begin() as connection:
                yield connection
                complete = True
        except DBAPIError as error:
            self._refuse_another(error)
            if complete and not is_conflict(error):
                # Its commit was sent and not answered, so it must not be repeated.
                doubt = " The last entry may or may not have been written."
                raise not_answered(error, doubt=doubt) from error
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run one read-only transaction, which never waits for a writer."""
        self._see_that_it_is_there()
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(reading=True)
        except DBAPIError as error:
            self._refuse_another(error)
            raise

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _bring_up_to_date(self) -> None:
        if self._revision() == HEAD:
            return
        if self.path is None and (why := foreign.why_not_on(self.engine)):
            raise UserError(
                f"The state store cannot be {self.shown}: {why}. Nothing was made or changed.",
                advice="Name a database of its own in state_url.",
            )
        with self._exclusively():
            found = self._revision()
            if found is not None and found > HEAD:
                raise UserError(
                    f"The state store {self.shown} was made by a newer version of this pack "
                    f"(schema {found}, this one knows {HEAD}).",
                    advice="Upgrade the pack on this machine.",
                )
            if found is None and self.path is not None:
                files.refuse_to_begin_anew(self.path)
            if found != HEAD:
                self._upgrade(found)

    def _upgrade(self, found: str | None) -> None:
        from state.upgrade import upgrade

        if found is not None and self.path is not None:
            with contextlib.closing(files.connect(self.path, self._lock)) as connection:
                files.copy(self.path, connection, files.copy_of(self.path, HEAD))
        with self.transaction() as tx:
            upgrade(tx)
        if self.path is not None and (found is None or found < _NAMED_SINCE):
            # An older one has just got its id, also where it was restored in the place of this.
            with self.reading() as tx:
                files.remember(self.path, tx.execute(select(identity.c.id)).scalar_one())

    def _recognise(self) -> None:
        """Learn which store this is, and by which clock it goes on this machine."""
        with self.reading() as tx:
            known = tx.execute(select(identity)).first()
        if known is None:
            raise self.lost()
        self.identity = known.id
        if self.path is None:
            return
        before = files.remembered(self.path)
        if before is None:
            files.remember(self.path, known.id)
        elif before != known.id:
            raise files.lost(self.path, "was replaced by another one")
        if known.boot == self._clock.boot is not None:
            self._clock.epoch = known.epoch
        else:
            self._begin_boot()
        status = self.path.stat()
        self._file = status.st_dev, status.st_ino

    def _begin_boot(self) -> None:
        """Have all processes of this boot of the machine go by one clock."""
        mine = {"boot": self._clock.boot, "epoch": self._clock.epoch}
        with self.transaction() as tx:
            known = tx.execute(select(identity)).one()
            if known.boot == self._clock.boot:
                self._clock.epoch = known.epoch or self._clock.epoch
                return
            tx.execute(update(identity).values(mine))
            if known.boot is not None:
                # Who held a lease went down with the machine.
                dead = update(runs).where(runs.c.state == "running")
                tx.execute(dead.values(lease_until=None))
                tx.execute(update(observations).values(lease_until=0.0))

    def is_another(self, tx: Connection) -> bool:
        """Whether another store has taken the place of this one."""
        return tx.execute(select(identity.c.id)).scalar() != self.identity

    def lost(self) -> StoreLost:
        """Return what to tell when this store was deleted or replaced."""
        if self.path is not None:
            return files.lost(self.path, "was deleted or replaced while it was used")
        return StoreLost(
            f"The state store {self.shown} was deleted or replaced while it was used, and with it "
            "what was done. Nothing is sent without it.",
            advice="Restore it from its newest backup before anything is started.",
        )

    def _see_that_it_is_there(self) -> None:
        """Raise StoreLost if the file that is open is not the one that its path names."""
        if self.path is None or self._file is None:
            return
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            raise self.lost() from None
        if (status.st_dev, status.st_ino) != self._file:
            raise self.lost()

    def _refuse_another(self, error: DBAPIError) -> None:
        """Raise what an error means for a store that was opened before."""
        if self.identity is None:
            return
        if is_damaged(error):
            raise self._damaged(error) from error
        if is_missing(error):
            raise self.lost() from error

    def _damaged(self, error: DBAPIError) -> StoreError:
        assert self.path is not None
        return StoreError(
            f"The state store {self.path} is damaged ({reason(error)}). Nothing is sent without "
            "it.",
            advice=f"Keep the file as it is. {files.restore(self.path)} What can be read of it: "
            f"sqlite3 {self.path} .recover",
        )

    def _revision(self) -> str | None:
        """Return the schema's version, None if there is none."""
        try:
            with self.reading() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version"))
                return found.scalar()
        except DBAPIError as error:
            if is_missing(error):
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
