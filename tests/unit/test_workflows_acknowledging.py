"""monitoring.acknowledge and unacknowledge, against an Icinga that loses answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from monitoring import marks
from support.fake_icinga import FakeIcinga, Thing
from support.monitoring_runs import HOSTILE, Config, done, killed, refused, run
from support.runs import new_state


@pytest.fixture
def fake() -> Iterator[FakeIcinga]:
    things = [
        Thing("cmp-1", state=1),
        Thing("cmp-1", "disk", state=2),
        Thing("cmp-2", state=1),
        Thing("cmp-3"),
    ]
    with FakeIcinga(things) as fake:
        yield fake


@pytest.fixture
def config(fake: FakeIcinga, tmp_path: Path) -> Config:
    return {"icingas": [fake.entry()], "state_url": new_state(tmp_path / "state.db")}


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


def acknowledge(config: Config, host: str = "cmp-1", **more: Any) -> dict[str, Any]:
    return done(config, "monitoring.acknowledge", **{"host": host, "reason": "seen", **more})


def acknowledged(fake: FakeIcinga) -> list[str]:
    return sorted(one.name for one in fake.things if one.acknowledged)


def test_a_host_and_a_service(fake: FakeIcinga, config: Config) -> None:
    shown = acknowledge(config, dry_run=True)
    assert "acknowledge the problem of cmp-1 in main" in shown["text"]
    assert fake.changes == []
    ended = acknowledge(config, service="disk", until="90m", sticky=True)
    assert acknowledged(fake) == ["cmp-1!disk"]
    made = fake.comments["cmp-1!disk"]
    assert marks.run_of(made["author"], made["text"]) == ended["run"]
    assert abs(made["expire_time"] - time.time() - 5400) < 60
    assert made["sticky"] is True
    assert acknowledge(config, service="disk")["skipped"][0]["why"] == "it is acknowledged already"
    assert acknowledge(config, "cmp-3")["skipped"][0]["why"] == "it has no problem: it is UP"


def test_what_is_wrong_is_said(config: Config) -> None:
    asked = {"host": "cmp-1", "reason": "seen"}
    for more, words in [
        ({"host": "cmp-11"}, "cmp-1"),
        ({"service": "disc"}, "disk"),
        ({"reason": " "}, "reason says nothing"),
        ({"until": "2020-01-01T00:00Z"}, "is not behind its begin"),
    ]:
        assert words in refused(config, "monitoring.acknowledge", **{**asked, **more})
    assert "is the id of a run" in refused(config, "monitoring.unacknowledge", run="x")


@pytest.mark.parametrize("late", [True, False])
def test_after_a_lost_answer_it_is_looked_up(fake: FakeIcinga, config: Config, late: bool) -> None:
    fake.fail("acknowledge-problem", cut=True, late=late)
    acknowledge(config)
    assert acknowledged(fake) == ["cmp-1"]
    assert len(fake.changes) == (1 if late else 2)


@pytest.mark.long
def test_killed_and_resumed_or_given_up(fake: FakeIcinga, config: Config, tmp_path: Path) -> None:
    asked = {"host": "cmp-1", "reason": "seen"}
    left = killed(config, tmp_path, fake, "acknowledge-problem", "monitoring.acknowledge", **asked)
    done(config, "run.resume", run=left)
    assert acknowledged(fake) == ["cmp-1"]
    asked["host"] = "cmp-2"
    left = killed(config, tmp_path, fake, "acknowledge-problem", "monitoring.acknowledge", **asked)
    done(config, "run.cancel", run=left)
    assert acknowledged(fake) == ["cmp-1"]


def test_only_ours_are_removed_unless_they_are_named(fake: FakeIcinga, config: Config) -> None:
    first = acknowledge(config)["run"]
    fake.acknowledge("cmp-1!disk", "ann", "mine")
    acknowledge(config, "cmp-2")
    done(config, "monitoring.unacknowledge", run=first[:8])
    assert acknowledged(fake) == ["cmp-1!disk", "cmp-2"]
    ended = done(config, "monitoring.unacknowledge")
    assert acknowledged(fake) == ["cmp-1!disk"]
    assert [row["why"] for row in ended["skipped"]] == [
        "ann acknowledged it, and no runbook: see also"
    ]
    ended = done(config, "monitoring.unacknowledge", also=["cmp-1!disk", "cmp-9"])
    assert acknowledged(fake) == []
    assert [row["what"] for row in ended["skipped"]] == ["cmp-9"]
    ended = done(config, "monitoring.unacknowledge", host="cmp-1")
    assert ended["skipped"][0]["why"] == "there is none of a runbook"


def test_one_that_somebody_made_since_is_left(fake: FakeIcinga, config: Config) -> None:
    acknowledge(config)
    shown = done(config, "monitoring.unacknowledge", host="cmp-1", dry_run=True)
    fake.acknowledge("cmp-1", "ann", "mine")
    kind, _ = run(config, "run.apply", run=shown["run"])
    assert kind != "done"
    assert acknowledged(fake) == ["cmp-1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reasons_are_data(fake: FakeIcinga, config: Config, text: str) -> None:
    acknowledge(config, reason=text)
    assert fake.comments["cmp-1"]["text"].startswith(text.strip())
    assert acknowledged(fake) == ["cmp-1"]
