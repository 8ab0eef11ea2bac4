"""hypervisor.maintain with its stages made to fail: parked, mended, resumed.

What must be so whatever fails: a host that was not tested is out of scheduling, whatever is
silenced ends by itself, and once the fault is mended nothing is done that was done before.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcloud import faults, power
from devcloud.monitored import Monitor
from devcloud.settings import Settings
from support import cloud_circle
from support.cloud_circle import Books
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site, until
from support.proxy import Match, Status

WHY = "a new kernel"
#: For how long a host is silenced, in seconds: until then it is heard of again by itself.
SILENT_FOR = 900.0
_ENABLE = Match("compute", "PUT", "/os-services/", body='"enabled"')


@dataclass
class World:
    """All that can be broken."""

    site: Site
    proxied: Proxied
    folder: Path
    mended: ExitStack

    @property
    def ops(self) -> Operator:
        """Who maintains the host."""
        return self.proxied.operator

    def set_config(self, kind: str, **changed: Any) -> None:
        """Change the only entry of a kind in the configuration, until it is mended."""
        (entry,) = self.ops.config[kind]
        self.ops.config[kind] = [{**entry, **changed}]
        self.mended.callback(self.ops.config.__setitem__, kind, [entry])


Break = Callable[[World], Any]


@dataclass(frozen=True)
class Fault:
    """What goes wrong: from the start, or as soon as a line of progress is seen; what is said."""

    breaks: Break
    said: str
    at: str = ""
    #: Slow something down first, so that there is time to break what comes next.
    slow: Break = lambda world: None
    #: Whether the host had been tested and given back before it went wrong.
    given_back: bool = False
    #: Whether it was seen that it went wrong: of a host that is not back, nobody knows.
    seen: bool = True


def _icinga_refuses(world: World) -> None:
    account = cloud_circle.icinga_account(f"proof-{uuid.uuid4().hex[:8]}")
    world.set_config("icingas", **world.mended.enter_context(account))


def _alertmanager_is_gone(world: World) -> None:
    cloud_circle.stop_alertmanager()
    world.mended.callback(cloud_circle.start_alertmanager)


def _key_has_changed(world: World) -> None:
    """Have known_hosts hold the keys of another host for the addresses of all."""
    entry = world.ops.config["ssh_accounts"][0]
    lines = [line.split() for line in Path(entry["known_hosts"]).read_text().splitlines()]
    wrong = {kind: key for _, kind, key, *_ in lines[:2]}
    known = world.folder / "other_hosts"
    known.write_text("".join(f"{at} {kind} {wrong[kind]}\n" for at, kind, *_ in lines[3:]))
    world.set_config("ssh_accounts", known_hosts=str(known))


def _never_back(world: World) -> None:
    power.set_knobs(world.site.source, stays_down=True)


def _nova_does_not_enable(world: World) -> None:
    world.proxied.proxy.fault(_ENABLE, Status(403), times=None)
    world.mended.callback(world.proxied.proxy.clear_faults)


FAULTS = {
    "silence: icinga": Fault(_icinga_refuses, "actions/schedule-downtime"),
    "patch": Fault(
        lambda world: power.set_knobs(world.site.source, patch_fails=True), "unmet dependencies"
    ),
    "patch: key": Fault(_key_has_changed, "SHA256:"),
    "reboot": Fault(_never_back, "is not back", seen=False),
    "test": Fault(lambda world: faults.set_knobs(world.site.source, spawn_fail=True), "boot: "),
    "enable": Fault(_nova_does_not_enable, "403"),
    "unsilence: alertmanager": Fault(
        _alertmanager_is_gone,
        "lertmanager",
        at="^start  run hypervisor.test",
        slow=lambda world: faults.set_knobs(world.site.source, spawn_seconds=4),
        given_back=True,
    ),
}


@pytest.fixture
def world(
    site: Site, proxied: Proxied, monitor: Monitor, ssh_hosts: Settings, folder: Path
) -> Iterator[World]:
    """An operator who waits no longer than a test may, and a host that is well again after it."""
    config = proxied.operator.config
    config["maintenance"] = {
        **config["maintenance"], "within": "40s", "silence": f"{SILENT_FOR:.0f}s"
    }  # fmt: skip
    config["ssh_commands"]["reboot"]["reboot_timeout"] = "30s"
    config["hypervisor_test"] = {"image": site.image(), "network": "shop-net"}
    config["brakes"] = {"hosts_percent": 100, "aggregate_percent": 100, "cool_down": "1s"}
    with ExitStack() as mended:
        yield World(site, proxied, folder, mended)
    faults.clear()
    faults.restore_hosts()
    until(lambda: site.service(site.source)["state"] == "up", "the host is up again")
    proxied.operator.run("hypervisor.unsilence", hypervisors=site.source)


@pytest.mark.long
@pytest.mark.parametrize("stage", FAULTS)
def test_a_stage_that_fails(world: World, stage: str) -> None:
    fault, ops, site = FAULTS[stage], world.ops, world.site
    (guest,) = site.boot(1)
    books = Books.opened(site, site.source)
    fault.slow(world)
    if not fault.at:
        fault.breaks(world)
    started = ops.start("hypervisor.maintain", hypervisor=site.source, reason=WHY)
    if fault.at:
        started.wait_line(fault.at, 240)
        fault.breaks(world)
    ended = started.end()

    assert ended.kind == "interrupted", ended
    parked = "parked: " if fault.seen else "1 with an unknown outcome"
    assert parked in ended.summary, ended
    assert fault.said in ended.output, ended
    world.mended.close()
    faults.clear()
    if fault.given_back:
        assert site.service(site.source)["status"] == "enabled"
        books.ends_by_itself(SILENT_FOR)
    else:
        books.is_safe(SILENT_FOR)
        ops.refused("hypervisor.enable", "was left by run", hypervisor=site.source)

    again = ops.run("run.resume", run=ended.run)

    assert again.kind == "done", again
    books.is_back(guest)
