"""Repeating what a database gave up, and telling the operator when it cannot be repeated."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, InternalError, OperationalError

from common.errors import StoreError, UserError

# MariaDB: lock wait timeout, deadlock, record changed since last read (11.6 and later).
_CONFLICTS = {1205, 1213, 1020}
# MariaDB: cannot connect, gone away, lost, shutting down, killed, too many connections, a node
# of a cluster that is not ready.
_AWAY = {2002, 2003, 2006, 2013, 1053, 1927, 1040, 1047}
# MariaDB: no such table, unknown database.
_MISSING = {1146, 1049}
_DAMAGED = ("malformed", "not a database", "corrupt")
_PATIENCE = 30.0

P = ParamSpec("P")
T = TypeVar("T")


class TryAgain(Exception):
    """Somebody else was faster between a look and a write: nothing was written, look again."""


def retried(function: Callable[P, T]) -> Callable[P, T]:
    """Repeat a whole transaction that another one, or the database's absence, broke off.

    Only what surely was not committed is repeated. When it goes on for half a minute, a CloudError
    says so.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return _repeated(lambda: function(*args, **kwargs))
        except (OperationalError, InterfaceError, InternalError) as error:
            raise not_answered(error) from error
        except TryAgain:
            raise StoreError(
                "The state store is too busy: others were faster each time.",
                advice="Nothing was written; try again.",
            ) from None
        except DataError as error:
            raise UserError(f"The state store refuses a value: {reason(error)}.") from error

    return call


def _repeated(once: Callable[[], T]) -> T:
    try:
        return once()
    except Exception as error:
        if not _can_repeat(error):
            raise
    # Seldom needed, and dear to import.
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

    return Retrying(
        retry=retry_if_exception(_can_repeat),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_delay(_PATIENCE),
        reraise=True,
    )(once)


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, and nothing of this one was written."""
    if isinstance(error, TryAgain):
        return True
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if isinstance(error.orig, sqlite3.OperationalError):
        return "locked" in str(error.orig) or "locking protocol" in str(error.orig)
    return _number(error) in _CONFLICTS


def is_damaged(error: DBAPIError) -> bool:
    """Whether an SQLite file is no longer what SQLite wrote."""
    return isinstance(error.orig, sqlite3.DatabaseError) and any(
        words in str(error.orig) for words in _DAMAGED
    )


def is_missing(error: DBAPIError) -> bool:
    """Whether a table or the whole database is not there."""
    return error.orig is not None and (
        "no such table" in str(error.orig) or _number(error) in _MISSING
    )


def not_answered(error: DBAPIError, *, doubt: str = "") -> StoreError:
    """Return what to tell the operator when the database does not do what it is asked."""
    return StoreError(
        f"The state store did not answer: {reason(error)}.{doubt}",
        advice="Nothing more is sent without it; cloud.check tests it.",
    )


def reason(error: DBAPIError) -> str:
    """Return the database's own words."""
    said = error.orig.args[-1] if error.orig is not None and error.orig.args else error
    return str(said).strip().rstrip(".")


def _can_repeat(error: BaseException) -> bool:
    away = isinstance(error, DBAPIError) and _number(error) in _AWAY
    return away or is_conflict(error)


def _number(error: DBAPIError) -> object:
    return error.orig.args[0] if error.orig is not None and error.orig.args else None
