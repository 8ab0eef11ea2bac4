"""What all tests share."""

from __future__ import annotations

import gc

import pytest

from accounts import repeating

#: Markers whose tests run only if asked for, strictest first, and why they do not otherwise.
ASKED_FOR = {
    "crash": "takes minutes: ask for it with -m crash (make test-crash)",
    "cloud": "needs a real OpenStack: ask for it with -m cloud (make test-cloud, make test)",
    "long": "has a sample that runs: ask for all with -m long (make test-long, make test)",
}


def pytest_collection_finish() -> None:
    """Collect garbage rarely: looking for it takes a seventh of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(trylast=True)  # the folder of the cloud's tests marks them first
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs minutes or a cloud unless it is asked for: what is stricter decides."""
    for item in items:
        marked = next((name for name in ASKED_FOR if item.get_closest_marker(name)), None)
        if marked and marked not in config.option.markexpr:
            item.add_marker(pytest.mark.skip(ASKED_FOR[marked]))


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests be repeated without a pause that no service has asked for."""
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.0)
