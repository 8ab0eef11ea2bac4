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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes unless it is asked for."""
    if "crash" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("crash"):
                item.add_marker(pytest.mark.skip("takes minutes: ask for it with -m crash"))


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests be repeated without a pause that no service has asked for."""
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.0)
