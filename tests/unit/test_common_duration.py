"""Durations and ends as operators write them: 59 minutes are 59 minutes, wherever one sits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.duration import Duration, End, decoded
from support.zones import CHANGES, ZONES, sitting_in

UTC = timezone.utc


@pytest.fixture(params=ZONES)
def _zone(request: pytest.FixtureRequest) -> Iterator[None]:
    with sitting_in(request.param):
        yield


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT90M", 5400),
        ("pt90m", 5400),
        ("P1DT12H", 129600),
        ("P1.5D", 129600),
        ("PT1,5H", 5400),
        ("P2W", 1209600),
        (" PT5S ", 5),
        ("PT0.25S", 0.25),
    ],
)
def test_durations_of_iso_8601(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["P", "PT", "PT ", "PD", "P1", "P1H", "PT1D", "PT1M1H", "-PT1M"])
def test_what_is_none_of_iso_8601(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["P1M", "P1Y", "P1Y2M3DT4H"])
def test_months_have_no_length(text: str) -> None:
    with pytest.raises(ValueError, match="months or years"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "end", "sentence"),
    [
        ("90m", "1h30m", "for 1h30m"),
        ("PT59M", "59m", "for 59m"),
        ("2026-03-29T03:30:00Z", "2026-03-29T03:30:00Z", "until 2026-03-29 03:30 UTC"),
        ("2026-03-29T03:30:00.000Z", "2026-03-29T03:30:00Z", "until 2026-03-29 03:30 UTC"),
        ("2026-03-29 03:30:15 utc", "2026-03-29T03:30:15Z", "until 2026-03-29 03:30:15 UTC"),
        ("2026-03-29T03:30+02:00", "2026-03-29T01:30:00Z", "until 2026-03-29 01:30 UTC"),
        ("2026-03-29 03:30 -0330", "2026-03-29T07:00:00Z", "until 2026-03-29 07:00 UTC"),
        ("2026-03-29 03:30 Europe/Berlin", "2026-03-29T01:30:00Z", "until 2026-03-29 01:30 UTC"),
        ("2026-10-25 02:30+02:00", "2026-10-25T00:30:00Z", "until 2026-10-25 00:30 UTC"),
    ],
)
@pytest.mark.usefixtures("_zone")
def test_ends(text: str, end: str, sentence: str) -> None:
    found = End.parse(text)
    assert (found, found.sentence) == (end, sentence)
    assert End.parse(found) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-03-29T03:30", "has no zone: write 2026-03-29T03:30Z"),
        ("2026-02-30 03:30 Z", "is in no calendar"),
        ("2026-03-29 25:30 Z", "is in no calendar"),
        ("2026-03-29 02:30 Europe/Berlin", "put forward past this time"),
        (
            "2026-10-25 02:30 Europe/Berlin",
            r"twice: write 2026-10-25T02:30:00\+02:00 or 2026-10-25T02:30:00\+01:00",
        ),
        ("2026-03-29 03:30 Europe/Berlon", "knows no such zone"),
        ("2026-03-29 03:30 Europe", "knows no such zone"),
        ("2026-03-29 03:30 ../../etc/passwd", "knows no such zone"),
        ("2026-03-29 03:30 /etc/localtime", "knows no such zone"),
        ("2026-03-29 03:30 +25:00", "03:30 .25:00: "),
        ("9999-12-31 23:30 -05:00", "9999-12-31 23:30 -05:00: "),
        ("0s", "longer than nothing"),
        ("tomorrow", "is not a duration: .*; or as a time with its zone"),
        ("60", "is not a duration"),
        ("2026-03-29", "is not a duration"),
        (None, "is not a duration"),
    ],
)
@pytest.mark.usefixtures("_zone")
def test_what_is_no_end(text: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        End.parse(text)


@pytest.mark.parametrize(("zone", "instant"), CHANGES)
@pytest.mark.usefixtures("_zone")
def test_59_minutes_are_59_minutes(zone: str, instant: str) -> None:
    """Also where the clocks are changed meanwhile, of which the begin's own zone would know."""
    begin = datetime.fromisoformat(f"{instant}+00:00")
    local = begin.astimezone(ZoneInfo(zone))
    assert local.utcoffset() != (begin + timedelta(minutes=59)).astimezone(local.tzinfo).utcoffset()
    for one in (begin, local):
        end = End.parse("59m").after(one)
        assert end.timestamp() - begin.timestamp() == 59 * 60
        assert end.utcoffset() == timedelta(0)


@pytest.mark.usefixtures("_zone")
def test_a_moment_is_the_same_wherever_it_begins() -> None:
    for begin in (datetime.now(UTC), datetime(2026, 1, 1, tzinfo=ZoneInfo("Pacific/Chatham"))):
        end = End.parse("2026-03-29 03:30 Europe/Berlin").after(begin)
        assert end == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@given(st.datetimes(datetime(1000, 1, 2), datetime(9998, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_an_offset_is_taken_off(local: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    at = local.replace(microsecond=0, tzinfo=zone)
    assert End.parse(at.isoformat()).after(at) == at


@given(st.integers(1, 10**8))
def test_a_stored_end_is_read_back_as_it_was(seconds: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    end = End.parse(f"{seconds}s")
    assert (End.parse(end).after(begin) - begin).total_seconds() == seconds


def test_a_parameter_can_be_one() -> None:
    found = msgspec.convert({"until": "PT90M"}, dict[str, End | None], dec_hook=decoded)
    assert found == {"until": "1h30m"}
    assert isinstance(found["until"], End)
