"""What is particular to the verbs of servers; test_verbs.py goes through the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_power import Power
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform
from workflow_api.planned import PlannedStep


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    server = Server("web-1")
    with FakeCloud([Hypervisor("cmp-1")], [server], now=clock.monotonic) as fake:
        yield fake


def planned(fake: FakeCloud, name: str, **options: Any) -> PlannedStep:
    """Return the one step of a verb's plan."""
    (step,) = drawn(fake.account(), name, server="web-1", **options).steps()
    return step


def test_a_soft_reboot_that_takes_too_long_is_made_a_hard_one(
    fake: FakeCloud, clock: Clock
) -> None:
    server = fake.server("web-1")
    fake.nova.power.courses[server.id] = Power(seconds=None)
    attempt = FakeAttempt(wait=clock.wait)
    perform(planned(fake, "server.reboot", hard_after="30s"), fake.account(), attempt)
    kinds = [request.body["reboot"]["type"] for request in fake.changes]
    assert kinds == ["SOFT", "HARD"]
    assert any("hard" in said for said in attempt.said)


@pytest.mark.long
def test_a_hard_reboot_is_asked_for_once(fake: FakeCloud, clock: Clock) -> None:
    server = fake.server("web-1")
    fake.nova.power.courses[server.id] = Power(seconds=300)
    perform(
        planned(fake, "server.reboot", how="hard"), fake.account(), FakeAttempt(wait=clock.wait)
    )
    assert [request.body["reboot"]["type"] for request in fake.changes] == ["HARD"]


def test_a_name_is_shown_as_it_is_written(fake: FakeCloud) -> None:
    fake.server("web-1").name = "Web-ÄB"
    assert drawn(fake.account(), "server.stop", server="Web-ÄB").title == "Stop Web-ÄB"


def test_a_hard_reboot_starts_what_is_shut_off(fake: FakeCloud, clock: Clock) -> None:
    fake.server("web-1").status = "SHUTOFF"
    step = planned(fake, "server.reboot", how="hard")
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert fake.server("web-1").status == "ACTIVE"


def test_a_lock_keeps_its_reason(fake: FakeCloud, clock: Clock) -> None:
    step = planned(fake, "server.lock", reason="under investigation")
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert fake.server("web-1").locked_reason == "under investigation"


# -- as an action ------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("name", ["server.stop", "server.reboot"])
def test_a_run_goes_on_by_itself_after_a_lost_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with FakeCloud([Hypervisor("cmp-1")], [Server("web-1")]) as fake:
        fake.nova.power.courses[fake.server("web-1").id] = Power(seconds=0.1)
        fake.fail("POST .*/action", cut=True, late=True)
        config = fake.config(state_url=f"sqlite:///{tmp_path}/state.db")
        kind, result = dispatch(name, {"server": "web-1", "dry_run": False}, config)
        assert (kind, len(fake.changes)) == ("done", 1), result["text"]
