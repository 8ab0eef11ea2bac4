"""The region stands in every plan, and a plan for one region is not applied in another."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Hypervisor, Server
from support.fake_cloud_http import Request
from support.state import sqlite_url


@pytest.mark.long
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


def end_it(request: Request) -> None:
    """Interrupt a run that is about to move a server."""
    if request.method == "POST" and request.path.endswith("/action"):
        for pause in (0.0, 0.3):  # the second ends its waits
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.long
def test_a_run_goes_on_and_is_given_up_in_its_region_only(tmp_path: Path) -> None:
    """What was done in one region is not found in another, and would be done again there."""
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], [Server("a")]) as fake:
        fake.regions = {"one": "", "two": ""}

        def ask(action: str, region: str | None, **parameters: object) -> tuple[str, str]:
            clouds = [fake.entry(region_name=region) if region else fake.entry()]
            config = {"clouds": clouds, "state_url": sqlite_url(tmp_path)}
            kind, result = dispatch(action, parameters, config)
            return kind, result["summary"] + str(result["run"] or "")

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


@pytest.mark.long
def test_a_plan_is_applied_and_gone_on_with_in_its_own_cloud_only(tmp_path: Path) -> None:
    """Under the name and region of the one that it was planned for there is another by now."""
    with twin() as fake, twin("project-of-others") as other:

        def ask(action: str, cloud: FakeCloud, **parameters: object) -> tuple[str, str]:
            config = {"clouds": [cloud.entry()], "state_url": sqlite_url(tmp_path)}
            kind, result = dispatch(action, parameters, config)
            return kind, result["summary"] + str(result["run"] or "")

        def refused(action: str, run: str) -> None:
            kind, said = ask(action, other, run=run)
            assert (kind, other.changes) == ("refused", [])
            assert (
                f"planned for cloud fake at {fake.origin}/identity, and now that is another cloud "
                f"at {other.origin}/identity" in said
            )

        what = {"hypervisor": "cmp-1", "reason": "tested"}
        run = ask("hypervisor.disable", fake, **what, dry_run=True)[1][-36:]
        refused("run.apply", run)
        assert ask("run.apply", fake, run=run)[0] == "done"
        fake.hooks.append(end_it)
        kind, said = ask("hypervisor.drain", fake, **what, dry_run=False)
        assert kind == "interrupted", said
        fake.hooks.clear()
        for verb in ("run.resume", "run.cancel"):
            refused(verb, said[-36:])


@pytest.mark.long
def test_a_keystone_that_moved_and_an_account_that_was_replaced_are_the_same_cloud(
    tmp_path: Path,
) -> None:
    with twin() as fake, twin() as moved:
        moved.hypervisors = fake.hypervisors

        def ask(action: str, cloud: FakeCloud, **parameters: object) -> tuple[str, str]:
            config = {"clouds": [cloud.entry()], "state_url": sqlite_url(tmp_path)}
            kind, result = dispatch(action, parameters, config)
            return kind, result["summary"]

        what = {"hypervisor": "cmp-1", "reason": "tested", "dry_run": True}
        run = ask("hypervisor.disable", fake, **what)[1].rpartition("run=")[2]
        fake.project = "another"
        assert ask("run.apply", fake, run=run)[0] == "done"
        fake.hypervisors[0].status, moved.project = "enabled", fake.project
        run = ask("hypervisor.disable", fake, **what)[1].rpartition("run=")[2]
        kind, said = ask("run.apply", moved, run=run)
        assert (kind, moved.hypervisors[0].status) == ("done", "disabled"), said


def twin(project: str = OWNER) -> FakeCloud:
    """Return a cloud that looks as the others; it is another if that is another project of its."""
    cloud = FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], [Server("a")])
    cloud.project = project
    return cloud
