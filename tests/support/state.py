"""State stores for tests: SQLite files, databases on devcloud's MariaDB, runs in any condition."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymysql
import pytest
from sqlalchemy import update

from state.clock import db_now
from state.journal import Journal
from state.records import NewRun
from state.schema import identity, metadata, runs
from state.store import Store
from workflow_api import Requester

LEASE = 600.0
OTTO = Requester(user="otto", origin="local:test:2")
PLAN = {"title": "nothing much"}
_REPOSITORY = Path(__file__).parents[2]


def sqlite_url(folder: Path) -> str:
    """Return the URL of a state store in ``folder``."""
    return f"sqlite:///{folder}/state.db"


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Make a folder that no disk slows down, where there is one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="ops_test_", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def mariadb_url() -> Iterator[str]:
    """Make a database on devcloud's MariaDB; skip the test where there is none."""
    folder = Path(os.environ.get("DEVCLOUD_STATE", _REPOSITORY / ".devcloud"))
    try:
        settings = json.loads((folder / "settings.json").read_text())
        account: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": settings["ports"]["mariadb"],
            "user": "devcloud",
            "password": settings["passwords"]["database"],
        }
        server = pymysql.connect(**account)
    except (OSError, pymysql.err.OperationalError) as error:
        pytest.skip(f"no MariaDB of devcloud in {folder}: {error}")
    name = f"ops_test_{uuid.uuid4().hex[:12]}"
    with server, server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            yield "mariadb+pymysql://{user}:{password}@{host}:{port}/".format(**account) + name
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def new_run(**changes: Any) -> NewRun:
    """Return what is known of a run that is begun."""
    known = {
        "id": str(uuid.uuid4()),
        "workflow": "hypervisor.drain",
        "parameters": {"hypervisor": "cmp-1"},
        "request": "r" * 64,
        "pack_version": "0.1.0",
        "requested_by": "olga",
        "origin": "local:test:1",
    }
    return NewRun(**{**known, **changes})


@dataclass(frozen=True)
class Holder:
    """A process, as far as the journal is concerned: a run and the generation it holds."""

    run: str
    generation: int

    @property
    def fence(self) -> tuple[str, int]:
        """What every write begins with."""
        return self.run, self.generation


def begin(journal: Journal, *steps: str, **changes: Any) -> Holder:
    """Begin a run and hold it; with ``steps``, its plan is drawn too."""
    new = new_run(**changes)
    journal.create(new, "planned")
    holder = take(journal, new.id, ("planned",))
    if steps:
        draw(journal, holder, *steps)
    return holder


def take(
    journal: Journal, run: str, states: tuple[str, ...] = ("running", "interrupted")
) -> Holder:
    """Take a run over, as a resume does."""
    return Holder(run, journal.take(run, "test:1", LEASE, states=states))


def draw(journal: Journal, holder: Holder, *steps: str) -> None:
    """Store a plan with these steps."""
    planned = [(key, f"do {key}") for key in steps]
    journal.store_plan(*holder.fence, holder.run, PLAN, planned)


def attempt(journal: Journal, holder: Holder, key: str, state: str = "done") -> str:
    """Make one whole attempt at a step; return its id."""
    number = str(uuid.uuid4())
    journal.begin_attempt(*holder.fence, holder.run, key, number, "apply")
    step = (holder.run, key, state, {"by": number})
    journal.end_attempt(*holder.fence, number, state, step=step)  # type: ignore[arg-type]
    return number


def expire(journal: Journal, run: str) -> None:
    """Let a run's lease have ended, as if its process had been gone for that long."""
    _write(journal, run, lease_until=db_now() - 1)


def age(journal: Journal, run: str, seconds: float) -> None:
    """Make a run, whatever its state, that much older."""
    _write(journal, run, **{c: runs.c[c] - seconds for c in ("created_at", "ended_at")})


def end(journal: Journal, holder: Holder, state: str, run: str | None = None) -> None:
    """End a run, or a child of it."""
    journal.finish(*holder.fence, run or holder.run, state, summary=state)  # type: ignore[arg-type]


def empty(store: Store) -> None:
    """Delete every row but that which says which store it is."""
    with store.transaction() as tx:
        for table in reversed(metadata.sorted_tables):
            if table is not identity:
                tx.execute(table.delete())


def _write(journal: Journal, run: str, **values: Any) -> None:
    with journal.store.transaction() as tx:
        tx.execute(update(runs).where(runs.c.id == run).values(**values))
