"""The database's clock. Leases are judged by it alone, never by a machine's own clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class db_now(FunctionElement[float]):
    """Seconds since 1970 (UTC, with fractions) by the database's clock."""

    type = Double()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42; Debian 12 and Ubuntu 22.04 have older ones.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "mariadb")
def _mariadb(element: Any, compiler: Any, **kw: Any) -> str:
    # Each session's time_zone is +00:00 (see engines.py), so no hour is ambiguous.
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"
