"""Runbooks about downtimes, against an Icinga that loses answers, and killed on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from accounts.config import load
from accounts.icinga import Icinga
from common.duration import End
from engine.dispatch import dispatch
from monitoring import downtimes, marks
from support.fake_cloud_runs import FakeAttempt, tracing_as
from support.fake_icinga import FakeIcinga, Thing
from support.monitoring_runs import HOSTILE, Config, done, killed, refused
from support.runs import Silent, new_state
from workflow_api import Begun, Plan
from workflow_api.planned import PlannedStep

WITH_SERVICES = ["cmp-1", "cmp-1!disk", "cmp-1!nova"]


@pytest.fixture
def fake() -> Iterator[FakeIcinga]:
    things = [
        Thing("cmp-1"),
        Thing("cmp-1", "nova"),
        Thing("cmp-1", "disk"),
        Thing("cmp-2"),
        Thing("cmp-2", "nova"),
        Thing("rack"),
    ]
    with FakeIcinga(things, [("cmp-1", "rack"), ("cmp-2", "rack")]) as fake:
        yield fake


@pytest.fixture
def config(fake: FakeIcinga, tmp_path: Path) -> Config:
    return {
        "icingas": [fake.entry()],
        "state_url": new_state(tmp_path / "state.db"),
    }


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


def schedule(config: Config, host: str = "cmp-1", **more: Any) -> dict[str, Any]:
    return done(config, "downtime.schedule", **{"host": host, "reason": "why", **more})


def strange(fake: FakeIcinga, name: str = "cmp-1", **more: Any) -> str:
    """Have a downtime of somebody's; return its name."""
    given = {"start_time": 0, "end_time": 4_000_000_000, "author": "ann", "comment": "because"}
    (thing,) = (one for one in fake.things if one.name == name)
    made = str(fake.put(thing, {**given, **more})["name"])
    fake.downtimes[made] |= more
    return made


# -- schedule ----------------------------------------------------------------------------------


@pytest.mark.long
def test_a_dry_run_schedules_nothing(fake: FakeIcinga, config: Config) -> None:
    shown = schedule(config, dry_run=True, until="59m", children="all", host="rack")
    assert fake.changes == []
    wanted = "schedule a downtime of rack with its services and what depends on it in main for 59m"
    assert wanted in shown["text"]
    assert "with rack: cmp-1, cmp-2, cmp-1!disk, cmp-1!nova, cmp-2!nova" in shown["text"]
    done(config, "run.apply", run=shown["run"])
    assert fake.covered() == [*WITH_SERVICES, "cmp-2", "cmp-2!nova", "rack"]
    made = fake.down("cmp-2!nova")
    assert marks.run_of(made["author"], made["comment"]) == shown["run"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Chatham"])
def test_59_minutes_are_59_minutes(
    fake: FakeIcinga, config: Config, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        schedule(config, until="PT59M", services=False)
    finally:
        monkeypatch.undo()
        time.tzset()
    made = fake.down("cmp-1")
    assert made["end_time"] - made["start_time"] == 59 * 60
    assert abs(made["start_time"] - time.time()) < 60


def test_a_downtime_to_come(fake: FakeIcinga, config: Config) -> None:
    # The clocks of Berlin are put forward at two, which makes these hours no shorter.
    schedule(config, starts="2098-03-30 01:30 Europe/Berlin", until="2h", services=False)
    made = fake.down("cmp-1")
    assert made["end_time"] - made["start_time"] == 7200
    (row,) = done(config, "downtime.list")["rows"]
    assert (row["state"], row["starts_at"]) == ("pending", "2098-03-30T00:30:00Z")


def test_one_service(fake: FakeIcinga, config: Config) -> None:
    schedule(config, service="nova")
    assert fake.covered() == ["cmp-1!nova"]
    asked = {"host": "cmp-1", "reason": "why", "service": "nove"}
    told = refused(config, "downtime.schedule", **asked)
    assert "no service of cmp-1 'nove' in Icinga main. Did you mean nova?" in told


def test_a_flexible_one(fake: FakeIcinga, config: Config) -> None:
    schedule(config, flexible="20m", services=False)
    made = fake.down("cmp-1")
    assert (made["fixed"], made["duration"]) == (False, 1200)
    (row,) = done(config, "downtime.list")["rows"]
    assert (row["state"], row["lasts"]) == ("waiting", 1200)


def test_what_is_in_downtime_already(fake: FakeIcinga, config: Config) -> None:
    schedule(config, until="2h")
    again = schedule(config, until="1h")
    assert "a downtime of openstack_ops does it until" in again["text"]
    assert len(fake.changes) == 1
    schedule(config, until="3h")
    assert len(fake.changes) == 2, "what ends sooner does not do it"
    for name in [name for name, one in fake.downtimes.items() if one["service_name"] == "disk"]:
        del fake.downtimes[name]
    schedule(config, until="1h")
    assert len(fake.changes) == 3, "a service was left"
    strange(fake, "cmp-2", fixed=False, duration=60)
    schedule(config, "cmp-2", until="1h", services=False)
    assert len(fake.changes) == 4, "a flexible one may never begin"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"reason": "  "}, "reason says nothing"),
        ({"until": "2026-01-01T00:00Z"}, "its end, 2026-01-01 00:00 UTC, is not behind its begin"),
        ({"until": "2098-01-01T00:00Z", "starts": "2099-01-01T00:00Z"}, "is not behind its begin"),
        ({"until": "9999w", "starts": "9999-01-01T00:00Z"}, "no calendar for such an end"),
        ({"host": "cmp1"}, "no host 'cmp1' in Icinga main. Did you mean cmp-"),
        ({"host": "*"}, "There is no host '*' in Icinga main"),
        ({"host": ""}, "downtime.schedule needs host"),
        ({"icinga": "other"}, "There is no Icinga 'other'"),
    ],
)
def test_what_is_refused(fake: FakeIcinga, config: Config, more: dict[str, Any], says: str) -> None:
    asked = {"host": "cmp-1", "reason": "why", **more}
    assert says in refused(config, "downtime.schedule", **asked)
    assert fake.changes == []


