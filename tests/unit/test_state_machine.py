"""Any order of events, on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from cases.ledger_machine import ledger_machine
from cases.state_machine import machine
from state.store import Store
from support.state import memory_folder, sqlite_url


@pytest.mark.long
@pytest.mark.parametrize("made", [machine, ledger_machine])
def test_claims_leases_and_mails(made: Callable[[Store], Any]) -> None:
    with memory_folder() as folder:
        store = Store(sqlite_url(folder))
        run_state_machine_as_test(
            made(store),
            settings=settings(
                max_examples=8,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        store.close()
