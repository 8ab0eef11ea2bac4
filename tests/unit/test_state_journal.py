"""The journal on SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("cases.journal_cases")
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
from support.state import memory_folder, sqlite_url  # noqa: E402
from support.state_workers import processes  # noqa: E402

__all__ = ["journal", "processes", "store"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the module's one store."""
    with memory_folder() as folder:
        yield sqlite_url(folder)


class TestLeases(LeaseCases): ...


class TestClaims(ClaimCases): ...


class TestSteps(StepCases): ...


class TestRuns(RunCases): ...


class TestStore(StoreCases): ...


class TestConcurrency(ConcurrencyCases): ...


class TestCost(CostCases): ...
