"""Leases, ages and durations go by a clock that nobody can set."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from state.clock import SteadyClock, by_wall_clock
from state.journal import Journal
from state.schema import identity, runs
from state.store import Store
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World
from support.state import LEASE, begin, end, new_run, sqlite_url
from support.victims import Victim

HOUR = 3600.0
SOURCE = Path(__file__).parents[1] / "support" / "stepped_clock.c"
STAGES = [{"do": "paint", "to": ["a"]}, {"do": "paint", "to": ["b"]}]
Place = tuple[House, World]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with toy_house() as (house, world):
        house.limits = {"lease": "2s", "grace": "0.2s"}
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that, preloaded, gives a process a wall clock that can be set."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    made = tmp_path_factory.mktemp("clock") / "stepped_clock.so"
    words = [compiler, "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True, capture_output=True)
    return made


@pytest.fixture
def set_clock(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says by how many seconds the wall clock of children is off."""
    file = tmp_path / "off"
    file.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("STEPPED_CLOCK", str(file))
    return file


def fresh(place: Place, moment: str) -> Victim:
    """Return a process that is a child of this one, and has its clock."""
    house, world = place
    return Victim(house, world.path, "toy.work", moment, fresh=True, stages=STAGES)


@pytest.mark.long
def test_the_library_sets_the_clock_of_a_child(set_clock: Path) -> None:
    set_clock.write_text("-3600")
    told = subprocess.check_output(["python3", "-c", "import time; print(time.time())"], text=True)
    assert float(told) - time.time() == pytest.approx(-HOUR, abs=60)


@pytest.mark.long
@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_in_mid_run_costs_nothing(
    place: Place, set_clock: Path, step: int
) -> None:
    house, world = place
    with fresh(place, "after paint a") as victim:
        victim.wait_for("after paint a")
        set_clock.write_text(str(step))
        victim.go_on()
        answer = victim.answer()
    assert answer["kind"] == "done"
    assert world.effects == {"paint a": 1, "paint b": 1}
    assert all(0 <= row["seconds"] < 60 for row in answer["result"]["rows"])
    run = house.run(answer["result"]["run"])
    assert run.seconds is not None
    assert 0 <= run.seconds < 60
    assert 0 <= run.age < 60


@pytest.mark.long
def test_a_killed_run_is_gone_on_with_after_its_lease_whatever_the_clock_was_set_to(
    place: Place, set_clock: Path
) -> None:
    """0.1.0 said "its lease ends in 1h2s", and waited."""
    house, _ = place
    set_clock.write_text("3600")  # and the process that goes on lives an hour earlier
    with fresh(place, "before paint b") as victim:
        victim.wait_for("before paint b")
        victim.kill()
    with house.journal() as journal:
        (run,) = journal.recent(limit=5)
    assert 0 < run.lease_left <= 2
    assert abs(run.by_wall_clock(run.created_at) - time.time()) < 60
    before = time.monotonic()
    assert house.ask("run.resume", run=run.id)[0] == "done"
    assert time.monotonic() - before < 30
    assert not any("1h" in line for line in house.reporter.lines)


@pytest.mark.long
@pytest.mark.parametrize("verb", ["resume", "cancel"])
def test_a_lease_that_nobody_renews_is_over_although_the_database_s_clock_was_set_back(
    place: Place, verb: str
) -> None:
    """MariaDB goes by its server's clock, which can be: 0.1.0 waited for as long, or gave up."""
    house, world = place
    with Victim(house, world.path, "toy.work", "before paint b", stages=STAGES) as victim:
        victim.wait_for("before paint b")
        victim.kill()
    with house.journal() as journal:
        (run,) = journal.recent(limit=5)
        with journal.store.transaction() as tx:
            tx.execute(update(runs).values(lease_until=runs.c.lease_until + HOUR))
    before = time.monotonic()
    assert house.ask(f"run.{verb}", run=run.id)[0] == "done"
    assert time.monotonic() - before < 60
    ended = {"resume": "succeeded", "cancel": "cancelled"}[verb]
    assert (house.run(run.id).state, house.claims(run.id)) == (ended, [])
    assert world.effects == {"paint a": 1, **({"paint b": 1} if verb == "resume" else {})}
    assert not any("1h" in line for line in house.reporter.lines)


def test_all_processes_of_a_boot_go_by_one_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path)
    with closing(Store(url)) as first:
        run = begin(Journal(first), "one").run
    real = time.time
    for off in (-HOUR, HOUR):
        monkeypatch.setattr(time, "time", lambda off=off: real() + off)
        with closing(Store(url)) as opened:
            found = Journal(opened).run(run)
        assert LEASE - 60 < found.lease_left <= LEASE
        # What is shown is by the wall clock of now, which may have been set right.
        assert found.by_wall_clock(found.created_at) == pytest.approx(time.time(), abs=60)


def test_who_held_a_lease_went_down_with_the_machine(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with closing(Store(url)) as opened:
        journal = Journal(opened)
        alive, over = begin(journal, "one"), begin(journal, "one")
        end(journal, over, "succeeded")
        with opened.transaction() as tx:  # as another boot left it
            tx.execute(update(identity).values(boot="another", epoch=9e9))
    with closing(Store(url)) as opened:
        journal = Journal(opened)
        assert journal.run(alive.run).shown_state == "interrupted"
        assert journal.run(over.run).state == "succeeded"
        holder = journal.begin_run(new_run(), "test:1", LEASE)
        assert holder == 1
    with closing(Store(url)) as opened:  # and by now it is this boot's
        assert len(Journal(opened).recent(limit=5, state="running")) == 1


def test_without_an_id_of_the_boot_the_wall_clock_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("state.clock._boot", lambda: None)
    clock = SteadyClock()
    monkeypatch.setattr(time, "time", lambda: 12.0)
    assert clock() == 12.0


def test_a_moment_is_shown_by_the_clock_of_now() -> None:
    now = time.time()
    assert by_wall_clock(now - 60, now) == now - 60
    assert by_wall_clock(now - HOUR - 60, now - HOUR) == pytest.approx(now - 60, abs=1)
