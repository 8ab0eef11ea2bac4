"""A state_url at what is no state store: looked at before anything is made, and left as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from common.errors import UserError
from state import foreign
from state.engines import parsed
from state.place import look_at
from state.store import Store
from support.state import sqlite_url


def made_of(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def database(*statements: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)

    return make


NO_STORES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (made_of("root:x:0:0:root:/root:/bin/bash\n" * 40), "it is no SQLite database"),
    "a short text": (made_of("x"), "it is no SQLite database"),
    "a folder": (Path.mkdir, "it is a folder"),
    "a pipe": (os.mkfifo, "it is no regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
    "a link to a text": (
        lambda path: path.symlink_to(made_of("my shopping list")(path.parent / "list") or "list"),
        "it is no SQLite database",
    ),
    "the database of something else": (
        database("CREATE TABLE bookmarks (url)", "CREATE TABLE alembic_version (version_num)"),
        "it is the database of something else, with the tables alembic_version, bookmarks",
    ),
}


@pytest.mark.parametrize("kind", ["a pipe", "a link"])
def test_a_lock_that_is_no_file_is_refused_and_nothing_is_written_through_it(
    tmp_path: Path, kind: str
) -> None:
    target, lock = tmp_path / "target", tmp_path / "state.db.lock"
    target.write_text("theirs")
    os.mkfifo(lock) if kind == "a pipe" else lock.symlink_to(target)
    with pytest.raises(UserError):
        Store(sqlite_url(tmp_path))
    assert target.read_text() == "theirs"


def test_what_a_state_url_names_besides_is_refused_where_it_cannot_be_meant(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for url, said in (
        (f"sqlite:///{tmp_path}/a%00b", "the path has a control character"),
        (f"sqlite:///{tmp_path}/a\0b", "the path has a control character"),
        (f"sqlite:///{tmp_path}/a?mode=ro", "takes no options .mode."),
        (f"mariadb://u:p@h/d?ssl_ca={tmp_path}/pipe", "which ssl_ca names, .* not a regular file"),
        ("mariadb://u:p@h/d?ssl_key=/dev/zero", "which ssl_key names, .* not a regular file"),
    ):
        with pytest.raises(UserError, match=said):
            parsed(url)


@pytest.mark.parametrize("case", NO_STORES)
def test_what_is_no_store_is_refused_and_nothing_is_made(tmp_path: Path, case: str) -> None:
    make, why = NO_STORES[case]
    path = tmp_path / "state.db"
    make(path)
    before = {one.name: one.lstat() for one in tmp_path.iterdir()}
    with pytest.raises(UserError, match=f"cannot be {path}: {why}. Nothing was made or changed"):
        Store(sqlite_url(tmp_path))
    (finding,) = look_at(sqlite_url(tmp_path))
    assert (finding.ok, finding.detail) == (False, f"{path}: {why}")
    after = {one.name: one.lstat() for one in tmp_path.iterdir()}
    assert {name: status[:9] for name, status in after.items() if name != "state.db"} == {
        name: status[:9] for name, status in before.items() if name != "state.db"
    }
    assert after["state.db"].st_mtime_ns == before["state.db"].st_mtime_ns


def test_looking_keeps_the_locks_of_this_process(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path))
    path = tmp_path / "state.db"
    with store.transaction():
        assert foreign.why_not(path) is None
        other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0).execute('BEGIN IMMEDIATE')"
        said = subprocess.run(
            [sys.executable, "-c", other, str(path)], capture_output=True, text=True, check=False
        )
    assert "database is locked" in said.stderr
    store.close()


def test_every_store_has_the_tables_that_tell_it(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    Store(url).close()
    assert foreign._tables(tmp_path / "state.db") >= foreign._OURS
    assert foreign.why_not(tmp_path / "state.db") is None
    assert foreign.why_not(tmp_path / "none.db") is None
