"""Waiting for a time, outside any process."""

from __future__ import annotations

import time
from typing import Any

from workflow_api import Paused, step, utc


@step("maintenance.wait_until", "wait until {shown}", changes=False)
def wait_until(at: float, shown: str) -> dict[str, Any]:
    """Let the run go on when the time has come; ``at`` is in seconds since 1970."""
    if time.time() < at:
        raise Paused(f"It begins at {utc(at)}.", at)
    return {"said": f"it is {shown}"}
