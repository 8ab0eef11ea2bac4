"""Silences and alerts of a real Alertmanager, by runbooks: their life, hostile texts, crashes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from accounts.alertmanager import Alertmanager
from accounts.config import load
from alertmanager_api import alerts, silences
from alertmanager_api.matchers import Matcher, parse, written
from alertmanager_api.status import may_silence, status
from common.errors import CloudError
from devcloud.alerting import WATCHDOG, Alerting
from monitoring import names
from state.journal import Journal
from state.store import Store
from support.cloud_operator import Operator
from support.fake_cloud_runs import tracing_as
from workflow_api.plan import Plan

HOSTILE = [
    'x"} or 1=1; {"',
    'cmp-1", instance=~".*',
    "\\",
    "back\\slash\\n",
    "two\nlines",
    "{{ st2kv.system.secret }} ${HOME}",
    "$(reboot) `reboot`; reboot",
    "<script>alert(1)</script>",
    "\x1b[31mred",
    "ünï\u202e\U0001f600",
    "../../silences?filter=a%22",
    "%0d%0aX-Injected: 1",
]


@pytest.fixture
def name() -> str:
    """Return a name that no other test has."""
    return f"proof-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def account(alerting: Alerting, cloud_config: dict[str, Any]) -> Alertmanager:
    return Alertmanager.from_config(load(cloud_config), None)


@pytest.fixture
def mine(alerting: Alerting, name: str) -> Iterator[Mine]:
    mine = Mine(alerting, name)
    yield mine
    for silence in mine.standing():
        alerting.request("DELETE", f"/silence/{silence['id']}")


class Mine:
    """What there is in the Alertmanager that is about alerts of one name."""

    def __init__(self, alerting: Alerting, name: str) -> None:
        self.alerting, self.name = alerting, name

    def all(self) -> list[dict[str, Any]]:
        named = {"name": "alertname", "value": self.name, "isRegex": False, "isEqual": True}
        return [known for known in self.alerting.silences() if named in known["matchers"]]

    def standing(self) -> list[dict[str, Any]]:
        return [known for known in self.all() if known["status"]["state"] != "expired"]


def length(silence: dict[str, Any]) -> float:
    begin, end = (
        datetime.fromisoformat(silence[key].replace("Z", "+00:00"))
        for key in ("startsAt", "endsAt")
    )
    return (end - begin).total_seconds()


def test_what_it_is(account: Alertmanager) -> None:
    assert status(account).knows_negative_matchers
    assert status(account).version[:2] == "0."
    assert may_silence(account)


def test_it_wants_a_certificate(account: Alertmanager, cloud_config: dict[str, Any]) -> None:
    (entry,) = cloud_config["alertmanagers"]
    for without in (("cert", "key"), ("cacert",)):
        kept = {key: value for key, value in entry.items() if key not in without}
        with pytest.raises(CloudError, match=r"no connection|could not be verified"):
            status(Alertmanager.from_config(load({"alertmanagers": [kept]}), None))


def test_a_silence_keeps_its_alerts_quiet_and_no_others(
    alerting: Alerting, account: Alertmanager, operator: Operator, name: str
) -> None:
    """By each kind of matcher; which alerts are silenced, Alertmanager itself says."""
    for host, env in (("cmp-1:9100", "prod"), ("cmp-1:9200", "test"), ("cmp-10:9100", "prod")):
        alerting.fire(alertname=name, instance=host, env=env)
    for matchers, quiet in (
        ('instance="cmp-1:9100"', {"cmp-1:9100"}),
        ('instance=~"cmp-1(:.*)?"', {"cmp-1:9100", "cmp-1:9200"}),
        ('instance=~"cmp-1(:.*)?", env!="test"', {"cmp-1:9100"}),
        ('instance!~"cmp-1(:.*)?"', {"cmp-10:9100"}),
    ):
        conditions = parse(f'alertname="{name}", {matchers}')
        matching = {one.labels["instance"] for one in alerts.firing(account, conditions)}
        assert matching == quiet, "what is shown before is what is silenced"
        with tracing_as(changes=True):
            now = datetime.now(timezone.utc)
            times = {"begins": now, "ends": now + timedelta(minutes=10)}
            id = silences.create(account, conditions, **times, creator="proof", comment="proof")
            assert _silenced(account, name, id, quiet) == quiet
            loud = alerts.firing(account, [Matcher("alertname", name)], suppressed=False)
            silences.expire(account, id)
        assert len(loud) == 3 - len(quiet)
    shown = operator.dry_run("silence.create", matchers=f"alertname={name}", reason="proof")
    assert f"3 alerts of these fire now: {name}" in shown.text
    for alert in alerts.firing(account, [Matcher("alertname", name)]):
        alerting.resolve(**alert.labels)


def _silenced(account: Alertmanager, name: str, by: str, wanted: set[str]) -> set[str]:
    """Return what a silence suppresses, as soon as Alertmanager has come to say so."""
    found: set[str] = set()
    for _ in range(50):
        firing = alerts.firing(account, [Matcher("alertname", name)])
        found = {alert.labels["instance"] for alert in firing if by in alert.silenced_by}
        if found == wanted:
            break
        time.sleep(0.1)
    return found


def test_the_life_of_a_silence(operator: Operator, mine: Mine, name: str) -> None:
    asked = {"matchers": f"alertname={name}", "reason": "proof"}
    operator.done("silence.create", **asked, until="PT59M")
    again = operator.done("silence.create", **asked, until="30m")
    assert "does it until" in again.text
    (silence,) = mine.standing()
    assert length(silence) == pytest.approx(59 * 60, abs=2)
    operator.done("silence.extend", silence=silence["id"], until="1.5d")
    (longer,) = mine.standing()
    assert longer["id"] == silence["id"]
    assert length(longer) > 129000
    assert (longer["comment"], longer["matchers"]) == (silence["comment"], silence["matchers"])
    operator.done("silence.expire", silence=silence["id"])
    assert mine.standing() == []
    assert "it has ended" in operator.done("silence.expire", silence=silence["id"]).text
    assert "it has ended" in operator.refused("silence.extend", silence=silence["id"]).text
    assert len(mine.all()) == 1


def test_hostile_texts_arrive_as_they_are(
    account: Alertmanager, operator: Operator, mine: Mine, name: str
) -> None:
    labels = {"alertname": name, **{f"label_{n}": text for n, text in enumerate(HOSTILE)}}
    matchers = [Matcher(*pair) for pair in labels.items()]
    reason = "of " + " and ".join(HOSTILE)
    ended = operator.done("silence.create", matchers=written(matchers), reason=reason)
    (silence,) = mine.standing()
    assert {one["name"]: one["value"] for one in silence["matchers"]} == labels
    assert silence["comment"].startswith(f"{reason} [run {ended.run} ")
    (found,) = (one for one in silences.listed(account) if one.id == silence["id"])
    assert silences.same(found.matchers, parse(written(matchers)))
    assert not {"\x1b", "\u202e"} & {*operator.done("silence.list", run=ended.run).text}
    operator.done("silence.expire", silence=ended.run)
    assert mine.standing() == []


def test_alerts_with_hostile_labels(alerting: Alerting, account: Alertmanager, name: str) -> None:
    for text in HOSTILE:
        alerting.fire(alertname=name, instance=text)
    found = alerts.firing(account, [Matcher("alertname", name)])
    assert {alert.labels["instance"] for alert in found} == {*HOSTILE}
    for text in HOSTILE:
        (one,) = alerts.firing(account, [Matcher("alertname", name), Matcher("instance", text)])
        assert one.labels["instance"] == text
        alerting.resolve(alertname=name, instance=text)
    assert alerts.firing(account, parse(written([Matcher(*pair) for pair in WATCHDOG.items()])))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_hosts_are_data(
    alerting: Alerting, account: Alertmanager, name: str, text: str
) -> None:
    """What silences a hypervisor is about that one alone, whatever it is called."""
    for instance in (text, f"{text}:9100", "cmp-1", f"x{text}", f"{text}x"):
        alerting.fire(alertname=name, instance=instance)
    config = load({"alertmanagers": [], "monitoring": {}})
    conditions = [Matcher("alertname", name), *parse(names.in_alertmanager(config, text))]
    matching = {alert.labels["instance"] for alert in alerts.firing(account, conditions)}
    assert matching == {text, f"{text}:9100"}
    with tracing_as(changes=True):
        now = datetime.now(timezone.utc)
        times = {"begins": now, "ends": now + timedelta(minutes=10)}
        id = silences.create(account, conditions, **times, creator="proof", comment=text)
        assert _silenced(account, name, id, matching) == matching
        (made,) = (one for one in silences.listed(account) if one.id == id)
        assert made.comment == text
        silences.expire(account, id)
    for alert in alerts.firing(account, [Matcher("alertname", name)]):
        alerting.resolve(**alert.labels)


def test_one_that_has_ended_may_be_ended_again(
    account: Alertmanager, operator: Operator, mine: Mine, name: str
) -> None:
    operator.done("silence.create", matchers=f"alertname={name}", reason="proof")
    (silence,) = mine.standing()
    with tracing_as(changes=True):
        silences.expire(account, silence["id"])
        silences.expire(account, silence["id"])
    assert mine.standing() == []


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_killed_and_resumed(operator: Operator, mine: Mine, name: str, pause: float) -> None:
    """Whenever it is killed, there is one silence in the end."""
    victim = operator.start("silence.create", matchers=f"alertname={name}", reason="proof")
    victim.wait_line("^start ")
    time.sleep(pause)
    victim.kill()
    (run,) = operator.done("run.list").result["rows"]
    if run["state"] != "succeeded":
        time.sleep(3.5)  # its lease
        operator.done("run.resume", run=run["id"])
    assert len(mine.standing()) == 1
    operator.done("silence.expire", silence=run["id"])
    assert mine.standing() == []


def test_a_dry_run_changes_nothing_and_a_run_what_is_planned(
    operator: Operator, mine: Mine, name: str
) -> None:
    text = f"alertname={name}"

    def both(action: str, **parameters: str) -> None:
        before = mine.all()
        shown = operator.dry_run(action, **parameters)
        assert mine.all() == before
        journal = Journal(Store(operator.config["state_url"]))
        planned, done = (
            Plan.from_data(plan)
            for run in (shown.run, operator.done(action, **parameters).run)
            if (plan := journal.run(run).plan) is not None
        )
        assert planned.changes() == 1
        assert planned.differences(done) == []
        assert mine.all() != before

    both("silence.create", matchers=text, reason="proof")
    (silence,) = mine.standing()
    both("silence.extend", silence=silence["id"], until="1d")
    both("silence.expire", silence=silence["id"])
