"""The marks on what our runbooks make, in its metadata: the run, the step, and the last day.

Snapshots of volumes carry them in their metadata, images in their properties.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

RUN = "openstack_ops:run"
STEP = "openstack_ops:step"
# The last day on which a thing is kept, in UTC, as 2026-01-31.
KEEP_UNTIL = "openstack_ops:keep_until"
# What they were called until 0.3.0: images that carry these are in use for as long as they last.
FORMER = {
    RUN: "openstack_ops_run",
    STEP: "openstack_ops_step",
    KEEP_UNTIL: "openstack_ops_keep_until",
}


def marks_of(run: str, step: str) -> dict[str, str]:
    """Return the marks by which a step finds what it has made: ``attempt.run``, ``attempt.key``."""
    return {RUN: run, STEP: step}


def former(marks: Mapping[str, str]) -> dict[str, str]:
    """Return the same marks under the names that they had until 0.3.0."""
    return {FORMER[name]: value for name, value in marks.items()}


def marked(metadata: Mapping[str, Any] | None, mark: str) -> str | None:
    """Return what a mark says, under its name or its former one; None if there is none."""
    known = metadata or {}
    value = known.get(mark, known.get(FORMER[mark]))
    return None if value is None else str(value)


def last_day(asked_at: datetime.datetime, seconds: float) -> str:
    """Return the day, in UTC, until which a thing is kept that is to be there for so long.

    >>> last_day(datetime.datetime(2026, 1, 31, 23, tzinfo=datetime.timezone.utc), 7200)
    '2026-02-01'
    """
    until = asked_at.astimezone(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return f"{until:%Y-%m-%d}"
