"""The journal on a real MariaDB: what it must do on every database, and what only this one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, event, inspect, text, update

pytest.register_assert_rewrite(
    "cases.journal_cases", "cases.ledger_cases", "cases.observation_cases"
)
from cases.journal_cases import (  # noqa: E402
    ClaimCases,
    ConcurrencyCases,
    CostCases,
    LeaseCases,
    RunCases,
    StepCases,
    StoreCases,
    journal,
    store,
)
from cases.ledger_cases import (  # noqa: E402
    KEY,
    FenceCases,
    ForgetCases,
    LedgerCases,
    LedgerCostCases,
    ledger,
    record,
)
from cases.ledger_machine import ledger_machine  # noqa: E402
from cases.observation_cases import ObservationCases, observations  # noqa: E402
from cases.state_machine import machine  # noqa: E402
from cases.upgrade_cases import UpgradeCases, check_upgraded, old_store  # noqa: E402
from common.errors import Held, UserError  # noqa: E402
from state.journal import Journal  # noqa: E402
from state.ledger import Ledger  # noqa: E402
from state.place import look_at  # noqa: E402
from state.schema import identity, metadata, runs  # noqa: E402
from state.store import Store  # noqa: E402
from support import state_workers as workers  # noqa: E402
from support.state import begin, empty, expire, mariadb_url  # noqa: E402
from support.state_workers import processes  # noqa: E402

__all__ = ["journal", "ledger", "observations", "processes", "store"]

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the module's one store."""
    with mariadb_url() as made:
        yield made


@pytest.fixture
def empty_url() -> Iterator[str]:
    """The URL of a database without tables."""
    with mariadb_url() as made:
        yield made


class TestLeases(LeaseCases): ...


class TestClaims(ClaimCases): ...


class TestSteps(StepCases): ...


class TestRuns(RunCases): ...


class TestStore(StoreCases): ...


class TestConcurrency(ConcurrencyCases): ...


class TestCost(CostCases): ...


class TestLedger(LedgerCases): ...


class TestLedgerFence(FenceCases): ...


class TestLedgerForget(ForgetCases): ...


class TestObservations(ObservationCases): ...


class TestUpgrade(UpgradeCases): ...


class TestLedgerCost(LedgerCostCases): ...


