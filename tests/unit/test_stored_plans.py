"""Plans that were stored by earlier versions of the pack still resume."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from engine.dispatch import dispatch
from state.journal import Journal
from state.records import NewRun
from state.store import Store
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.runs import new_state

#: What 0.1.0 stored for a drain of cmp-1, with a server that runs and one that is shut off.
OF_0_1_0 = json.loads((Path(__file__).parents[1] / "data" / "drain_plan_0_1_0.json").read_text())


def interrupted(url: str, done: int) -> str:
    """Store the plan as a run that ended when its first ``done`` steps were done."""
    journal, run = Journal(Store(url)), str(uuid.uuid4())
    what = {"cloud": "fake", "hypervisor": "cmp-1", "reason": "new RAM"}
    journal.create(
        NewRun(run, "hypervisor.drain", what, "request", "0.1.0", "ann", "test"), "planned"
    )
    fence = (run, journal.take(run, "ann", 30, states=("planned",)))
    stored = json.loads(json.dumps(OF_0_1_0))
    steps = [step for stage in stored["stages"] for step in stage["steps"]]
    for step in steps:
        step["accounts"] = {"cloud": "fake"}
    journal.store_plan(*fence, run, stored, [(step["key"], step["sentence"]) for step in steps])
    for step in steps[:done]:
        journal.set_step(*fence, run, step["key"], "done", None)
    journal.finish(*fence, run, "interrupted", summary="killed")
    return run


@pytest.mark.long
@pytest.mark.parametrize("done", [0, 1])
def test_a_drain_that_0_1_0_planned_goes_on(done: int, tmp_path: Path) -> None:
    servers = [Server("a"), Server("b", status="SHUTOFF")]
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], servers) as fake:
        url = new_state(tmp_path / "state.db")
        run = interrupted(url, done)
        kind, result = dispatch("run.resume", {"run": run}, fake.config(state_url=url))

        assert kind == "done", result
        assert [server.host for server in servers] == ["cmp-2", "cmp-2"]
        assert fake.hypervisors[0].status == ("enabled" if done else "disabled")
        assert {step.state for step in Journal(Store(url)).steps(run)} == {"done"}
