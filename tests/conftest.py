"""What all tests share."""

from __future__ import annotations

import gc

import pytest

from accounts import repeating


def pytest_collection_finish() -> None:
    """Collect garbage rarely: looking for it takes a seventh of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests be repeated without a pause that no service has asked for."""
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.0)
