"""What the author's guide builds, on a real server: run as the guide says, and as tests run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcloud.settings import Settings
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site
from support.guide import NAME, blocks, followed
from support.pack_copy import PackCopy
from support.proxy import Cut, Match


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> PackCopy:
    """A pack in which somebody has followed the guide."""
    return followed(tmp_path_factory.mktemp("packs") / "openstack_ops")


def theirs(pack: PackCopy, operator: Operator) -> Operator:
    """Return an operator who has that pack."""
    return Operator(operator.home, operator.config, [sys.executable, str(pack.top / "runbook")])


def actions_on(site: Site, server: str) -> list[str]:
    """Return what was done to a server, oldest first, as Nova recorded it."""
    found = site.nova(f"/servers/{server}/os-instance-actions")["instanceActions"]
    return [each["action"] for each in reversed(found)]


def test_what_the_guide_types(
    pack: PackCopy, site: Site, devcloud: Settings, cloud_config: dict[str, Any], tmp_path: Path
) -> None:
    (script,) = (block.text for block in blocks("console") if "./runbook" in block.text)
    (web,) = site.nova("/servers?all_tenants=1&name=%5Eweb-1%24")["servers"]
    before = actions_on(site, web["id"])
    (pack.top / ".devcloud").mkdir()
    path = pack.top / ".devcloud" / "openstack_ops.yaml"
    path.touch(0o600)
    path.write_text(yaml.safe_dump(cloud_config))

    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=pack.top,
        env={**os.environ, "HOME": str(tmp_path), "PATH": _path()},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "leave web-1 off for 5 s" in done.stdout, "the dry run"
    assert "web-1 is ACTIVE" in done.stdout
    assert actions_on(site, web["id"]) == [*before, "stop", "start"]


def _path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("skip", [0, 1], ids=["of the stop", "of the start"])
def test_a_lost_answer_is_looked_up(
    pack: PackCopy, site: Site, proxied: Proxied, skip: int
) -> None:
    (guest,) = site.boot()
    proxied.proxy.fault(Match("compute", "POST", "/action$"), Cut(after=True), skip=skip)
    theirs(pack, proxied.operator).done(NAME, server=guest.id, off_for="1s")
    assert site.status_of(guest) == "ACTIVE"
    assert actions_on(site, guest.id)[1:] == ["stop", "start"]


@pytest.mark.usefixtures("hasty")
def test_killed_while_it_is_off_and_given_up_it_is_started_again(
    pack: PackCopy, site: Site, operator: Operator
) -> None:
    (guest,) = site.boot()
    mine = theirs(pack, operator)
    victim = mine.start(NAME, server=guest.id, off_for="1m")
    victim.wait_line("SHUTOFF")
    assert victim.kill()
    mine.run("run.cancel", run=victim.run)
    assert site.status_of(guest) == "ACTIVE"
    assert actions_on(site, guest.id)[1:] == ["stop", "start"]
