"""Stops and leases to the letter: who waits how long, and from when a lease counts."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from accounts.config import load
from common.errors import StoreLost
from engine.dispatch import _deadline
from engine.lease import Lease
from engine.stop import Stop, stopped_by_signals
from state.journal import Journal
from support.runs import toy_house
from support.sample_runbooks import WORLD
from workflow_api import Interrupted, LeaseLost


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- stops -------------------------------------------------------------------------------------


def test_a_later_reason_gives_no_grace_of_its_own() -> None:
    stop = Stop(0.05)
    stop.request("cancel", "ann cancelled it")
    time.sleep(0.06)
    stop.request("interrupt", "its timeout is near")
    with pytest.raises(Interrupted):
        stop.wait(0.01)


def test_without_a_lease_nobody_has_a_grace() -> None:
    stop = Stop(600)
    stop.request("lost", "its lease was lost")
    with pytest.raises(Interrupted):
        stop.wait(5)


def test_between_two_changes_nobody_waits_for_the_grace() -> None:
    stop = Stop(600)
    stop.request("cancel", "ann cancelled it")
    stop.wait(0.01)
    with pytest.raises(Interrupted):
        stop.wait(5, at_once=True)


def test_who_insists_is_not_given_the_grace_again() -> None:
    stop = Stop(600)
    for _ in range(2):
        stop.request("interrupt", "SIGINT was received", insist=True)
    stop.extend()
    with pytest.raises(Interrupted):
        stop.wait(5)


def test_the_first_error_says_why_a_run_was_cut_off() -> None:
    stop = Stop(600)
    for error in (StoreLost("The store is gone."), LeaseLost("run")):
        stop.cut_off(error)
    assert isinstance(stop.lost, StoreLost)


@pytest.mark.parametrize(
    ("timeout", "grace", "before"),
    [(None, 10, None), (100, 10, 15), (20, 5, 7), (8, 2, 2.8)],
)
def test_a_run_stops_so_long_before_its_timeout_that_its_end_is_journalled(
    timeout: float | None, grace: float, before: float | None
) -> None:
    config = load({"limits": {"grace": "10s"}})
    stops = None if timeout is None or before is None else 1000 + timeout - before
    assert _deadline(timeout, config, 1000.0) == (stops, grace)


@pytest.fixture
def _in_the_main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("Python delivers signals to the main thread only")


@pytest.mark.usefixtures("_in_the_main_thread")
def test_the_first_signal_gives_the_grace_and_the_second_takes_it() -> None:
    stop = Stop(600)
    with stopped_by_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: stop.requested)
        stop.wait(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            stop.wait(10)


@pytest.mark.usefixtures("_in_the_main_thread")
@pytest.mark.parametrize("nohup", [True, False])
def test_a_lost_connection_stops_a_run_unless_nohup_says_otherwise(nohup: bool) -> None:
    stop, before = Stop(600), signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        with stopped_by_signals(stop):
            os.kill(os.getpid(), signal.SIGHUP)
            if nohup:
                time.sleep(0.1)
            else:
                until(lambda: stop.requested)
        assert stop.requested is not nohup
    finally:
        signal.signal(signal.SIGHUP, before)


# -- leases ------------------------------------------------------------------------------------


@contextmanager
def ruled(*modules: str) -> Iterator[list[float]]:
    """Let the lease's clock be the test's."""
    now = [100.0]
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(f"{module}.clock", lambda: now[0])
        yield now


def test_a_lease_counts_from_before_its_renewal_was_asked_for() -> None:
    class Slow:
        def renew(self, *_: Any) -> None:
            now[0] += 3
            held._ended.set()

    with ruled("engine.lease") as now:
        held = Lease(cast(Journal, Slow()), "run", 1, 10.0, Stop(600))
        held._beat, now[0] = 0.0, 105.0
        held._keep()
        now[0] = 114.9
        held.fence()
        now[0] = 115.0
        with pytest.raises(LeaseLost):
            held.fence()


def test_a_lease_that_is_known_to_be_lost_lets_nothing_out() -> None:
    held = Lease(cast(Journal, None), "run", 1, 600.0, Stop(600))
    held.fence()
    held.stop.cut_off(StoreLost("The store is gone."))
    with pytest.raises(StoreLost):
        held.fence()


def test_a_lease_counts_from_before_it_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Journal.begin_run

    def slowly(self: Journal, *arguments: Any) -> int:
        generation = begin(self, *arguments)
        now[0] += 31
        return generation

    monkeypatch.setattr(Journal, "begin_run", slowly)
    with toy_house() as (house, world), ruled("engine.lease", "engine.run_lease") as now:
        monkeypatch.setenv(WORLD, str(world.path))
        kind, _ = house.work({"do": "paint", "to": ["a"]})
        assert (kind, dict(world.effects)) == ("interrupted", {})