@pytest.mark.parametrize("made", [machine, ledger_machine])
def test_claims_leases_and_mails_in_any_order(store: Store, made: Callable[[Store], Any]) -> None:
    run_state_machine_as_test(
        made(store),
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_eight_processes_start_on_an_empty_database(
    empty_url: str, processes: workers.Processes
) -> None:
    made = processes.all_at_once(workers.first_use, empty_url)
    opened = Store(empty_url)
    assert {run.id for run in Journal(opened).recent(limit=100)} == set(made)
    assert len(made) == 8
    opened.close()


def test_a_first_use_that_was_killed_half_way_is_completed(empty_url: str) -> None:
    opened = Store(empty_url)
    with opened.engine.begin() as connection:
        connection.execute(text("DROP TABLE claims, attempts"))
        connection.execute(text("DROP INDEX ix_runs_state ON runs"))
        connection.execute(text("DELETE FROM alembic_version"))
    opened.close()
    opened = Store(empty_url)
    with opened.engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert len(connection.execute(table.select()).all()) == (table is identity)
    StoreCases().test_the_migrations_make_the_tables(opened)
    opened.close()


def test_an_upgrade_that_was_killed_half_way_is_completed(empty_url: str) -> None:
    run = old_store(empty_url, cancel_requested_by="otto")
    opened = Store(empty_url)
    with opened.engine.begin() as connection:  # a table is there, what comes after it is not
        connection.execute(text("DROP TABLE mails"))
        connection.execute(text("DROP INDEX ix_campaigns_created_at ON campaigns"))
        connection.execute(text("ALTER TABLE claims DROP COLUMN name"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    opened.close()
    opened = Store(empty_url)
    check_upgraded(opened, run)
    assert len(Journal(opened).requests_of([run])[run]) == 1
    StoreCases().test_the_migrations_make_the_tables(opened)
    opened.close()


def test_a_heartbeat_that_came_just_in_time_is_respected(journal: Journal) -> None:
    """A run that was planning is alive again between the look at it and its burial."""
    engine = journal.store.engine
    late = begin(journal)
    journal.claim(*late.fence, ["server:a"])
    expire(journal, late.run)
    mine, revived = begin(journal), []

    def revive(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and "claims" in statement and not revived:
            revived.append(late.run)
            with engine.begin() as other:
                other.execute(update(runs).where(runs.c.id == late.run).values(lease_until=9e9))

    event.listen(engine, "after_cursor_execute", revive)
    try:
        with pytest.raises(Held, match=late.run):
            journal.claim(*mine.fence, ["server:a"])
    finally:
        event.remove(engine, "after_cursor_execute", revive)
    assert revived
    assert journal.run(late.run).alive


def test_a_connection_that_was_cut_is_made_again(journal: Journal) -> None:
    """Before the commit nothing was written, so the whole is repeated."""
    engine, holder, cut = journal.store.engine, begin(journal, "one"), []

    def cut_once(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE") and not cut:
            cut.append(connection.connection.dbapi_connection.thread_id())
            with engine.connect() as other:
                other.execute(text(f"KILL {cut[0]}"))

    event.listen(engine, "before_cursor_execute", cut_once)
    try:
        journal.begin_attempt(*holder.fence, holder.run, "one", "a-1", "apply")
    finally:
        event.remove(engine, "before_cursor_execute", cut_once)
    assert cut
    assert [one.id for one in journal.attempts(holder.run)] == ["a-1"]
    assert journal.steps(holder.run)[0].attempts == 1


def test_too_long_a_subject_is_refused_and_not_cut_short(journal: Journal) -> None:
    holder = begin(journal)
    with pytest.raises(UserError, match="too long"):
        journal.claim(*holder.fence, ["s" * 256])


def test_too_long_a_recipient_is_refused_and_not_cut_short(ledger: Ledger) -> None:
    with pytest.raises(UserError, match="too long"):
        record(ledger, "a" * 255)
    assert ledger.campaign(KEY) is None


def test_what_cannot_be_opened_is_said(url: str) -> None:
    start, _, name = url.rpartition("/")
    with pytest.raises(UserError, match=r"cannot be opened: Unknown database") as caught:
        Store(f"{start}/no_such_database")
    password = start.rpartition("@")[0].rpartition(":")[2]
    assert password not in str(caught.value)
    with pytest.raises(UserError, match="cannot be opened"):
        Store(f"mariadb+pymysql://nobody:x@127.0.0.1:1/{name}")


def run(url: str, *statements: str) -> list[str]:
    """Run statements on a database and return the names of its tables."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        names = inspect(connection).get_table_names()
    engine.dispose()
    return sorted(names)


@pytest.mark.parametrize("revision", ["0001", "ae1027a6acf"])
def test_the_database_of_another_program_is_left_as_it_is(empty_url: str, revision: str) -> None:
    before = run(
        empty_url,
        "CREATE TABLE dashboards (id INT)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    )
    words = "it is the database of something else, with the tables alembic_version, dashboards"
    with pytest.raises(UserError, match=f"{words}. Nothing was made or changed") as refused:
        Store(empty_url)
    assert refused.value.advice == "Name a database of its own in state_url."
    assert run(empty_url) == before
    (finding,) = look_at(empty_url)
    assert (finding.name, finding.ok) == ("state database", False)
    assert finding.detail.endswith(words)


def test_what_a_killed_first_use_has_left_is_ours(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    assert all(finding.name != "state database" for finding in look_at(empty_url))
    Store(empty_url).close()


def test_the_place(store: Store, url: str) -> None:
    findings = {finding.name: finding for finding in look_at(url)}
    assert findings["state server"].ok
    assert "MariaDB" in findings["state server"].detail
    assert findings["state clock"].ok
    assert "state durability" in findings
    wrong = look_at("mariadb+pymysql://nobody:x@127.0.0.1:1/none")
    assert [finding.ok for finding in wrong] == [False]
    empty(store)
