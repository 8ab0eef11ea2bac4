"""Stopping a run from within a test, at a moment of its choice."""

from __future__ import annotations

import pytest

from engine.stop import Stop


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[Stop]:
    """The stops of the calls that are made, by which a test can stop them."""
    made: list[Stop] = []

    class Caught(Stop):
        def __init__(self, grace: float) -> None:
            super().__init__(grace)
            made.append(self)

    monkeypatch.setattr("engine.dispatch.Stop", Caught)
    return made


__all__ = ["stops"]
