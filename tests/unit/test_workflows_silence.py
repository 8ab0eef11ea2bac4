"""Runbooks about silences, against an Alertmanager that loses answers, and killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from engine.dispatch import dispatch
from monitoring import marks
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud_http import Request
from support.monitoring_runs import HOSTILE
from support.runs import Silent, for_real, new_state

TOP = Path(__file__).parents[2]
MATCHERS = 'alertname="HostDown", instance=~"cmp-1(:.*)?"'


@pytest.fixture
def fake() -> Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as fake:
        yield fake


@pytest.fixture
def config(fake: FakeAlertmanager, tmp_path: Path) -> dict[str, Any]:
    return {
        "alertmanagers": [fake.entry],
        "state_url": new_state(tmp_path / "state.db"),
        "limits": {"lease": "1s"},
    }


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


def run(config: dict[str, Any], name: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
    return dispatch(name, for_real(name, parameters), config, reporter=Silent())


def done(config: dict[str, Any], name: str, **parameters: Any) -> dict[str, Any]:
    kind, result = run(config, name, **parameters)
    assert kind == "done", result["text"]
    return result


def refused(config: dict[str, Any], name: str, **parameters: Any) -> str:
    kind, result = run(config, name, **parameters)
    assert kind == "refused", result["text"]
    return str(result["summary"])


def create(config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return done(config, "silence.create", **{"matchers": MATCHERS, "reason": "why", **more})


def length(silence: dict[str, Any]) -> float:
    begin, end = (
        datetime.fromisoformat(silence[key].replace("Z", "+00:00"))
        for key in ("startsAt", "endsAt")
    )
    return (end - begin).total_seconds()


# -- create ------------------------------------------------------------------------------------


def test_a_dry_run_makes_nothing(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    fake.fire(alertname="HostDown", instance="cmp-1:9100")
    fake.fire(alertname="HostDown", instance="cmp-10")
    shown = create(config, dry_run=True, until="59m")
    assert fake.changes == []
    assert f"silence {MATCHERS} in main for 59m" in shown["text"]
    assert "1 alert of these fire now: HostDown" in shown["text"]
    done(config, "run.apply", run=shown["run"])
    (silence,) = fake.standing()
    assert marks.run_of(silence["createdBy"], silence["comment"]) == shown["run"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Chatham"])
def test_59_minutes_are_59_minutes(
    fake: FakeAlertmanager, config: dict[str, Any], zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        create(config, until="PT59M")
    finally:
        monkeypatch.undo()
        time.tzset()
    (silence,) = fake.standing()
    assert length(silence) == pytest.approx(59 * 60, abs=2)
    begin = datetime.fromisoformat(silence["startsAt"].replace("Z", "+00:00"))
    assert abs((datetime.now(timezone.utc) - begin).total_seconds()) < 60


def test_a_silence_to_come(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    create(
        config, starts="2098-03-30 01:30 Europe/Berlin", until="2h", matchers="alertname=HostDown"
    )
    (silence,) = fake.standing()
    # The clocks of Berlin are put forward at two, which makes these hours no shorter.
    assert (silence["startsAt"], silence["endsAt"]) == (
        "2098-03-30T00:30:00.000Z",
        "2098-03-30T02:30:00.000Z",
    )
    (row,) = done(config, "silence.list")["rows"]
    assert row["state"] == "pending"


def test_what_is_silenced_so_already(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    create(config, until="2h")
    again = create(config, until="1h", matchers='instance=~"cmp-1(:.*)?",alertname=HostDown')
    assert "of openstack_ops does it until" in again["text"]
    assert len(fake.silences) == 1
    create(config, until="3h")
    create(config, until="1h", matchers="alertname=HostDown")
    assert len(fake.silences) == 3


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"reason": "  "}, "reason says nothing"),
        ({"until": "2026-01-01T00:00Z"}, "its end, 2026-01-01 00:00 UTC, is not behind its begin"),
        ({"until": "2098-01-01T00:00Z", "starts": "2099-01-01T00:00Z"}, "is not behind its begin"),
        ({"until": "2026-01-01T00:00"}, "has no zone"),
        ({"until": "1 fortnight"}, "is not a duration"),
        ({"until": "9999w", "starts": "9999-01-01T00:00Z"}, "no calendar for such an end"),
        ({"matchers": 'a=~".*"'}, "an alert without labels would pass"),
        ({"alertmanager": "other"}, "There is no Alertmanager 'other'"),
    ],
)
def test_what_is_refused(
    fake: FakeAlertmanager, config: dict[str, Any], more: dict[str, Any], says: str
) -> None:
    asked = {"matchers": MATCHERS, "reason": "why", **more}
    assert says in refused(config, "silence.create", **asked)
    assert fake.changes == []


@pytest.mark.parametrize("matchers", ['a="b", c!="d"', 'a="b", c!~"d"'])
def test_an_old_version_would_silence_the_opposite(
    config: dict[str, Any], tmp_path: Path, matchers: str
) -> None:
    with FakeAlertmanager("0.21.0") as old:
        config["alertmanagers"] = [old.entry]
        told = refused(config, "silence.create", matchers=matchers, reason="why")
        assert "version 0.21.0 of Alertmanager has no negative matchers" in told
        create(config, matchers="a=b")
        assert len(old.standing()) == 1
        assert "does it until" in create(config, matchers="a=b", until="1h")["text"]


@pytest.mark.parametrize("obeyed", [True, False])
@pytest.mark.parametrize("how", [{"cut": True}, {"status": 503}])
def test_a_lost_answer_is_looked_up(
    fake: FakeAlertmanager, config: dict[str, Any], how: dict[str, Any], obeyed: bool
) -> None:
    fake.fail("POST /api/v2/silences", late=obeyed, **how)
    result = create(config)
    (silence,) = fake.silences.values()
    assert silence["id"] in result["text"]
    assert len(fake.changes) == (1 if obeyed else 2)


@pytest.mark.long  # Python starts twice
@pytest.mark.parametrize("obeyed", [True, False])
def test_killed_and_resumed(
    fake: FakeAlertmanager, config: dict[str, Any], tmp_path: Path, obeyed: bool
) -> None:
    """A process that is killed as its request arrives; whoever resumes makes no second silence."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    program = (
        "import json, sys; from engine.dispatch import dispatch; "
        "dispatch('silence.create', json.loads(sys.argv[1]), json.load(open(sys.argv[2])))"
    )
    asked = json.dumps({"matchers": MATCHERS, "reason": "why", "dry_run": False})
    victim = subprocess.Popen(
        [sys.executable, "-c", program, asked, str(path)],
        env={**os.environ, "PYTHONPATH": str(TOP / "lib")},
        stdout=subprocess.DEVNULL,
    )

    def kill(request: Request) -> None:
        if request.method == "POST" and victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()

    fake.hooks.append(kill)
    if not obeyed:
        fake.fail("POST", cut=True)
    victim.wait(60)
    assert victim.returncode == -signal.SIGKILL
    assert len(fake.silences) == int(obeyed)
    (left,) = done(config, "run.list")["rows"]
    time.sleep(1.1)  # its lease
    done(config, "run.resume", run=left["run"])
    assert len(fake.standing()) == 1


