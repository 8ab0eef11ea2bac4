"""The clock of a store. Leases, ages and durations are judged by it alone.

MariaDB's is the server's own. An SQLite store lies on one machine, whose wall clock can be set: its
clock goes by the time since that machine booted, which cannot be, and all processes of the machine
agree on it. It is shown as seconds since 1970 by what the wall clock said when the store was first
opened after the boot; ``by_wall_clock`` says what that is by the wall clock of now.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

#: The name under which SQLite's connections know a SteadyClock.
STEADY_NOW = "openstack_ops_now"
# Two clocks are never read in the same instant.
_SAME = 2.0


class db_now(FunctionElement[float]):
    """Seconds since 1970 (UTC, with fractions) by the store's clock."""

    type = Double()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"{STEADY_NOW}()"


@compiles(db_now, "mariadb")
def _mariadb(element: Any, compiler: Any, **kw: Any) -> str:
    # Each session's time_zone is +00:00 (see engines.py), so no hour is ambiguous.
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"


class SteadyClock:
    """Seconds since 1970 that go on evenly while this machine is up, whatever its clock is set to.

    ``boot`` is the id of the machine's boot, None where the kernel tells none; ``epoch`` is the
    moment of that boot. Without an id the wall clock is all there is.
    """

    def __init__(self) -> None:
        self.boot = _boot()
        self.epoch = time.time() - _since_boot()

    def __call__(self) -> float:
        """Return the time."""
        return time.time() if self.boot is None else self.epoch + _since_boot()


def by_wall_clock(moment: float, now: float) -> float:
    """Return a moment of a store, whose clock says ``now``, by this machine's wall clock.

    That may have been set right since the store's clock took its time.
    """
    off = time.time() - now
    return moment if abs(off) < _SAME else moment + off


def _since_boot() -> float:
    # Unlike the monotonic clock this one goes on while the machine sleeps, as a lease does.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() or None
    except OSError:
        return None
