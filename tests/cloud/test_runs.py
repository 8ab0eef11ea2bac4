"""What can be done with runs: shown, listed, applied, resumed, cancelled."""

from __future__ import annotations

import signal

from devcloud import faults
from state.journal import Journal
from state.store import Store
from support.cloud_operator import Operator, Started
from support.cloud_site import Site


def _slow_drain(site: Site, operator: Operator, **parameters: str) -> Started:
    """Start a drain whose migrations take a while, one after the other."""
    faults.set_knobs(site.source, live_migration_seconds=3)
    drain = {"hypervisor": site.source, "reason": "proof", "max_parallel": 1}
    started = operator.start("hypervisor.drain", **drain, **parameters)
    started.wait_line("^start  live-migrate")
    return started


def test_apply_carries_out_what_was_shown(site: Site, operator: Operator) -> None:
    guests = site.boot(2)
    since = site.newest_migration()
    shown = operator.dry_run("hypervisor.drain", hypervisor=site.source, reason="proof")
    assert site.migrations(since) == []
    assert site.service(site.source)["status"] == "enabled"
    planned = operator.done("run.show", run=shown.run)
    assert f"carry it out with run.apply run={shown.run}" in planned.text

    ended = operator.done("run.apply", run=shown.run)

    assert ended.run == shown.run
    assert site.names_on(site.source) == set()
    assert [len(site.migrations(since, guest)) for guest in guests] == [1, 1]
    again = operator.refused("run.apply", "only a planned run is applied", run=shown.run)
    assert "succeeded" in again.summary


def test_apply_refuses_when_the_cloud_has_changed(site: Site, operator: Operator) -> None:
    site.boot()
    shown = operator.dry_run("hypervisor.drain", hypervisor=site.source, reason="proof")
    (late,) = site.boot()
    since = site.newest_migration()

    operator.refused(
        "run.apply", f"newly planned: live-migrate {late.name}", "new dry run", run=shown.run
    )

    assert site.service(site.source)["status"] == "enabled"
    assert site.migrations(since) == []


def test_apply_refuses_an_old_plan(site: Site, operator: Operator) -> None:
    operator.config["limits"]["plan_valid"] = "0.1s"
    shown = operator.dry_run("hypervisor.disable", hypervisor=site.source, reason="proof")

    operator.refused("run.apply", "plans are valid for", "new dry run", run=shown.run)

    assert site.service(site.source)["status"] == "enabled"


def test_list_and_show(site: Site, operator: Operator) -> None:
    done = operator.done(
        "hypervisor.disable", hypervisor=site.source, reason="proof", ticket="OPS-7"
    )
    shown = operator.dry_run("hypervisor.enable", hypervisor=site.source)

    rows = {row["id"]: row["state"] for row in operator.done("run.list").result["rows"]}
    planned = operator.done("run.list", state="planned").result["rows"]
    enables = operator.done("run.list", workflow_name="hypervisor.enable").result["rows"]
    told = operator.done("run.show", run=done.run[:8])

    assert rows == {done.run: "succeeded", shown.run: "planned"}
    assert [row["id"] for row in planned] == [row["id"] for row in enables] == [shown.run]
    assert "ticket OPS-7" in told.text
    (step,) = told.result["rows"]
    assert (step["state"], step["tries"]) == ("done", 1)
    assert step["request_ids"]


def test_interrupted_and_resumed(site: Site, operator: Operator) -> None:
    guests = site.boot(3)
    since = site.newest_migration()
    started = _slow_drain(site, operator)

    started.process.send_signal(signal.SIGTERM)
    ended = started.end()

    assert ended.kind == "interrupted", ended
    assert f"Go on with run.resume run={ended.run}" in ended.summary
    moved = [len(site.migrations(since, guest)) for guest in guests]
    assert moved == [1, 0, 0], "what was under way came to its end, and nothing else was begun"
    faults.clear(site.source)

    operator.done("run.resume", run=ended.run)

    assert [len(site.migrations(since, guest)) for guest in guests] == [1, 1, 1]
    assert site.names_on(site.source) == set()
    operator.refused("run.resume", "nothing to go on with", run=ended.run)


def test_same_request_goes_on_with_an_interrupted_run(site: Site, operator: Operator) -> None:
    guests = site.boot(2)
    since = site.newest_migration()
    started = _slow_drain(site, operator)
    started.process.send_signal(signal.SIGTERM)
    first = started.end()
    faults.clear(site.source)
    drain = {"hypervisor": site.source, "max_parallel": 1}

    other = operator.refused("hypervisor.drain", first.run, **drain, reason="another")
    assert f"run.resume run={first.run}" in other.summary
    assert f"run.cancel run={first.run}" in other.summary
    same = operator.done("hypervisor.drain", **drain, reason="proof")

    assert same.run == first.run
    assert any("going on with it" in line for line in same.lines)
    assert [len(site.migrations(since, guest)) for guest in guests] == [1, 1]


def test_cancel_restores_scheduling_if_asked_to(site: Site, operator: Operator) -> None:
    guests = site.boot(3)
    since = site.newest_migration()
    started = _slow_drain(site, operator, on_cancel="restore")

    cancelled = operator.done("run.cancel", run=started.run)
    ended = started.end()

    assert cancelled.run == ended.run
    assert ended.kind == "interrupted"
    assert "cancelled" in ended.summary
    assert site.service(site.source)["status"] == "enabled"
    moves = [[m["status"] for m in site.migrations(since, guest)] for guest in guests]
    assert moves == [["completed"], [], []]
    assert [site.status_of(guest) for guest in guests] == ["ACTIVE"] * 3
    shown = operator.done("run.show", run=ended.run)
    assert "cancelled" in shown.text
    assert "holds" not in shown.text


def test_cancel_of_an_interrupted_run_leaves_scheduling(site: Site, operator: Operator) -> None:
    site.boot(2)
    started = _slow_drain(site, operator)
    started.process.send_signal(signal.SIGTERM)
    ended = started.end()

    operator.run("run.cancel", run=ended.run)

    journal = Journal(Store(operator.config["state_url"]))
    assert journal.run(ended.run).state == "cancelled"
    assert journal.claims_of(ended.run) == []
    service = site.service(site.source)
    assert (service["status"], service["disabled_reason"]) == ("disabled", "proof")
    operator.done("hypervisor.enable", hypervisor=site.source)


def test_a_resume_at_the_instant_of_a_cancel_ends_by_it(site: Site, operator: Operator) -> None:
    operator.config["limits"]["lease"] = "3s"
    guests = site.boot(3)
    since = site.newest_migration()
    started = _slow_drain(site, operator)
    started.process.kill()
    killed = started.run

    both = [operator.start(what, run=killed) for what in ("run.resume", "run.cancel")]
    resumed, cancelled = (one.end() for one in both)

    assert cancelled.kind == "done", cancelled
    assert resumed.kind in ("interrupted", "refused"), resumed
    moves = [[m["status"] for m in site.migrations(since, guest)] for guest in guests]
    # The first was being sent when the process was killed; nothing was begun after that.
    assert moves[0] in ([], ["completed"])
    assert moves[1:] == [[], []]
    told = operator.done("run.show", run=killed).text
    assert "cancelled by " in told
    assert "holds" not in told