@pytest.mark.parametrize("obeyed", [True, False])
@pytest.mark.parametrize("how", [{"cut": True}, {"status": 503}])
def test_a_lost_answer_is_looked_up(
    fake: FakeIcinga, config: Config, how: dict[str, Any], obeyed: bool
) -> None:
    fake.fail("schedule-downtime", late=obeyed, **how)
    result = schedule(config)
    assert "3 downtimes until" in result["text"]
    assert fake.covered() == WITH_SERVICES
    assert len(fake.changes) == (1 if obeyed else 2)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_was_scheduled_in_part_gives_way(fake: FakeIcinga, config: Config, after: int) -> None:
    """Icinga breaks down between the downtimes of one request."""
    fake.breaks_after = after
    fake.hooks.append(lambda request: request.method == "GET" or _mend(fake, request.line))
    schedule(config)
    assert fake.covered() == WITH_SERVICES


def _mend(fake: FakeIcinga, line: str) -> None:
    if line.endswith("/downtimes") and fake.breaks_after == 0 and fake.asked("schedule"):
        fake.breaks_after = None


@pytest.mark.long  # Python starts
@pytest.mark.parametrize("obeyed", [True, False])
def test_killed_and_resumed(fake: FakeIcinga, config: Config, tmp_path: Path, obeyed: bool) -> None:
    if not obeyed:
        fake.fail("schedule-downtime", cut=True)
    asked = {"host": "cmp-1", "reason": "why"}
    left = killed(config, tmp_path, fake, "schedule-downtime", "downtime.schedule", **asked)
    assert fake.covered() == (WITH_SERVICES if obeyed else [])
    done(config, "run.resume", run=left)
    assert fake.covered() == WITH_SERVICES


@pytest.mark.long
def test_killed_and_cancelled(fake: FakeIcinga, config: Config, tmp_path: Path) -> None:
    theirs = strange(fake)
    asked = {"host": "cmp-1", "reason": "why"}
    left = killed(config, tmp_path, fake, "schedule-downtime", "downtime.schedule", **asked)
    done(config, "run.cancel", run=left)
    assert [*fake.downtimes] == [theirs]


def _as_a_name(text: str) -> str:
    """Return what of a text is taken for a name: no controls, and no letters that few know."""
    return "".join(letter for letter in text if letter.isprintable() and letter < "\u2000")


@pytest.mark.long
def test_hostile_texts_arrive_as_they_are(fake: FakeIcinga, config: Config) -> None:
    names = [_as_a_name(text) for text in HOSTILE]
    for host, text in zip(names, HOSTILE, strict=True):
        fake.things.append(Thing(host))
        schedule(config, host, reason=f"of {text}", services=False)
        made = fake.down(host)
        assert made["comment"].startswith(f"of {text} [run ")
    assert len(fake.downtimes) == len(HOSTILE)
    text = done(config, "downtime.list")["text"]
    assert not {"\x1b", "\u202e"} & {*text}
    for host in names:
        done(config, "downtime.remove", downtimes=host)
    assert fake.downtimes == {}


# -- the step ----------------------------------------------------------------------------------


def planned(fake: FakeIcinga, **more: Any) -> tuple[PlannedStep, Icinga]:
    icinga = Icinga.from_config(load({"icingas": [fake.entry()]}), None)
    plan = Plan("Work")
    data = downtimes.data(icinga, "cmp-1", "why", End("2h"), **more)
    plan.add(downtimes.schedule, undo="on_failure", **data)
    (step,) = plan.steps()
    return step, icinga


def called(step: PlannedStep, what: str, attempt: FakeAttempt, icinga: Icinga) -> Any:
    helper = getattr(step.definition, what)
    with tracing_as(changes=what != "find"):
        return step.definition.call(helper, attempt, {"icinga": icinga}, step.data)


