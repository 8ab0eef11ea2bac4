"""An SQLite store as files: made and used by many processes and two users, some of them killed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

import state
from common.errors import UserError
from state import files
from state.journal import Journal
from state.schema import attempts, steps
from state.store import Store
from support import state_workers as workers
from support.state import attempt, begin, expire, sqlite_url, take
from support.state_workers import processes

__all__ = ["processes"]

LIBRARY = Path(state.__file__).parents[1]


def _open_to_all(path: Path) -> bool:
    return all(one.stat().st_mode & stat.S_IXOTH for one in path.parents)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder as an operator makes it: setgid, and writable by the group of both users."""
    folder = Path(tempfile.mkdtemp(prefix="openstack_ops_test_"))  # pytest's own are private
    try:
        if os.geteuid() == 0:
            os.chown(folder, 0, workers.GROUP)
        folder.chmod(0o2770)
        yield folder
    finally:
        shutil.rmtree(folder)


needs_users = pytest.mark.skipif(
    os.geteuid() != 0 or not _open_to_all(LIBRARY / "state" / "migrations" / "env.py"),
    reason="needs root, and a checkout that other users can read",
)


@pytest.mark.long
@needs_users
def test_eight_processes_of_two_users_start_on_an_empty_state(
    shared: Path, processes: workers.Processes
) -> None:
    url = sqlite_url(shared)
    made = processes.all_at_once(workers.first_use, url, users=True)
    store = Store(url)
    found = Journal(store).recent(limit=100)
    assert {run.id for run in found} == set(made)
    assert {run.requested_by for run in found} == {f"user {user}" for user in workers.USERS}
    store.close()
    for file in shared.iterdir():
        assert file.stat().st_gid == workers.GROUP
        assert file.stat().st_mode & 0o777 == files.SHARED


@pytest.mark.long
def test_eight_processes_start_on_an_empty_state(
    tmp_path: Path, processes: workers.Processes
) -> None:
    made = processes.all_at_once(workers.first_use, sqlite_url(tmp_path))
    store = Store(sqlite_url(tmp_path))
    assert {run.id for run in Journal(store).recent(limit=100)} == set(made)
    store.close()


@pytest.mark.long
@needs_users
def test_two_users_open_and_close_again_and_again(
    shared: Path, processes: workers.Processes
) -> None:
    """Each last one to close deletes what SQLite keeps beside the database, each first makes it."""
    url = sqlite_url(shared)
    Store(url).close()  # root's, like an action's
    assert processes.all_at_once(workers.reopen, url, 5, users=True) == [5] * 8


@pytest.mark.long
@needs_users
def test_who_may_not_write_is_told_what_to_do(shared: Path, processes: workers.Processes) -> None:
    shared.chmod(0o700)
    url = sqlite_url(shared)
    Store(url).close()
    said = processes.all_at_once(workers.refused, url, users=True)
    assert all("cannot be written by this user. Give its group access: " in one for one in said)
    assert all(f"chmod 2770 {shared}; chmod 660 {shared}/state.db*" in one for one in said)


@pytest.mark.long
def test_a_process_killed_in_a_transaction_leaves_nothing_of_it(
    tmp_path: Path, processes: workers.Processes
) -> None:
    url, sign = sqlite_url(tmp_path), tmp_path / "written"
    store = Store(url)
    victim = processes.start(workers.half_a_transaction, url, str(sign))
    _wait_for(sign)
    processes.kill(victim)
    journal = Journal(store)
    began = time.monotonic()
    assert journal.steps("half")[0].state == "pending"
    expire(journal, "half")
    assert take(journal, "half").generation == 2  # and nobody has to wait for the dead
    assert time.monotonic() - began < 5
    store.close()


@pytest.mark.long
def test_killed_at_any_moment(tmp_path: Path, processes: workers.Processes) -> None:
    url, moment = sqlite_url(tmp_path), random.Random(4)
    for round_ in range(10):
        victim = processes.start(workers.work_until_killed, url)
        time.sleep(moment.uniform(0.03, 0.15))
        if round_ == 9:  # on a busy machine the others may all have come before the first run
            _wait_for_a_run(url)
        processes.kill(victim)
        store = Store(url)
        with store.reading() as tx:
            assert tx.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert tx.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            tried = select(attempts.c.run, attempts.c.key, func.count()).group_by(
                attempts.c.run, attempts.c.key
            )
            counted = {(run, key): number for run, key, number in tx.execute(tried)}
            open_ones = select(attempts.c.run, attempts.c.key).where(attempts.c.ended_at.is_(None))
            still_open = {tuple(row) for row in tx.execute(open_ones)}
            for step in tx.execute(select(steps)):
                # The step and its attempts always say the same.
                assert step.attempts == counted.get((step.run, step.key), 0)
                assert (step.state == "running") == ((step.run, step.key) in still_open)
        store.close()
    store = Store(url)
    journal = Journal(store)
    left = journal.recent(limit=100)
    assert left
    for run in left:
        assert len(journal.claims_of(run.id)) in (0, 3)
        expire(journal, run.id)
    planned = [run for run in left if run.plan is not None]
    assert take(journal, planned[0].id).generation == 2
    store.close()


