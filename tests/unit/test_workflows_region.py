"""The region stands in every plan, and a plan for one region is not applied in another."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_http import Request
from support.state import sqlite_url


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


def test_a_run_goes_on_and_is_given_up_in_its_region_only(tmp_path: Path) -> None:
    """What was done in one region is not found in another, and would be done again there."""
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], [Server("a")]) as fake:
        fake.regions = {"one": "", "two": ""}

        def ask(action: str, region: str | None, **parameters: object) -> tuple[str, str]:
            clouds = [fake.entry(region_name=region) if region else fake.entry()]
            config = {"clouds": clouds, "state_url": sqlite_url(tmp_path)}
            kind, result = dispatch(action, parameters, config)
            return kind, result["summary"] + str(result["run"] or "")

        def end_it(request: Request) -> None:
            if request.method == "POST" and request.path.endswith("/action"):
                for pause in (0.0, 0.3):  # the second ends its waits
                    time.sleep(pause)
                    os.kill(os.getpid(), signal.SIGTERM)

        fake.hooks.append(end_it)
        what = {"hypervisor": "cmp-1", "reason": "tested", "dry_run": False}
        kind, said = ask("hypervisor.drain", "one", **what)
        assert kind == "interrupted", said
        run = said[-36:]
        fake.hooks.clear()
        for verb in ("run.resume", "run.cancel"):
            sent = len(fake.requests)
            kind, said = ask(verb, "two", run=run)
            assert kind == "refused"
            assert (
                "planned for cloud fake, region one, and now that is cloud fake, region two" in said
            )
            kind, said = ask(verb, None, run=run)
            assert kind == "refused"
            assert "several regions (one, two)" in said
            changes = [r for r in fake.requests[sent:] if r.method != "GET"]
            assert all("/auth/tokens" in r.path for r in changes)
