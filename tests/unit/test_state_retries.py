"""What is repeated, what must not be, and what is said in the end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from common.errors import CloudError, LeaseLost, UserError
from state import retries
from state.retries import TryAgain, retried
from state.store import Store
from support.state import sqlite_url


def sqlite_error(words: str) -> OperationalError:
    return OperationalError("UPDATE", {}, sqlite3.OperationalError(words))


def mariadb_error(number: int) -> OperationalError:
    return OperationalError("UPDATE", {}, pymysql.err.OperationalError(number, "said so"))


class Flaky:
    """Fails with each of the errors in turn, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    @retried
    def call(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize(
    "error",
    [
        TryAgain(),
        sqlite_error("database is locked"),
        sqlite_error("locking protocol"),
        mariadb_error(1205),
        mariadb_error(1213),
        mariadb_error(2006),
        mariadb_error(2003),
    ],
    ids=str,
)
def test_repeated(error: Exception) -> None:
    assert Flaky(error, error).call() == "done"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (sqlite_error("database or disk is full"), "did not answer: database or disk is full."),
        (mariadb_error(1142), "did not answer: said so."),
    ],
    ids=["disk full", "no grant"],
)
def test_not_repeated(error: Exception, said: str) -> None:
    flaky = Flaky(error, error)
    with pytest.raises(CloudError, match=said):
        flaky.call()
    assert len(flaky.errors) == 1


def test_what_is_no_failure_of_the_database_passes() -> None:
    integrity = IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE"))
    for error in (LeaseLost("r-1"), ValueError("x"), integrity):
        with pytest.raises(type(error)):
            Flaky(error).call()


def test_a_refused_value() -> None:
    error = DataError("INSERT", {}, pymysql.err.DataError(1406, "Data too long for 'ticket'"))
    with pytest.raises(UserError, match="refuses a value: Data too long for 'ticket'"):
        Flaky(error).call()


@pytest.mark.parametrize("error", [TryAgain(), sqlite_error("database is locked")], ids=str)
def test_patience_ends(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_PATIENCE", 0.0)

    class Never(Flaky):
        @retried
        def call(self) -> str:
            raise error

    with pytest.raises(CloudError):
        Never().call()


def test_a_commit_that_was_not_answered_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(sqlite_url(tmp_path))
    tried = []

    def no_answer(*_: object) -> None:
        raise mariadb_error(2013)

    @retried
    def write() -> None:
        with store.transaction() as tx:
            tried.append(1)
            tx.execute(text("SELECT 1"))

    monkeypatch.setattr(store.engine.dialect, "do_commit", no_answer)
    with pytest.raises(CloudError, match="may or may not have been written"):
        write()
    assert len(tried) == 1
    monkeypatch.undo()
    write()
    store.close()


def test_reason_without_words() -> None:
    assert "SELECT" in retries.reason(DBAPIError("SELECT", {}, sqlite3.Error()))
