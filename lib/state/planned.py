"""The steps of a drawn plan as rows of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: What each of them is before anything is done about it.
NEW_STEP = {"state": "pending", "attempts": 0, "undone": False}


def step_rows(run: str, planned: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the rows of a run's steps, given as (key, sentence) in order."""
    return [
        {"run": run, "key": key, "position": number, "sentence": sentence}
        for number, (key, sentence) in enumerate(planned)
    ]
