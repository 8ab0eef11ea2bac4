"""The region stands in every plan, and a plan for one region is not applied in another."""

from __future__ import annotations

from pathlib import Path

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.state import sqlite_url
from workflow_api.dispatch import dispatch


def test_a_plan_names_its_region_and_is_applied_there_only(tmp_path: Path) -> None:
    with FakeCloud([Hypervisor("cmp-1")]) as fake:
        fake.regions = {"one": "", "two": ""}

        def ask(action: str, region: str, **parameters: object) -> tuple[str, str, str]:
            clouds = [fake.entry(region_name=region)]
            config = {"clouds": clouds, "state_url": sqlite_url(tmp_path)}
            kind, result = dispatch(action, parameters, config)
            return kind, result["summary"], result.get("text", "")

        what = {"hypervisor": "cmp-1", "reason": "tested", "dry_run": True}
        kind, said, text = ask("hypervisor.disable", "one", **what)
        assert kind == "done"
        assert text.splitlines()[1] == "On cloud fake, region one"
        run = said.rpartition("run=")[2]
        kind, said, _ = ask("run.apply", "two", run=run)
        assert kind == "refused"
        assert "planned for cloud fake, region one, and now for cloud fake, region two" in said
        assert fake.hypervisors[0].status == "enabled"
        run = ask("hypervisor.disable", "one", **what)[1].rpartition("run=")[2]
        assert ask("run.apply", "one", run=run)[0] == "done"
        assert fake.hypervisors[0].status == "disabled"
