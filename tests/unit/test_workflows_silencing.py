"""hypervisor.silence and hypervisor.unsilence: downtimes and silences as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from monitoring import marks
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.fake_icinga import FakeIcinga, Thing
from support.monitoring_runs import Config, done, killed, refused, run
from support.runs import new_state

FIRST = ["cmp-1", "cmp-1!nova"]
BOTH = [*FIRST, "cmp-2", "cmp-2!nova"]


@pytest.fixture
def icinga() -> Iterator[FakeIcinga]:
    names = ("cmp-1", "cmp-2", "cmp-3")
    with FakeIcinga([Thing(name, service) for name in names for service in ("", "nova")]) as fake:
        yield fake


@pytest.fixture
def alerts() -> Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as fake:
        yield fake


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2", state="down"), Hypervisor("cmp-3")]
    with FakeCloud(hosts) as fake:
        yield fake


@pytest.fixture
def config(
    cloud: FakeCloud, icinga: FakeIcinga, alerts: FakeAlertmanager, tmp_path: Path
) -> Config:
    return {
        **cloud.config(),
        "icingas": [icinga.entry()],
        "alertmanagers": [alerts.entry],
        "state_url": new_state(tmp_path / "state.db"),
    }


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


def silence(config: Config, *hosts: str, **more: Any) -> dict[str, Any]:
    about = {"hypervisors": list(hosts or ["cmp-1"]), "reason": "why"}
    return done(config, "hypervisor.silence", **{**about, **more})


def unsilence(config: Config, *hosts: str, **more: Any) -> dict[str, Any]:
    return done(config, "hypervisor.unsilence", hypervisors=list(hosts or ["cmp-1"]), **more)


def values(alerts: FakeAlertmanager) -> list[str]:
    return sorted(one["matchers"][0]["value"] for one in alerts.standing())


def test_a_dry_run_changes_nothing(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager, cloud: FakeCloud
) -> None:
    shown = silence(config, "cmp-1", "cmp-2", dry_run=True, until="90m")
    assert (icinga.changes, alerts.changes, cloud.changes) == ([], [], [])
    assert "schedule a downtime of cmp-2 with its services in main for 1h30m" in shown["text"]
    assert 'silence instance=~"cmp\\\\-2(:[0-9]+)?" in main for 1h30m' in shown["text"]
    done(config, "run.apply", run=shown["run"])
    assert icinga.covered() == BOTH
    assert values(alerts) == [r"cmp\-1(:[0-9]+)?", r"cmp\-2(:[0-9]+)?"]
    made = [(one["author"], one["comment"]) for one in icinga.downtimes.values()]
    made += [(one["createdBy"], one["comment"]) for one in alerts.standing()]
    assert {marks.run_of(*one) for one in made} == {shown["run"]}
    assert cloud.changes == []


@pytest.mark.parametrize(
    ("hosts", "where", "covered"),
    [
        (["cmp-1"], None, FIRST),
        (["*"], "state = down", ["cmp-2", "cmp-2!nova"]),
        (["*"], None, [*BOTH, "cmp-3", "cmp-3!nova"]),
        (["cmp-1", "cmp-2", "cmp-1"], None, BOTH),
        (["cmp-1", "cmp-2"], "state = up", FIRST),
    ],
)
def test_which_hypervisors(
    config: Config, icinga: FakeIcinga, hosts: list[str], where: str | None, covered: list[str]
) -> None:
    silence(config, *hosts, where=where)
    assert icinga.covered() == covered


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"hypervisors": ["cmp-9"]}, "There is no hypervisor 'cmp-9'"),
        ({"hypervisors": ["*"], "where": "state = odd"}, "no hypervisor passes"),
        ({"where": "nonsense"}, "nonsense"),
        ({"reason": " "}, "reason says nothing"),
        ({"until": "2026-01-01T00:00Z"}, "is not behind its begin"),
        ({"icingas": ["other"]}, "There is no Icinga 'other'"),
    ],
)
def test_what_is_refused(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager, more: dict[str, Any], says: str
) -> None:
    asked = {"hypervisors": ["cmp-1"], "reason": "why", **more}
    assert says in refused(config, "hypervisor.silence", **asked)
    assert (icinga.changes, alerts.changes) == ([], [])


def test_what_icinga_does_not_know_is_refused(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager
) -> None:
    icinga.things = [one for one in icinga.things if one.host != "cmp-2"]
    asked = {"hypervisors": ["cmp-1", "cmp-2"], "reason": "why"}
    told = refused(config, "hypervisor.silence", **asked)
    assert "Icinga main has no host cmp-2 (there is cmp-3 and cmp-1)" in told
    assert "monitoring.icinga_host" in told
    assert (icinga.changes, alerts.changes) == ([], [])


@pytest.mark.long
def test_whatever_is_configured(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager
) -> None:
    config["monitoring"] = {"icingas": []}
    silence(config)
    assert (icinga.covered(), len(alerts.standing())) == ([], 1)
    config["monitoring"] = {"alertmanagers": []}
    silence(config)
    assert (icinga.covered(), len(alerts.standing())) == (FIRST, 1)
    config["monitoring"] = {"icingas": [], "alertmanagers": []}
    asked = {"hypervisors": ["cmp-1"], "reason": "why"}
    told = refused(config, "hypervisor.silence", **asked)
    assert "the configuration has no icingas and no alertmanagers" in told
    silence(config, "cmp-2", icingas="*", alertmanagers=["main"])
    assert (icinga.covered(), len(alerts.standing())) == (BOTH, 2)


@pytest.mark.long
def test_what_is_quiet_already(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager
) -> None:
    silence(config, until="2h")
    again = silence(config, "cmp-1", "cmp-2", until="1h")
    assert again["text"].count("of openstack_ops does it until") == 2
    assert (icinga.covered(), len(alerts.standing())) == (BOTH, 2)


@pytest.mark.long
def test_only_what_runbooks_did_is_ended(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager
) -> None:
    theirs = icinga.put(Thing("cmp-1"), {"start_time": 0, "end_time": 9, "author": "ann",
                                         "comment": "x", "fixed": False})  # fmt: skip
    silence(config, "cmp-1", "cmp-2")
    same = next(one for one in alerts.standing() if "1" in one["matchers"][0]["value"])
    hers = alerts.silence(matchers=same["matchers"])
    other = alerts.silence(createdBy=marks.CREATOR, comment=same["comment"])
    ended = unsilence(config)
    assert icinga.covered() == ["cmp-1", "cmp-2", "cmp-2!nova"]
    assert theirs["name"] in icinga.downtimes
    assert {hers["id"], other["id"]} < {one["id"] for one in alerts.standing()}
    assert len(alerts.standing()) == 3
    assert "1 downtime of ann in main: not made by a runbook" in ended["text"]
    assert "1 silence of ann in main: not made by a runbook" in ended["text"]
    before = len(icinga.changes) + len(alerts.changes)
    unsilence(config)
    unsilence(config, "cmp-3")
    assert len(icinga.changes) + len(alerts.changes) == before


@pytest.mark.long
def test_only_what_a_run_did_is_ended(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager
) -> None:
    first = silence(config, until="1h")["run"]
    silence(config, until="2h")
    unsilence(config, run=first[:8])
    assert (icinga.covered(), len(alerts.standing())) == (FIRST, 1)
    told = refused(config, "hypervisor.unsilence", hypervisors=["cmp-1"], run="a")
    assert "run is the id of a run" in told


@pytest.mark.long
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("system", ["icinga", "alerts"])
def test_lost_answers_are_looked_up(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager, system: str, late: bool
) -> None:
    web, ends = {"icinga": (icinga, "remove-downtime"), "alerts": (alerts, "DELETE")}[system]
    begins = {"icinga": "schedule-downtime", "alerts": "POST"}[system]
    web.fail(begins, cut=True, late=late)
    silence(config)
    assert (icinga.covered(), len(alerts.standing())) == (FIRST, 1)
    web.fail(ends, cut=True, late=late)
    unsilence(config)
    assert (icinga.covered(), alerts.standing()) == ([], [])


@pytest.mark.long
def test_a_refusal_leaves_what_ends_by_itself(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager
) -> None:
    """Whoever tries again makes what is missing, and nothing twice."""
    alerts.fail("POST", 400, times=99)
    kind, _ = run(config, "hypervisor.silence", hypervisors=["cmp-1"], reason="why", until="2h")
    assert (kind, icinga.covered()) == ("failed", FIRST)
    alerts.faults.clear()
    silence(config, until="90m")
    assert (icinga.covered(), len(alerts.standing())) == (FIRST, 1)


@pytest.mark.long  # Python starts
@pytest.mark.parametrize("obeyed", [True, False])
def test_killed_and_resumed(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager, tmp_path: Path, obeyed: bool
) -> None:
    if not obeyed:
        alerts.fail("POST", cut=True)
    asked = {"hypervisors": ["cmp-1"], "reason": "why"}
    left = killed(config, tmp_path, alerts, "POST", "hypervisor.silence", **asked)
    done(config, "run.resume", run=left)
    assert (icinga.covered(), len(alerts.standing())) == (FIRST, 1)


@pytest.mark.long
def test_killed_and_cancelled(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager, tmp_path: Path
) -> None:
    asked = {"hypervisors": ["cmp-1"], "reason": "why"}
    left = killed(config, tmp_path, alerts, "POST", "hypervisor.silence", **asked)
    done(config, "run.cancel", run=left)
    assert (icinga.covered(), alerts.standing()) == ([], [])


def test_it_asks_no_more_for_more_hosts(
    config: Config, icinga: FakeIcinga, alerts: FakeAlertmanager, cloud: FakeCloud
) -> None:
    silence(config, dry_run=True)
    few = icinga.count(), alerts.count(), cloud.count()
    cloud.hypervisors += [Hypervisor(f"cmp-{number}") for number in range(4, 40)]
    icinga.things += [Thing(f"cmp-{number}") for number in range(4, 40)]
    for web in (icinga, alerts, cloud):
        web.requests.clear()
    assert "cmp-39" in silence(config, "*", dry_run=True)["text"]
    assert (icinga.count(), alerts.count(), cloud.count()) == few