def _wait_for_a_run(url: str) -> None:
    until = time.monotonic() + 20
    store = Store(url)
    while not any(run.plan is not None for run in Journal(store).recent(limit=100)):
        assert time.monotonic() < until
        time.sleep(0.02)
    store.close()


def test_a_second_store_in_a_process_takes_no_lock_of_the_first_away(tmp_path: Path) -> None:
    """As it would if the database file were opened and closed by anybody but SQLite."""
    url = sqlite_url(tmp_path)
    first = Store(url)
    begin(Journal(first))
    inode = (tmp_path / "state.db").stat().st_ino
    assert _locks(inode)
    Store(url).close()
    assert _locks(inode)
    first.close()


@pytest.mark.long
def test_a_store_on_sqlite_is_opened_by_what_it_needs_alone(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    Store(url).close()
    code = (
        "import sys, time\n"
        "from state.journal import Journal\n"
        "from state.store import Store\n"
        "before = time.process_time()\n"
        "journal = Journal(Store(sys.argv[1]))\n"
        "unneeded = 'alembic', 'sqlalchemy.dialects.mysql'\n"
        "found = ','.join(name for name in unneeded if name in sys.modules)\n"
        "print((time.process_time() - before) * 1000, found or 'none')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, url],
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
        capture_output=True,
        text=True,
        check=True,
    )
    cost, imported = done.stdout.split()
    print(f"\nopening costs {float(cost):.1f} ms of CPU")
    assert imported == "none"
    assert float(cost) < 100


def test_commits_on_a_disk(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path))
    journal = Journal(store)
    holder = begin(journal, "one")
    began = time.perf_counter()
    for _ in range(10):
        attempt(journal, holder, "one")
    print(f"\non a disk: {20 / (time.perf_counter() - began):.0f} commits a second")
    with store.reading() as tx:
        how = [
            tx.exec_driver_sql(f"PRAGMA {one}").scalar() for one in ("synchronous", "journal_mode")
        ]
    assert how == [2, "wal"], "what is committed outlives a power failure"
    assert len(journal.attempts(holder.run)) == 10
    store.close()


def test_a_private_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".local" / "state" / "openstack_ops"
    Store(sqlite_url(folder)).close()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("home", ["/", "/nonexistent"])
def test_a_shared_folder_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    with pytest.raises(UserError, match=r"does not exist.*install -d -m 2770 -g st2packs"):
        Store(sqlite_url(tmp_path / "missing"))
    assert not (tmp_path / "missing").exists()


def test_a_lock_that_was_tidied_away_is_made_again(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    Store(url).close()
    (tmp_path / "state.db.lock").unlink()
    store = Store(url)
    (tmp_path / "state.db.lock").unlink()
    store.close()
    Journal(store).recent(limit=1)  # on a new connection
    store.close()


def test_a_lock_that_somebody_keeps_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    path = tmp_path / "state.db.lock"
    with (
        files.FileLock(path).held(),
        pytest.raises(UserError, match="fuser"),
        files.FileLock(path).held(),
    ):
        pass


def test_where_sqlite_cannot_share_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder on which WAL cannot be had leaves the database as it was."""

    class NoWal(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("= WAL", "= DELETE"), *args)  # type: ignore[arg-type]

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=NoWal))
    with pytest.raises(UserError, match="Move it to a local disk"):
        Store(sqlite_url(tmp_path))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("state.db", "not a database URL"),
        ("sqlite:///state.db", "four slashes"),
        ("sqlite://", "four slashes"),
        ("postgresql://u:secret@h/d", "postgresql is not supported"),
        ("mariadb+mysqldb://u:secret@h/d", "not supported"),
        ("mariadb+pymysql://u:secret@h", "names no database"),
    ],
)
def test_a_wrong_url(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        Store(url)
    assert "sqlite:////var/lib" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.long
def test_no_password_stands_in_what_is_said_of_a_store() -> None:
    with pytest.raises(UserError, match=r"ops:\*\*\*@127\.0\.0\.1:1/ops cannot be opened") as told:
        Store("mariadb+pymysql://ops:hunter22@127.0.0.1:1/ops")
    assert "hunter22" not in str(told.value)


def _wait_for(sign: Path) -> None:
    until = time.monotonic() + 30
    while not sign.exists():
        assert time.monotonic() < until
        time.sleep(0.005)


def _locks(inode: int) -> list[str]:
    """Return the locks that this process has on a file."""
    return [
        line
        for line in Path("/proc/locks").read_text().splitlines()
        if f" {os.getpid()} " in line and f":{inode} " in line
    ]
