"""What is to be quiet for 59 minutes is so, also where the clocks are changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from accounts.alertmanager import Alertmanager
from accounts.config import load
from accounts.icinga import Icinga
from common.duration import End
from monitoring import downtimes, silences
from support import fake_alertmanager
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud_runs import FakeAttempt, tracing_as
from support.fake_icinga import FakeIcinga, Thing
from support.zones import CHANGES, sitting_in
from workflow_api import Plan

LENGTH = 59 * 60
UTC = timezone.utc


@pytest.fixture(params=CHANGES, ids="-".join)
def now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """Sit in a zone at half an hour before its clocks are changed."""
    zone, instant = request.param
    fixed = datetime.fromisoformat(f"{instant}+00:00")

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return fixed.astimezone(tz)

    with sitting_in(zone):
        local = fixed.astimezone()
        assert (local + timedelta(seconds=LENGTH)).astimezone(UTC) == fixed + timedelta(minutes=59)
        assert local.utcoffset() != (fixed + timedelta(minutes=59)).astimezone().utcoffset()
        for module in (silences, downtimes, fake_alertmanager):
            monkeypatch.setattr(module, "datetime", Clock)
        yield fixed


def carried_out(step: Any, accounts: dict[str, Any], **data: Any) -> None:
    """Plan a step, and carry it out as a run does."""
    plan = Plan("Be quiet")
    plan.add(step, **data)
    (planned,) = plan.steps()
    with tracing_as(changes=True):
        planned.definition.call(planned.definition.function, FakeAttempt(), accounts, planned.data)


def test_a_silence(now: datetime) -> None:
    with FakeAlertmanager() as fake:
        alertmanager = Alertmanager.from_config(load({"alertmanagers": [fake.entry]}), None)
        data = silences.data(alertmanager, 'alertname="HostDown"', "why", End.parse("PT59M"))
        carried_out(silences.create, {"alertmanager": alertmanager}, **data)
        (made,) = fake.silences.values()
    begin, end = (
        datetime.fromisoformat(made[key].replace("Z", "+00:00")) for key in ("startsAt", "endsAt")
    )
    assert begin == now
    assert (end - begin).total_seconds() == LENGTH


def test_a_downtime(now: datetime) -> None:
    with FakeIcinga([Thing("cmp-1")]) as fake:
        icinga = Icinga.from_config(load({"icingas": [fake.entry()]}), None)
        data = downtimes.data(icinga, "cmp-1", "why", End.parse("PT59M"), services=False)
        carried_out(downtimes.schedule, {"icinga": icinga}, **data)
        made = fake.down("cmp-1")
    assert made["start_time"] == now.timestamp()
    assert made["end_time"] - made["start_time"] == LENGTH
