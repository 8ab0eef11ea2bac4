"""Plans that were stored by earlier versions of the pack still resume."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from state.journal import Journal
from state.records import NewRun
from state.store import Store
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.mail_cloud import mail_cloud
from support.runs import new_state
from support.smtp_faults import Fault
from workflow_api.former_steps import FORMER, modernised
from workflow_api.step import step_named
from workflow_api.workflow import workflow_named

DATA = Path(__file__).parents[1] / "data"
#: What 0.1.0 stored for a drain of cmp-1, with a server that runs and one that is shut off.
DRAIN = {
    "parameters": {"cloud": "fake", "hypervisor": "cmp-1", "reason": "new RAM"},
    "plan": json.loads((DATA / "drain_plan_0_1_0.json").read_text()),
}
for _stage in DRAIN["plan"]["stages"]:
    for _step in _stage["steps"]:
        _step["accounts"] = {"cloud": "fake"}  # which it was stored without
#: And for a campaign with one recipient, and for trying it again after the mail was refused.
CAMPAIGNS = json.loads((DATA / "campaign_plans_0_1_0.json").read_text())


def interrupted(url: str, workflow: str, stored: dict[str, Any], done: int = 0) -> str:
    """Store a plan as a run that ended when its first ``done`` steps were done."""
    journal, run = Journal(Store(url)), str(uuid.uuid4())
    asked = NewRun(run, workflow, stored["parameters"], f"request of {run}", "0.1.0", "ann", "test")
    journal.create(asked, "planned")
    fence = (run, journal.take(run, "ann", 30, states=("planned",)))
    plan = json.loads(json.dumps(stored["plan"]))
    steps = [step for stage in plan["stages"] for step in stage["steps"]]
    journal.store_plan(*fence, run, plan, [(step["key"], step["sentence"]) for step in steps])
    for step in steps[:done]:
        journal.set_step(*fence, run, step["key"], "done", None)
    journal.finish(*fence, run, "interrupted", summary="killed")
    return run


def steps_of(run: str, url: str) -> set[str]:
    return {step.state for step in Journal(Store(url)).steps(run)}


@pytest.mark.long
@pytest.mark.parametrize("done", [0, 1])
def test_a_drain_that_0_1_0_planned_goes_on(done: int, tmp_path: Path) -> None:
    servers = [Server("a"), Server("b", status="SHUTOFF")]
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], servers) as fake:
        url = new_state(tmp_path / "state.db")
        run = interrupted(url, "hypervisor.drain", DRAIN, done)
        kind, result = dispatch("run.resume", {"run": run}, fake.config(state_url=url))

        assert kind == "done", result
        assert [server.host for server in servers] == ["cmp-2", "cmp-2"]
        assert fake.hypervisors[0].status == ("enabled" if done else "disabled")
        assert steps_of(run, url) == {"done"}


def test_a_drain_of_an_empty_host_that_0_1_0_planned_goes_on(tmp_path: Path) -> None:
    """Its data has other names since."""
    first, *_, last = DRAIN["plan"]["stages"]
    stored = {**DRAIN, "plan": {**DRAIN["plan"], "stages": [first, last]}}
    with FakeCloud([Hypervisor("cmp-1")]) as fake:
        url = new_state(tmp_path / "state.db")
        run = interrupted(url, "hypervisor.drain", stored)
        kind, result = dispatch("run.resume", {"run": run}, fake.config(state_url=url))
        assert (kind, fake.hypervisors[0].status) == ("done", "disabled"), result


@pytest.mark.long
def test_a_campaign_that_0_1_0_planned_goes_on() -> None:
    """It is recorded and sent; and where its mail was refused, it is tried again as planned."""
    notice, again = "email.list_notice", "email.campaign.retry_failed"
    with mail_cloud() as cloud:
        config = cloud.config()
        url = config["state_url"]

        def resumed(workflow: str) -> tuple[str, set[str]]:
            run = interrupted(url, workflow, CAMPAIGNS[workflow])
            kind, _ = dispatch("run.resume", {"run": run}, config)
            return kind, steps_of(run, url)

        cloud.smtp.fault(Fault("rcpt", reply="550 5.1.1 no such user"))
        assert resumed(notice) == ("failed", {"done", "failed"})
        assert cloud.smtp.accepted == []
        cloud.smtp.fault()
        assert resumed(again) == ("done", {"done"})
        (mail,) = cloud.smtp.accepted
        assert mail.recipient == "cloud-users@example.org"


def test_every_step_of_0_1_0_is_called_as_it_is_today_and_takes_what_was_stored() -> None:
    """The plans have every step that was renamed, and each is a step with its data."""
    plans = [DRAIN["plan"], *(stored["plan"] for stored in CAMPAIGNS.values())]
    steps = [step for plan in plans for stage in plan["stages"] for step in stage["steps"]]
    assert {step["name"] for step in steps} >= set(FORMER)
    for workflow in ("hypervisor.drain", *CAMPAIGNS):
        workflow_named(workflow)  # registers its steps
    for stored in steps:
        today = modernised(stored)
        assert today["name"].partition(".")[0] in ("server", "hypervisor", "campaign")
        step_named(today["name"]).check(today["data"])
