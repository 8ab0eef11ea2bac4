"""Cold drains that are killed, stopped, resumed and given up: no server is left to be confirmed.

``CRASH_KILLS`` says how many rounds of kills there are (``-m crash``), ``CRASH_SEED`` where the
seeds begin; a few of them are in the ordinary tests of the cloud.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from devcloud import databases, faults
from devcloud.settings import existing
from state.journal import Journal
from state.store import Store
from support.cloud_operator import Ended, Operator
from support.cloud_site import Guest, Site, until

KILLS = int(os.environ.get("CRASH_KILLS", "60"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
#: How often a run is asked for that the cloud cannot tell of yet.
_ASKED = 6
_OVER = ("succeeded", "failed", "cancelled")


def journal_of(operator: Operator) -> Journal:
    return Journal(Store(operator.config["state_url"]))


def waits(site: Site, guest: Guest) -> bool:
    return site.status_of(guest) == "VERIFY_RESIZE"


def assert_settled(site: Site, journal: Journal, run: str, guests: list[Guest], since: int) -> None:
    """Nothing waits for anybody, nothing has moved twice, and what has moved is said to have."""
    record = journal.run(run)
    told = (run, record.state, record.summary)
    assert record.state in _OVER, told
    assert journal.claims_of(run) == [], told
    states = {step.key.partition(":")[2]: step.state for step in journal.steps(run)}
    for guest in guests:
        moves = [move["status"] for move in site.migrations(since, guest)]
        server = site.server(guest)
        assert server["status"] in ("SHUTOFF", "ACTIVE"), (told, guest, server["status"])
        assert len(moves) <= 1, (told, guest, moves)
        assert not {"finished", "confirming"} & set(moves), (told, guest, moves)
        moved = server["OS-EXT-SRV-ATTR:host"] != site.source
        assert (states[guest.id] == "done") == moved, (told, guest, states)


def killed_and_settled(site: Site, operator: Operator, seed: int) -> str:
    """Kill or interrupt a drain of two cold servers and a live one, and go on with it or not."""
    choose = random.Random(seed)
    site.enable(site.source)
    guests = site.boot(3)
    *cold, live = guests
    for guest in cold:
        site.act(guest, "os-stop", "SHUTOFF")
    fails = choose.random() < 0.6
    faults.set_knobs(site.source, live_migration_fail_for=[live.id] if fails else None)
    since = site.newest_migration()
    drain = {"hypervisor": site.source, "target": site.other, "reason": "proof"}
    on_failure = choose.choice(["stop", "stop", "continue"])
    victim = operator.start("hypervisor.drain", **drain, max_parallel=3, on_failure=on_failure)
    run = victim.run
    victim.wait_line(rf"^start  cold-migrate {choose.choice(cold).name}")
    time.sleep(choose.uniform(0.0, 4.5))
    how = choose.choice(["killed", "killed", "interrupted"])
    if how == "killed":
        victim.kill()
    else:
        victim.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        victim.process.send_signal(signal.SIGINT)
        victim.end()
    journal, then = journal_of(operator), choose.choice(["run.resume", "run.cancel"])
    ended: Ended | None = None
    for _ in range(_ASKED):
        if journal.run(run).state in _OVER:
            break
        ended = operator.run(then, run=run)
    assert not ended or then != "run.cancel" or "not started" not in ended.summary
    assert_settled(site, journal, run, guests, since)
    state = journal.run(run).state
    journal.store.close()
    site.delete([guest.id for guest in guests])
    faults.clear(site.source)
    return f"{how}, {then if ended else 'ended before'}: {state}"


def rounds(site: Site, operator: Operator, seeds: range) -> Counter[str]:
    """Do these rounds; return what they came to."""
    came: Counter[str] = Counter()
    for seed in seeds:
        try:
            came[killed_and_settled(site, operator, seed)] += 1
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return came


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
def test_killed_and_given_up_nothing_waits_for_its_confirmation(
    site: Site, operator: Operator
) -> None:
    assert rounds(site, operator, range(1, 4)).total() == 3


@pytest.mark.crash
@pytest.mark.usefixtures("hasty")
def test_killed_and_given_up_many_times(
    site: Site, operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    came = rounds(site, operator, range(SEED, SEED + KILLS))
    with capsys.disabled():
        print(f"\n{came.total()} rounds from seed {SEED}, {time.monotonic() - started:.0f} s:")
        for what, times in sorted(came.items()):
            print(f"  {times:3} {what}")
    assert came.total() == KILLS


@pytest.fixture
def cold(site: Site) -> Guest:
    """A server that is migrated cold, which takes a while, on a busy machine too."""
    (guest,) = site.boot()
    site.act(guest, "os-stop", "SHUTOFF")
    faults.set_knobs(site.source, migrate_seconds=60)
    return guest


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
def test_cancelled_twice_because_it_outlasts_the_grace(
    site: Site, operator: Operator, cold: Guest
) -> None:
    operator.config["limits"] |= {"grace": "5s"}
    since = site.newest_migration()
    victim = operator.start("server.migrate", server=cold.id)
    run = victim.run
    victim.wait_line("^start  cold-migrate")
    until(lambda: site.migrations(since, cold), "its migration has begun")
    first = operator.run("run.cancel", run=run)
    victim.end()
    assert first.kind != "done", first
    shown = operator.done("run.show", run=run)
    assert "interrupted" in shown.summary
    told = victim.end().summary
    assert "run.cancel" not in told, "it was cancelled just now"
    assert f"run.settle run={run}" in told

    until(lambda: waits(site, cold), "it waits for its confirmation", seconds=180)
    second = operator.run("run.cancel", run=run)

    assert second.kind == "done", second
    journal = journal_of(operator)
    assert_settled(site, journal, run, [cold], since)
    assert journal.run(run).state == "cancelled"
    assert "1 of 2 steps done" in second.summary


@pytest.mark.usefixtures("hasty")
def test_a_record_that_nova_never_ends_is_no_dead_end(site: Site, operator: Operator) -> None:
    """As a nova-compute leaves it that dies just when the server changes its host."""
    operator.config["limits"] |= {"grace": "10s"}
    for ask, state in (("run.resume", "succeeded"), ("run.cancel", "cancelled")):
        site.enable(site.source)
        (guest,) = site.boot()
        since = site.newest_migration()
        faults.set_knobs(site.source, live_migration_seconds=2)
        victim = operator.start("server.migrate", server=guest.id)
        run = victim.run
        until(lambda s=since, g=guest: site.migrations(s, g), "its migration has begun")
        victim.kill()
        until(lambda s=since, g=guest: site.is_migrated(s, g), "it has moved")
        (record,) = site.migrations(since, guest)
        forget_the_end(record["id"])
        assert [r["status"] for r in site.migrations(since, guest)] == ["running"]

        started = time.monotonic()
        ended = operator.run(ask, run=run)

        assert ended.kind == "done", ended
        assert time.monotonic() - started < 40, "not for the hour that a migration may take"
        assert any("its migration is at 'running', and it is ACTIVE" in x for x in ended.lines)
        journal = journal_of(operator)
        assert journal.run(run).state == state
        assert journal.claims_of(run) == []
        assert "left its migration" in ended.text
        assert len(site.migrations(since, guest)) == 1


@pytest.mark.usefixtures("hasty")
def test_a_person_settles_what_the_cloud_cannot_tell(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    faults.set_knobs(site.source, live_migration_seconds=2)
    victim = operator.start("server.migrate", server=guest.id)
    run = victim.run
    until(lambda: site.migrations(since, guest), "its migration has begun")
    victim.kill()
    until(lambda: site.is_migrated(since, guest), "it has moved")
    (record,) = site.migrations(since, guest)
    forget_the_end(record["id"])
    faults.kill_compute(site.source)
    site.force_down(site.source)
    held = operator.run("run.cancel", run=run)
    assert held.kind == "interrupted", held
    assert f"nova-compute on {site.source} went down" in held.summary
    assert "run.cancel" not in held.summary

    settled = operator.done(
        "run.settle", run=run, step=guest.name, reason="I saw it there", **{"as": "done"}
    )
    assert "settled as done by" in settled.summary
    ended = operator.run("run.cancel", run=run)

    assert ended.kind == "done", ended
    journal = journal_of(operator)
    assert (journal.run(run).state, journal.claims_of(run)) == ("cancelled", [])
    assert len(site.migrations(since, guest)) == 1


def forget_the_end(record: int) -> None:
    """Let a migration that is over be ``running`` for good."""
    for cell in ("nova", "nova_cell0"):
        databases.query(
            existing(),
            f"UPDATE {cell}.migrations SET status='running' WHERE id={record:d}",
        )
