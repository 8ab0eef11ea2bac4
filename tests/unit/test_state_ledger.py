"""The ledger of mail campaigns on SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("cases.journal_cases", "cases.ledger_cases", "cases.upgrade_cases")
from cases.ledger_cases import (  # noqa: E402
    FenceCases,
    ForgetCases,
    LedgerCases,
    LedgerCostCases,
    ledger,
    store,
)
from cases.upgrade_cases import UpgradeCases  # noqa: E402
from support.state import memory_folder, sqlite_url  # noqa: E402

__all__ = ["ledger", "store"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the module's one store."""
    with memory_folder() as folder:
        yield sqlite_url(folder)


@pytest.fixture
def empty_url() -> Iterator[str]:
    """The URL of a store that is not there yet."""
    with memory_folder() as folder:
        yield sqlite_url(folder)


class TestLedger(LedgerCases): ...


class TestFence(FenceCases): ...


class TestForget(ForgetCases): ...


class TestUpgrade(UpgradeCases): ...


class TestCost(LedgerCostCases): ...
