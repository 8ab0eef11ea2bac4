"""Stores that are deleted, replaced, damaged or full while they are used, and after."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from cases.upgrade_cases import OF_0_1_0, check_upgraded, old_store
from common.errors import StoreLost, UserError
from state import files
from state.journal import Journal
from state.schema import HEAD
from state.store import Store
from support.runs import House, new_state, toy_house
from support.sample_runbooks import WORLD, World
from support.state import begin, end, expire, sqlite_url

Place = tuple[House, World]
STAGES = [{"do": "paint", "to": ["a", "b"], "undo": "on_failure"}, {"do": "paint", "to": ["c"]}]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


def path_of(house: House) -> Path:
    return Path(house.state_url.removeprefix("sqlite:///"))


def meanwhile(house: House, act: Callable[[], Any], where: str = "after paint a") -> Any:
    """Paint, and have something happen once at a moment of it; return the answer."""
    done: list[str] = []

    def pause(moment: str) -> None:
        if moment == where and not done:
            done.append(moment)
            act()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "pause", staticmethod(pause))
        answer = house.work(*STAGES)
    assert done
    return answer


def deleted(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def replaced(path: Path) -> None:
    deleted(path)
    other = path.with_name("other.db")
    new_state(other)
    with closing(sqlite3.connect(other, isolation_level=None)) as connection:
        connection.execute("UPDATE identity SET id = 'another'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.replace(path)


@pytest.mark.parametrize("happens", [deleted, replaced])
def test_a_run_stops_when_its_store_is_not_there_any_more(
    place: Place, happens: Callable[[Path], None]
) -> None:
    house, world = place
    kind, result = meanwhile(house, lambda: happens(path_of(house)))
    assert kind == "interrupted"
    assert "was deleted or replaced while it was used" in result["summary"]
    assert result["run"] is not None
    assert f"run.resume run={result['run']}" in result["summary"]
    assert world.effects == {"paint a": 1}


def test_where_a_store_was_no_empty_one_takes_its_place(place: Place) -> None:
    """Or the same campaign would mail everybody again."""
    house, world = place
    assert house.work(*STAGES)[0] == "done"
    path = path_of(house)
    kept = path.with_name("kept")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(kept)) as target:
        source.backup(target)
    for how in (deleted, lambda path: (deleted(path), path.touch(0o660))):
        how(path)
        kind, result = house.work(*STAGES)
        assert kind == "failed"
        assert f"The state store {path} is gone" in result["summary"]
        assert "Restore it from your backup" in result["summary"]
        assert f"delete {path}.lock" in result["summary"]
    assert world.effects == dict.fromkeys(("paint a", "paint b", "paint c"), 1)
    deleted(path)
    kept.replace(path)  # a copy of it is the same store
    assert len(house.ask("run.list")[1]["rows"]) == 1
    deleted(path)
    path.with_name("state.db.lock").unlink()  # and this is how to begin again
    assert house.ask("run.list")[1]["rows"] == []


def test_another_store_is_not_taken_for_the_one_that_was(place: Place, tmp_path: Path) -> None:
    house, _ = place
    house.work(*STAGES)
    replaced(path_of(house))
    kind, result = house.ask("run.list")
    assert (kind, "was replaced by another one" in result["summary"]) == ("failed", True)


@pytest.mark.long
def test_a_damaged_store_says_from_what_it_can_be_restored(tmp_path: Path) -> None:
    url, path = sqlite_url(tmp_path), tmp_path / "state.db"
    run = old_store(url, OF_0_1_0)
    with closing(Store(url)) as opened:  # which copies it before it is upgraded
        journal = Journal(opened)
        for _ in range(50):
            end(journal, begin(journal, "one"), "succeeded")
    copy = tmp_path / f"state.db.before-{HEAD}"
    assert copy.stat().st_mode & 0o777 == files.SHARED
    with open(path, "r+b") as file:
        for page in range(2, os.path.getsize(path) // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    house = House(url)
    kind, result = house.ask("run.list")
    assert kind == "failed"
    assert f"The state store {path} is damaged" in result["summary"]
    assert f"from {copy} (made " in result["summary"]
    assert "bug" not in result["summary"]
    deleted(path)
    shutil.copy(copy, path)
    with closing(Store(url)) as opened:
        check_upgraded(opened, run)


def test_damage_in_mid_run_cuts_the_run_off(place: Place) -> None:
    house, world = place

    def damage() -> None:
        with closing(sqlite3.connect(path_of(house), isolation_level=None)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path_of(house).stat().st_size
        with open(path_of(house), "r+b") as file:
            for page in range(1, size // 4096):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)

    kind, result = meanwhile(house, damage)
    assert kind == "interrupted"
    assert "is damaged" in result["summary"]
    assert f"run.resume run={result['run']}" in result["summary"]
    assert world.effects == {"paint a": 1}


def test_an_upgrade_without_room_for_a_copy_leaves_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path)
    run = old_store(url, OF_0_1_0)
    with monkeypatch.context() as full:
        full.setattr(files, "copy_of", lambda path, revision: Path("/proc/nowhere/copy"))
        with pytest.raises(UserError, match="cannot be copied before"):
            Store(url)
    assert [one.name for one in tmp_path.iterdir() if "before" in one.name] == []
    with closing(Store(url)) as opened:
        check_upgraded(opened, run)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own that can be filled."""
    place = Path(mkdtemp(prefix="openstack-ops-"))
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("this user cannot mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


def test_a_full_disk_interrupts_the_run(place: Place, small_disk: Path) -> None:
    house, world = place
    house.state_url = new_state(small_disk / "state.db")
    filler = small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)

    kind, result = meanwhile(house, fill)
    assert kind == "interrupted"
    assert "full" in result["summary"]
    assert result["summary"].endswith(
        f"Then go on with run.resume run={result['run']}, "
        f"or give it up with run.cancel run={result['run']}."
    )
    assert world.effects == {"paint a": 1}
    filler.unlink()
    with house.journal() as journal:
        expire(journal, result["run"])
    assert house.ask("run.resume", run=result["run"])[0] == "done"
    assert world.effects == dict.fromkeys(("paint a", "paint b", "paint c"), 1)


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ("nobody", "Nobody goes on with it: go on with run.resume run={run}, or give it up"),
        ("another", "test:2 goes on with it: see run.show run={run}."),
        ("one that ended it", "It has ended since: it is succeeded."),
    ],
)
def test_who_lost_its_lease_says_who_goes_on(place: Place, who: str, told: str) -> None:
    house, _ = place

    def lose() -> None:
        with house.journal() as journal:
            run = journal.recent(limit=1)[0].id
            expire(journal, run)
            if who != "nobody":
                fence = run, journal.take(run, "test:2", 600, states=("running",))
            if who == "one that ended it":
                journal.finish(*fence, run, "succeeded", summary="done")

    kind, result = meanwhile(house, lose)
    assert kind == "interrupted"
    assert told.format(run=result["run"]) in result["summary"]


def test_what_lost_its_store_writes_into_no_other(tmp_path: Path) -> None:
    with closing(Store(sqlite_url(tmp_path))) as opened:
        journal = Journal(opened)
        holder = begin(journal, "one")
        replaced(tmp_path / "state.db")
        for write in (
            lambda: journal.renew(*holder.fence, 60),
            lambda: journal.recent(limit=1),
        ):
            with pytest.raises(StoreLost):
                write()
