"""./runbook watch --rules: what rules start on events, once, and what holds it up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import insert

from common.errors import UserError
from engine.dispatch import dispatch
from local_runner import ruling
from local_runner.app import main
from local_runner.ruling import Ruling
from local_runner.watch_views import JsonLines
from local_runner.watch_views import ruling as told
from rules.files import Call, Rule, Trigger
from state.clock import db_now
from state.journal import Journal
from state.observations import Found
from state.schema import host_works
from state.store import Store
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.fake_cloud_tables import Tables
from support.runs import Silent, toy_house

NIL = "00000000-0000-0000-0000-000000000000"
REASON = "parked by run 1f2e3d4c: wait"


class Site:
    """A cloud with a hypervisor that maintenance has left, and the configuration of a watcher."""

    def __init__(self, fake: FakeCloud, state_url: str, folder: Path) -> None:
        self.fake, self.path, self.store = fake, folder / "config.yaml", Store(state_url)
        sensors = {"hypervisor_state": {"steady_looks": 1, "due_trait": ""}}
        self.config = fake.config(state_url=state_url, sensors=sensors)
        self.path.write_text(yaml.safe_dump(self.config))
        self.path.chmod(0o600)

    def watch(self, *words: str) -> int:
        watched = ["watch", "hypervisor_state", "--once", "--config", str(self.path)]
        return main([*watched, *words])

    @property
    def host(self) -> Hypervisor:
        return self.fake.hypervisors[0]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    hosts = [Hypervisor("cmp-1", status="disabled", reason=REASON), Hypervisor("cmp-2")]
    with toy_house() as (house, _), FakeCloud(hosts) as fake:
        fake.part(Tables)
        site = Site(fake, house.state_url, tmp_path)
        yield site
        site.store.close()


@pytest.mark.long
def test_what_disabled_rules_would_start_is_said(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.watch("--rules") == 0
    event, *ruled = capsys.readouterr().out.splitlines()
    assert "cmp-1 is DRAINED" in event
    (mine,) = [line for line in ruled if "hypervisor_parked_return" in line]
    assert mine.startswith(
        "rule hypervisor_parked_return is disabled; it would start openstack_ops.hypervisor.return "
        f"cloud=fake hypervisor={site.host.id} dry_run=true trigger_id="
    )
    assert site.fake.changes == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--enable", "hypervisor_parked_return"], "it needs --rules"),
        (["--rules", "--enable", "hypervisor_parked_retur"], "no rule"),
        (["--rules", "--enable", "snapshot_prune"], "core.st2.CronTimer, which only StackStorm"),
    ],
)
def test_rules_that_there_are_not_are_refused(
    site: Site, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.watch(*words) == 2
    assert says in capsys.readouterr().err


@pytest.mark.long
def test_an_enabled_rule_starts_its_run_and_its_end_is_shown(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.watch("--rules", "--json", "--enable", "hypervisor_parked_return") == 0
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    begun, ended = [line for line in lines if line.get("rule") == "hypervisor_parked_return"]
    assert begun["enabled"] is True
    assert begun["parameters"]["trigger_id"].endswith("-return")
    assert ended["ended"], "its answer, whatever the brakes and the test's inputs say"
    assert site.fake.changes == [], "it is in dry run"


@pytest.mark.long
def test_an_event_that_comes_again_starts_its_run_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {
        "cloud": "{{ trigger.cloud }}",
        "hypervisor": "{{ trigger.subject_id }}",
        "reason": "it is down",
        "trigger_id": "{{ trigger.id }}-disable",
        "dry_run": False,
    }
    call = Call("openstack_ops.hypervisor.disable", parameters)
    one = Rule("one", "p", "d", Trigger("openstack_ops.hypervisor_state"), call)
    monkeypatch.setattr(ruling, "rules_in", lambda: [one])
    payload = {"id": "e" * 32, "cloud": "fake", "subject_id": site.fake.hypervisors[1].id}
    event = Found("e" * 32, "s", "hypervisor_state", payload)
    view = JsonLines(_nothing_secret())
    rules = Ruling(["one"], site.path, site.store)
    for _ in range(2):
        rules.act(event, view)
        rules.finish(view)
    assert Journal(site.store).by_trigger(f"{'e' * 32}-disable").state == "succeeded"
    assert len(site.fake.changes) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if "ended" in line]
    assert "already started" in said[1]


def _nothing_secret() -> Any:
    from common.redaction import Redactor

    return Redactor({})


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"hypervisor": "x", "trigger_id": "t", "odd": 1}, "no parameter 'odd'"),
        ({"trigger_id": "t"}, "required and not given: hypervisor"),
        ({"hypervisor": "x"}, "has no trigger_id"),
        ({"hypervisor": "x", "trigger_id": "t", "workflow": "y"}, "fixed by the action"),
        ({"hypervisor": "x", "trigger_id": "t", "dry_run": 3}, "must be true or false"),
        ({"hypervisor": "{{ trigger.nothing }}", "trigger_id": "t"}, "cannot be rendered"),
    ],
)
def test_what_an_action_would_not_take_is_not_started(
    site: Site, parameters: dict[str, Any], says: str
) -> None:
    call = Call("openstack_ops.hypervisor.return", parameters)
    rule = Rule("one", "p", "d", Trigger("openstack_ops.hypervisor_state"), call)
    with pytest.raises(UserError, match=says):
        Ruling([], site.path, site.store).call(rule, {"id": "e1"})


def test_an_interval_timer_starts_its_action_once_an_interval(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now, started = [1000.0], list[dict[str, Any]]()
    monkeypatch.setattr(ruling.time, "monotonic", lambda: now[0])
    rules = Ruling(["run_resume_due"], site.path, site.store)
    monkeypatch.setattr(rules, "_start", lambda rule, given: started.append(given))
    view = JsonLines(_nothing_secret())
    for later in (0.0, 30.0, 29.0, 1.0, 59.0, 61.0):
        now[0] += later
        rules.look(view)
    assert started == [{}, {}], "after 60 and after 180 seconds, not when it begins"
    assert capsys.readouterr().out.count("openstack_ops.run.resume_due") == 2


@pytest.mark.long
def test_a_run_goes_on_when_the_watch_ends_and_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call("openstack_ops.run.list", {})
    one = Rule("one", "p", "d", Trigger("openstack_ops.hypervisor_state"), call)
    monkeypatch.setattr(ruling, "rules_in", lambda: [one])
    rules, view = Ruling(["one"], site.path, site.store), JsonLines(_nothing_secret())
    rules.act(Found("e" * 32, "s", "hypervisor_state", {"id": "e" * 32}), view)
    assert list(rules.leave()) == ["run.list, started by rule one, goes on: see run.list."]
    rules.finish(view)
    assert list(rules.leave()) == []


def test_a_line_of_a_rule_is_a_line() -> None:
    call = {"parameters": {"reason": "a b", "n": 1}, "enabled": True}
    about = {"rule": "one", "action": "x.y"}
    assert told({**about, **call}) == "rule one starts x.y reason='a b' n=1"
    assert told({**about, "error": "no\nway"}) == "rule one starts nothing: no way"


def by_a_rule(site: Site, trigger: str) -> tuple[str, dict[str, Any]]:
    given = {"hypervisor": "cmp-2", "reason": "due", "dry_run": False, "trigger_id": trigger}
    more = {"skip": ["test", "patch", "reboot", "silence", "unsilence", "tell", "agents"]}
    return dispatch("hypervisor.maintain", {**given, **more}, site.config, reporter=Silent())


@pytest.mark.long
def test_the_lock_of_operations_holds_up_what_a_rule_starts(site: Site) -> None:
    site.host.status, site.host.reason = "enabled", None
    dispatch("ops.lock", {"reason": "storage", "dry_run": False}, site.config, reporter=Silent())
    kind, result = by_a_rule(site, "t-1")
    assert (kind, "storage" in result["summary"]) == ("refused", True)
    dispatch("ops.unlock", {"dry_run": False}, site.config, reporter=Silent())
    assert site.fake.changes == []


def test_the_cool_down_of_a_host_holds_up_what_a_rule_starts(site: Site) -> None:
    site.host.status, site.host.reason = "enabled", None
    work = {"subject": f"hypervisor:{site.fake.hypervisors[1].id}", "name": "cmp-2", "run": NIL}
    with site.store.transaction() as tx:
        tx.execute(insert(host_works).values(**work, begun_at=db_now(), ended_at=db_now()))
    kind, result = by_a_rule(site, "t-2")
    assert (kind, "brakes.cool_down" in result["summary"]) == ("refused", True)
    assert site.fake.changes == []
