"""State stores as older versions of the pack made them, and what has to be left of them."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, create_engine, text

import state
from cases.ledger_cases import KEY, ledger_of, record, set_to
from state import engines
from state.journal import Journal
from state.schema import HEAD
from state.store import Store
from support.state import LEASE, OTTO

#: The schema of version 0.1.0.
OF_0_1_0 = "0002"


def old_store(url: str, revision: str = "0001", **of_the_run: Any) -> str:
    """Make a store at an old revision with a run in it that holds something; return the run."""
    run, engine = str(uuid.uuid4()), create_engine(engines.parsed(url))
    config = Config()
    config.set_main_option("script_location", str(Path(state.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        now = connection.execute(text(_NOW[engine.dialect.name])).scalar()
        tables = MetaData()
        tables.reflect(connection)
        for name, row in _rows(run, float(now or 0), of_the_run).items():
            connection.execute(tables.tables[name].insert().values(row))
    engine.dispose()
    return run


def check_upgraded(opened: Store, run: str) -> None:
    """Assert that a store is at this code's version and has what was in it before."""
    with opened.reading() as tx:
        assert tx.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    journal = Journal(opened)
    assert journal.run(run).alive
    assert [step.state for step in journal.steps(run)] == ["done"]
    assert journal.claims_of(run) == ["server:a"]
    assert journal.named_claims_of(run) == {"server:a": "server:a"}
    ledger = ledger_of(opened)
    made = record(ledger, "ann")
    set_to(ledger, made, "ann", "sent")
    assert ledger.known(KEY).counts == {"sent": 1}


class UpgradeCases:
    """From a store that an older version of the pack made."""

    @pytest.mark.parametrize("revision", ["0001", OF_0_1_0])
    def test_what_is_there_stays(self, empty_url: str, revision: str) -> None:
        run = old_store(empty_url, revision)
        with closing(Store(empty_url)) as opened:
            check_upgraded(opened, run)

    def test_a_request_to_stop_is_still_open(self, empty_url: str) -> None:
        run = old_store(empty_url, OF_0_1_0, cancel_requested_by="otto")
        with closing(Store(empty_url)) as opened:
            asked = Journal(opened).stop_requested(run)
        assert asked is not None
        assert asked.said == "otto cancelled it"

    def test_who_cancelled_a_run_that_has_ended_is_known(self, empty_url: str) -> None:
        ended = {"state": "cancelled", "ended_at": 1.7e9, "lease_until": None}
        run = old_store(empty_url, OF_0_1_0, cancel_requested_by="otto", **ended)
        with closing(Store(empty_url)) as opened:
            (asked,) = Journal(opened).requests_of([run])[run]
        assert (asked.requested_by, asked.settled_as) == ("otto", "cancelled")

    def test_a_process_of_0_1_0_hears_of_a_request_to_stop(self, empty_url: str) -> None:
        run = old_store(empty_url, OF_0_1_0)
        with closing(Store(empty_url)) as opened:
            Journal(opened).request_stop(run, OTTO)
            with opened.reading() as tx:
                heard = tx.execute(text("SELECT cancel_requested_by FROM runs")).scalar()
        assert heard == "otto"


_NOW = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
    "mariadb": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
}


def _rows(run: str, now: float, of_the_run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "runs": {
            "id": run, "root": run, "state": "running", "drawn": True, "generation": 1,
            "lease_until": now + LEASE, "holder": "test:1", "created_at": now, "started_at": now,
            "workflow": "hypervisor.drain", "request": "r" * 64, "pack_version": "0.1.0",
            "requested_by": "olga", "origin": "local:test:1",
            "parameters": '{"hypervisor":"cmp-1"}', "plan": '{"title":"nothing much"}',
            **of_the_run,
        },
        "steps": {
            "run": run, "key": "one", "position": 0, "state": "done", "attempts": 1,
            "undone": False, "sentence": "do one",
        },
        "claims": {"subject": "server:a", "run": run, "claimed_at": now},
    }  # fmt: skip