def test_hostile_texts_arrive_as_they_are(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    labels = {f"label_{number}": text for number, text in enumerate(HOSTILE)}
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in HOSTILE]
    matchers = ", ".join(f'{name}="{text}"' for name, text in zip(labels, quoted, strict=True))
    reason = " and ".join(HOSTILE)
    create(config, matchers=matchers, reason=reason)
    (silence,) = fake.standing()
    assert {one["name"]: one["value"] for one in silence["matchers"]} == labels
    assert silence["comment"].startswith(f"{reason} [run ")
    assert "does it until" in create(config, matchers=matchers, until="1h")["text"]
    listed = done(config, "silence.list", ours=True)
    assert len(listed["rows"]) == 1
    assert not {"\x1b", "\u202e"} & {*listed["text"]}
    done(config, "silence.expire", silence=silence["id"])
    assert fake.standing() == []


# -- list, extend, expire ----------------------------------------------------------------------


def test_which_are_ours(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    mark = create(config)["run"]
    theirs = fake.silence(createdBy="ann", comment=marks.comment("stolen", mark, "x"))
    odd = fake.silence(createdBy="openstack_ops", comment="no mark")
    ended = fake.silence(endsAt="2026-01-02T00:00:00.000Z")
    mine = {row["id"] for row in done(config, "silence.list", ours=True)["rows"]}
    assert not mine & {theirs["id"], odd["id"], ended["id"]}
    assert len(mine) == 1
    assert {row["id"] for row in done(config, "silence.list", run=mark[:8])["rows"]} == mine
    assert len(done(config, "silence.list")["rows"]) == 3
    assert len(done(config, "silence.list", state="any")["rows"]) == 4
    assert [r["id"] for r in done(config, "silence.list", state="expired")["rows"]] == [ended["id"]]
    assert len(done(config, "silence.list", limit=1)["rows"]) == 1


@pytest.mark.long
def test_all_of_a_run_are_expired(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    first, second = create(config)["run"], create(config, matchers="a=b")["run"]
    theirs = fake.silence(comment=marks.comment("", first, "x"))
    done(config, "silence.expire", silence=first)
    assert len(fake.standing()) == 2
    assert theirs in fake.standing()
    again = done(config, "silence.expire", silence=first)
    assert "it has ended" in again["text"]
    done(config, "silence.expire", silence=second[:8])
    assert fake.standing() == [theirs]
    shown = done(config, "silence.expire", silence=theirs["id"], dry_run=True)
    assert f"silence {theirs['id']} is of ann, not of a runbook" in shown["text"]
    told = refused(config, "silence.expire", silence="00000000-0000-4000-8000-000000000000")
    assert "There is no silence" in told


def test_expiring_is_a_dry_run_unless_told(config: dict[str, Any], fake: FakeAlertmanager) -> None:
    run = create(config)["run"]
    kind, result = dispatch("silence.expire", {"silence": run}, config, reporter=Silent())
    assert (kind, len(fake.standing())) == ("done", 1)
    assert "Nothing was changed" in result["text"]


@pytest.mark.parametrize("late", [True, False])
def test_a_lost_answer_of_an_expiry(
    fake: FakeAlertmanager, config: dict[str, Any], late: bool
) -> None:
    run = create(config)["run"]
    fake.fail("DELETE", cut=True, late=late)
    done(config, "silence.expire", silence=run)
    assert fake.standing() == []


@pytest.mark.parametrize("version", ["0.21.0", "0.25.0"])
def test_an_expiry_that_somebody_else_was_first_with(
    fake: FakeAlertmanager, config: dict[str, Any], version: str
) -> None:
    fake.version = version
    run = create(config)["run"]

    def first(request: Request) -> None:
        if request.method == "DELETE":
            for silence in fake.silences.values():
                silence["endsAt"] = "2026-01-02T00:00:00.000Z"

    fake.hooks.append(first)
    done(config, "silence.expire", silence=run)


def test_a_silence_goes_on(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    silence = fake.silence(endsAt="2026-01-02T00:00:00.000Z")
    assert "it has ended at 2026-01-02 00:00 UTC" in refused(
        config, "silence.extend", silence=silence["id"]
    )
    create(config, until="1h")
    (mine,) = fake.standing()
    before = dict(mine)
    assert "as it is" in done(config, "silence.extend", silence=mine["id"], until="30m")["text"]
    fake.fail("POST", cut=True, late=True)
    done(config, "silence.extend", silence=mine["id"], until="1.5d")
    (after,) = fake.standing()
    assert length(after) == pytest.approx(129600, abs=10)
    changed = {key for key in before if before[key] != after[key]}
    assert changed <= {"endsAt", "updatedAt"}
    assert len([request for request in fake.changes if request.method == "POST"]) == 2


def test_undo_expires_what_was_made(fake: FakeAlertmanager, config: dict[str, Any]) -> None:
    """For plans in which a silence goes along with what it is for."""
    from accounts.alertmanager import Alertmanager
    from accounts.config import load
    from alertmanager_api.matchers import parse, written
    from common.duration import End
    from monitoring import silences
    from support.fake_cloud_runs import FakeAttempt, tracing_as
    from workflow_api import Plan

    account, attempt = Alertmanager.from_config(load(config), None), FakeAttempt()
    plan = Plan("Work")
    data = silences.data(account, written(parse(MATCHERS)), "why", End("2h"))
    plan.add(silences.create, undo="on_failure", **data)
    (step,) = plan.steps()
    theirs = fake.silence()
    for what in (step.definition.function, step.definition.undo, step.definition.undo):
        assert what is not None
        with tracing_as(changes=True):
            step.definition.call(what, attempt, {"alertmanager": account}, step.data)
    assert fake.standing() == [theirs]
    assert len(silences.of_run(account, attempt.run)) == 0
