"""The marks on what our runbooks make: their names, the former ones, and the last day."""

from __future__ import annotations

import datetime

import pytest

from keeping.marks import FORMER, KEEP_UNTIL, RUN, STEP, former, last_day, marked, marks_of

UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, None),
        ({}, None),
        ({"keep_until": "2026-01-01"}, None),
        ({KEEP_UNTIL: "2026-01-01"}, "2026-01-01"),
        ({"openstack_ops_keep_until": "2026-01-01"}, "2026-01-01"),
        ({"openstack_ops_keep_until": "2026-01-01", KEEP_UNTIL: "2026-02-01"}, "2026-02-01"),
        ({KEEP_UNTIL: 3}, "3"),
    ],
)
def test_a_mark_is_read_by_both_names(metadata: dict[str, object] | None, said: str | None) -> None:
    assert marked(metadata, KEEP_UNTIL) == said


def test_a_step_finds_what_it_made_under_either_name() -> None:
    marks = marks_of("a-run", "volume.snapshot:v")
    assert marks == {RUN: "a-run", STEP: "volume.snapshot:v"}
    assert former(marks) == {FORMER[RUN]: "a-run", FORMER[STEP]: "volume.snapshot:v"}


@pytest.mark.parametrize(
    ("asked_at", "seconds", "day"),
    [
        (datetime.datetime(2026, 1, 31, 23, 30, tzinfo=UTC), 0, "2026-01-31"),
        (datetime.datetime(2026, 1, 31, 23, 30, tzinfo=UTC), 1800, "2026-02-01"),
        (datetime.datetime(2026, 1, 31, 12, tzinfo=UTC), 7 * 86400, "2026-02-07"),
        # Somebody's own zone does not move the day.
        (
            datetime.datetime(
                2026, 2, 1, 1, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=2))
            ),
            0,
            "2026-01-31",
        ),
    ],
)
def test_the_last_day_is_one_of_utc(asked_at: datetime.datetime, seconds: int, day: str) -> None:
    assert last_day(asked_at, seconds) == day
