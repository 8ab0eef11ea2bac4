"""The next host is begun once the alerts that a site names are silent for long enough."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from accounts import repeating
from accounts.config import PackConfig, load
from maintenance import settling
from maintenance.settling import settle, unknown
from state.earlier import Earlier
from state.host_works import Work
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud_runs import FakeAttempt, tracing_as
from workflow_api import Paused

CRITICAL = 'severity="critical", alertname!="Watchdog"'
SUBJECT = "hypervisor:1"


@dataclass
class Attempt(FakeAttempt):
    """One of several tries: what earlier ones have noted, and which hosts were in work."""

    earlier: dict[str, Any] = field(default_factory=dict)
    works: list[Work] = field(default_factory=list)

    def records(self, kind: Callable[..., Any]) -> Any:
        if kind is Earlier:
            return types.SimpleNamespace(notes=lambda key: self.earlier)
        return types.SimpleNamespace(of=lambda subjects, since: self.works)


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float, *, between: bool = False) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(settling, "time", clock)
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.0)
    return clock


@pytest.fixture(params=["0.25.0", "0.21.0"])
def monitor(request: pytest.FixtureRequest) -> Iterator[FakeAlertmanager]:
    with FakeAlertmanager(request.param) as monitor:
        yield monitor


def config(monitor: FakeAlertmanager, settle: str = "5m", *matchers: str) -> PackConfig:
    alerts = {"main": list(matchers or [CRITICAL])}
    return load(
        {"alertmanagers": [monitor.entry], "maintenance": {"alerts": alerts, "settle": settle}}
    )


def tried(
    config: PackConfig, clock: Clock, attempt: Attempt, *, first: bool = False
) -> Paused | None:
    """Try once; return why it is paused. What was noted is there at the next try."""
    attempt.wait, attempt.notes = clock.wait, {}
    try:
        with tracing_as(False):
            settle(attempt, config, [SUBJECT], first=first)
    except Paused as paused:
        attempt.earlier |= attempt.notes
        return paused
    return None


def test_without_any_named_nothing_is_asked(clock: Clock) -> None:
    settle(FakeAttempt(), load({}), [], first=False)  # type: ignore[arg-type]


def test_an_alert_that_fires_pauses_with_its_name_and_since_when(
    monitor: FakeAlertmanager, clock: Clock
) -> None:
    monitor.fire(alertname="CephDown", severity="critical", instance="mon-1\x1b[2J")
    monitor.fire(alertname="HostDown", severity="critical")
    paused = tried(config(monitor), clock, Attempt(), first=True)
    assert paused is not None
    said = str(paused)
    assert said.startswith("Alert CephDown of mon-1")
    assert "fires since 2026-01-01 00:00" in said
    assert "and 1 other alert" in said
    assert "skip=alerts" in said
    assert "silence.create" in said
    assert "\x1b" not in said
    assert paused.at == clock.now + 60


@pytest.mark.parametrize(
    ("labels", "by"),
    [
        ({"alertname": "Watchdog", "severity": "critical"}, ()),
        ({"alertname": "HostDown", "severity": "warning"}, ()),
        ({"alertname": "HostDown", "severity": "critical"}, ("a-silence",)),
    ],
)
def test_others_and_silenced_ones_do_not_count(
    monitor: FakeAlertmanager, clock: Clock, labels: dict[str, str], by: tuple[str, ...]
) -> None:
    monitor.fire(*by, **labels)
    assert tried(config(monitor), clock, Attempt(), first=True) is None


def test_any_of_the_matchers_will_do(monitor: FakeAlertmanager, clock: Clock) -> None:
    monitor.fire(alertname="Slow", team="storage")
    assert tried(config(monitor, "5m", CRITICAL, 'team=~"stor.*"'), clock, Attempt())


def test_the_next_host_waits_from_when_the_last_one_was_done(
    monitor: FakeAlertmanager, clock: Clock
) -> None:
    attempt, begun = Attempt(), clock.now
    paused = tried(config(monitor), clock, attempt)
    assert paused is not None
    assert "and have to be for 5m" in str(paused)
    while paused is not None:
        assert clock.now < paused.at <= clock.now + 60
        clock.now = paused.at
        paused = tried(config(monitor), clock, attempt)
    assert clock.now == begun + 300


def test_an_alert_in_between_begins_the_time_anew(monitor: FakeAlertmanager, clock: Clock) -> None:
    attempt = Attempt()
    assert tried(config(monitor), clock, attempt)
    clock.now += 290
    monitor.fire(alertname="HostDown", severity="critical")
    assert "fires since" in str(tried(config(monitor), clock, attempt))
    clock.now += 60
    monitor.alerts.clear()
    assert "Alerts are silent since" in str(tried(config(monitor), clock, attempt))
    clock.now += 299
    assert tried(config(monitor), clock, attempt) is None  # the last second is waited for
    assert attempt.notes["silent_since"] == clock.now - 300


def test_a_short_time_is_waited_for_with_looks_in_between(
    monitor: FakeAlertmanager, clock: Clock
) -> None:
    begun = clock.now
    assert tried(config(monitor, "20s"), clock, Attempt()) is None
    assert clock.now == begun + 20
    assert len(monitor.requests) == 5


def test_the_first_host_waits_only_after_others_work(
    monitor: FakeAlertmanager, clock: Clock
) -> None:
    assert tried(config(monitor), clock, Attempt(), first=True) is None
    ended = Work(SUBJECT, "cmp-1", "run", 0.0, 900.0, now=1000.0)
    paused = tried(config(monitor), clock, Attempt(works=[ended]), first=True)
    assert paused is not None
    clock.now += 200
    still = Work(SUBJECT, "cmp-2", "run", 0.0, None, now=1000.0)
    assert tried(config(monitor), clock, Attempt(works=[still]), first=True) is None


def test_a_clock_that_was_set_back_makes_it_no_longer(
    monitor: FakeAlertmanager, clock: Clock
) -> None:
    attempt = Attempt(earlier={"silent_since": clock.now + 86400})
    paused = tried(config(monitor), clock, attempt)
    assert paused is not None
    clock.now += 300
    assert tried(config(monitor), clock, attempt) is None


def test_an_alertmanager_that_does_not_answer_is_not_taken_for_silent(
    monitor: FakeAlertmanager, clock: Clock
) -> None:
    attempt = Attempt(earlier={"silent_since": clock.now - 300})
    monitor.fail("GET /api/v2/alerts", 503, times=float("inf"))
    assert "It is not known which alerts fire" in str(tried(config(monitor), clock, attempt))
    monitor.faults.clear()
    assert "Alerts are silent since" in str(tried(config(monitor), clock, attempt))


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"main": [CRITICAL]}, ""),
        ({"other": [CRITICAL]}, "There is no Alertmanager 'other'"),
        ({"main": ["severity"]}, "is not understood"),
        ({"main": ['a!="b"']}, "an alert without labels would pass"),
    ],
)
def test_what_cannot_be_asked_is_told_before(alerts: dict[str, list[str]], said: str) -> None:
    entry = {"name": "main", "url": "https://alerts.example.org"}
    found = unknown(load({"alertmanagers": [entry], "maintenance": {"alerts": alerts}}))
    assert bool(found) == bool(said)
    assert said in "".join(found)
