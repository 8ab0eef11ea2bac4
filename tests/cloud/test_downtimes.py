"""Runbooks about downtimes and what monitoring knows, on a real Icinga beside a real cloud."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from devcloud.monitored import SERVICE, Monitor
from monitoring import marks
from support.cloud_operator import Operator
from support.cloud_site import Site

HOSTILE = 'x" || true || "; {{ a }} $b$ \\'


@pytest.fixture
def host(site: Site, monitor: Monitor) -> Iterator[str]:
    """A hypervisor of ours, on which monitoring is as before after the test."""
    monitor.reset()
    yield site.source
    monitor.reset()


def covered(monitor: Monitor) -> dict[str, dict[str, Any]]:
    """Return the downtimes by what each is for."""
    found = monitor.objects("downtimes")
    return {f"{one['host_name']}!{one['service_name']}".rstrip("!"): one for one in found}


def names(monitor: Monitor) -> set[str]:
    return {one["__name"] for one in monitor.objects("downtimes", attrs=["name"])}


def test_a_dry_run_changes_nothing_and_the_run_what_is_planned(
    operator: Operator, monitor: Monitor, host: str
) -> None:
    asked = {"host": host, "reason": HOSTILE, "until": "59m"}
    shown = operator.dry_run("downtime.schedule", **asked)
    assert covered(monitor) == {}
    operator.done("run.apply", run=shown.run)
    made, mine = covered(monitor), names(monitor)
    assert set(made) == {host, f"{host}!{SERVICE}"}
    for one in made.values():
        assert marks.run_of(one["author"], one["comment"]) == shown.run
        assert marks.reason_of(one["comment"]) == HOSTILE
        assert one["end_time"] - one["start_time"] == pytest.approx(59 * 60)
        assert abs(one["start_time"] - time.time()) < 120
    assert operator.done("downtime.schedule", **{**asked, "until": "30m"}).result["skipped"]
    assert names(monitor) == mine

    operator.dry_run("downtime.remove", downtimes=shown.run)
    assert names(monitor) == mine
    operator.done("downtime.remove", downtimes=shown.run)
    assert covered(monitor) == {}


def test_only_what_is_ours_or_named_is_removed(
    operator: Operator, monitor: Monitor, host: str
) -> None:
    now = time.time()
    theirs = {"author": "ann", "comment": "mine", "start_time": now, "end_time": now + 600}
    said = monitor.request("POST", "/actions/schedule-downtime", {"host": host, **theirs})
    operator.done("downtime.schedule", host=host, reason="ours", service=SERVICE)
    operator.done("downtime.remove", downtimes=host)
    assert set(covered(monitor)) == {host}
    (named,) = (one["name"] for one in said["results"])
    operator.done("downtime.remove", downtimes=named)
    assert covered(monitor) == {}


def test_killed_as_it_schedules_and_resumed(
    operator: Operator, monitor: Monitor, host: str, hasty: None
) -> None:
    started = operator.start("downtime.schedule", host=host, reason="why", until="1h")
    started.wait_line("start  schedule a downtime")
    started.kill()
    time.sleep(3.5)  # its lease
    operator.done("run.resume", run=started.run)
    assert set(covered(monitor)) == {host, f"{host}!{SERVICE}"}
    assert len(monitor.objects("downtimes")) == 2


def test_a_hypervisor_is_silenced_everywhere_and_that_is_ended(
    operator: Operator, monitor: Monitor, site: Site, host: str
) -> None:
    other = site.other
    asked = {"hypervisors": f"{host},{other}", "reason": HOSTILE, "until": "59m"}
    shown = operator.dry_run("hypervisor.silence", **asked)
    assert covered(monitor) == {}
    operator.done("run.apply", run=shown.run)
    both = {host, other, f"{host}!{SERVICE}", f"{other}!{SERVICE}"}
    assert set(covered(monitor)) == both
    made = operator.done("silence.list", run=shown.run).result["rows"]
    assert len(made) == 2
    quoted = host.replace("-", "\\\\-")
    assert f'instance=~"{quoted}(:[0-9]+)?"' in {one["matchers"] for one in made}
    operator.done("hypervisor.unsilence", hypervisors="*", where=f"name = {host}")
    assert set(covered(monitor)) == {other, f"{other}!{SERVICE}"}
    operator.done("hypervisor.unsilence", hypervisors=other, run=shown.run)
    assert covered(monitor) == {}
    assert operator.done("silence.list", run=shown.run).result["rows"] == []


def test_what_is_down_and_who_is_on_it(
    operator: Operator, monitor: Monitor, site: Site, host: str
) -> None:
    (guest,) = site.boot()
    monitor.set_state(host, "DOWN")
    monitor.set_state(f"{host}!{SERVICE}", "CRITICAL")
    operator.done("downtime.schedule", host=host, reason="why", services=False)
    rows = operator.done("monitoring.search", host=f"{host[:-1]}*").result["rows"]
    found = {row["service"]: row for row in rows if row["host"] == host}
    assert (found[""]["state"], found[""]["downtime"]) == ("DOWN", True)
    assert (found[SERVICE]["state"], found[SERVICE]["downtime"]) == ("CRITICAL", False)
    assert guest.name in found[""]["server_names"]
    (left,) = operator.done("monitoring.search", state="unhandled", host=host).result["rows"]
    assert left["service"] == SERVICE
