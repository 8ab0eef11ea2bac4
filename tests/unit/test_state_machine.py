"""Any order of events, on SQLite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from state.store import Store
from support.state import memory_folder, sqlite_url
from support.state_machine import machine


def test_claims_and_leases() -> None:
    with memory_folder() as folder:
        store = Store(sqlite_url(folder))
        run_state_machine_as_test(
            machine(store),
            settings=settings(
                max_examples=15,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        store.close()
