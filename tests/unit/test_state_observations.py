"""What observers remember and have to tell, on SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("cases.journal_cases", "cases.observation_cases")
from cases.observation_cases import ObservationCases, observations, store  # noqa: E402
from support.state import memory_folder, sqlite_url  # noqa: E402

__all__ = ["observations", "store"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the module's one store."""
    with memory_folder() as folder:
        yield sqlite_url(folder)


class TestObservations(ObservationCases): ...