def test_the_step_is_found_whole_in_part_or_not(fake: FakeIcinga) -> None:
    step, icinga = planned(fake, children="all")
    fake.parents = [("cmp-2", "cmp-1")]
    attempt = FakeAttempt()
    assert called(step, "find", attempt, icinga) is None
    called(step, "function", attempt, icinga)
    assert called(step, "find", attempt, icinga)["downtimes"] == 5
    for of in ("cmp-2!nova", "cmp-2"):
        (lost,) = (name for name, one in fake.downtimes.items() if one["__of"] == of)
        del fake.downtimes[lost]
        part = called(step, "find", attempt, icinga)
        assert isinstance(part, Begun)
    assert part.result["said"] == "3 downtimes scheduled, 2 missing"
    attempt.again = True
    called(step, "function", attempt, icinga)
    assert fake.covered() == sorted([*WITH_SERVICES, "cmp-2", "cmp-2!nova"])


def test_undo_removes_what_the_step_has_made(fake: FakeIcinga) -> None:
    step, icinga = planned(fake)
    theirs = strange(fake, comment=marks.comment("why", FakeAttempt().run, "another step"),
                     author=marks.CREATOR)  # fmt: skip
    attempt = FakeAttempt()
    for what in ("function", "undo", "undo"):
        called(step, what, attempt, icinga)
    assert [*fake.downtimes] == [theirs]


# -- list, remove ------------------------------------------------------------------------------


@pytest.mark.long
def test_which_are_ours(fake: FakeIcinga, config: Config) -> None:
    mark = schedule(config, services=False)["run"]
    schedule(config, "cmp-2", services=False)
    strange(fake, comment=marks.comment("stolen", mark, "x"))
    strange(fake, author=marks.CREATOR)
    assert len(done(config, "downtime.list")["rows"]) == 4
    assert len(done(config, "downtime.list", ours=True)["rows"]) == 2
    (mine,) = done(config, "downtime.list", run=mark[:8])["rows"]
    assert (mine["host"], mine["run"], mine["state"]) == ("cmp-1", mark, "active")
    assert len(done(config, "downtime.list", host="CMP-?")["rows"]) == 4
    assert len(done(config, "downtime.list", host="cmp-1")["rows"]) == 3
    assert len(done(config, "downtime.list", limit=1)["rows"]) == 1


@pytest.mark.parametrize("wanted", ["cmp-1", "cmp-*", "*-1", "cmp-1!nova", "run", "start of it"])
def test_only_ours_are_removed(fake: FakeIcinga, config: Config, wanted: str) -> None:
    theirs = {strange(fake), strange(fake, "cmp-1!nova")}
    run = schedule(config)["run"]
    named = {"run": run, "start of it": run[:8]}.get(wanted, wanted)
    result = done(config, "downtime.remove", downtimes=named)
    left = {*fake.downtimes} - theirs
    assert theirs <= {*fake.downtimes}
    assert {fake.downtimes[name]["__of"] for name in left} == (
        {"cmp-1", "cmp-1!disk"} if wanted == "cmp-1!nova" else set()
    )
    told = "of ann: no runbook made them: name each to remove it" in result["text"]
    assert told == (named == wanted)


def test_what_is_named_is_removed_whoever_made_it(fake: FakeIcinga, config: Config) -> None:
    theirs, other = strange(fake), strange(fake)
    done(config, "downtime.remove", downtimes=theirs)
    assert [*fake.downtimes] == [other]
    assert "nothing to do" in done(config, "downtime.remove", downtimes=theirs)["text"]


def test_nothing_to_remove_is_no_failure(fake: FakeIcinga, config: Config) -> None:
    result = done(config, "downtime.remove", downtimes="cmp-1")
    assert "cmp-1: there is none of it" in result["text"]
    told = refused(config, "downtime.remove", downtimes="cpm-1")
    assert "no downtime or host 'cpm-1' in Icinga main. Did you mean cmp-1" in told
    assert "needs downtimes" in refused(config, "downtime.remove", downtimes="")
    assert fake.changes == []


def test_what_icinga_s_configuration_makes_is_left(fake: FakeIcinga, config: Config) -> None:
    nightly = strange(fake, config_owner="nightly")
    result = done(config, "downtime.remove", downtimes=nightly)
    assert "it is defined in Icinga's configuration, which would create it again" in result["text"]
    assert nightly in fake.downtimes


def test_removing_is_a_dry_run_unless_told(fake: FakeIcinga, config: Config) -> None:
    schedule(config)
    kind, result = dispatch("downtime.remove", {"downtimes": "cmp-1"}, config, reporter=Silent())
    assert (kind, len(fake.downtimes)) == ("done", 3)
    assert "Nothing was changed" in result["text"]


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("how", [{"cut": True}, {"status": 503}])
def test_a_lost_answer_of_a_removal(
    fake: FakeIcinga, config: Config, late: bool, how: dict[str, Any]
) -> None:
    schedule(config)
    fake.fail("remove-downtime", late=late, **how)
    done(config, "downtime.remove", downtimes="cmp-1")
    assert fake.downtimes == {}


def test_a_removal_that_somebody_else_was_first_with(fake: FakeIcinga, config: Config) -> None:
    schedule(config)

    def first(request: Any) -> None:
        if "remove-downtime" in request.line and len(fake.downtimes) == 3:
            fake.downtimes.popitem()

    fake.hooks.append(first)
    done(config, "downtime.remove", downtimes="cmp-1")
    assert fake.downtimes == {}
