"""What all tests share."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Collect garbage rarely: looking for it takes a seventh of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
