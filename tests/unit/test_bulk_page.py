"""docs/BULK.md: every use of it is carried out as it is typed, on a fake cloud."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from local_runner.actions import ACTIONS, read_action
from local_runner.arguments import parameters_for
from support.bulk import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Project, Server
from support.fake_cloud_power import Power
from support.fake_cloud_volume import FakeCinder
from support.runs import Silent

PAGE = (Path(__file__).parents[2] / "docs" / "BULK.md").read_text()
USES = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FOLDER = "/srv/bulk/"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    alpha, beta = Project("alpha"), Project("beta")
    servers = [
        *(Server(f"web-{number}", project=alpha.id) for number in (1, 2, 3)),
        *(Server(f"db-{number}", host="cmp-2", project=beta.id) for number in (1, 2)),
        Server("off-1", status="SHUTOFF", project=beta.id),
        Server("stuck-1", status="ERROR"),
        Server("lab-1", metadata={"purpose": "lab"}),
    ]
    hosts = [Hypervisor(f"cmp-{number}") for number in (1, 2, 3)]
    with FakeCloud(hosts, servers, projects=[alpha, beta]) as fake:
        cinder = FakeCinder(fake)
        for name in ("vol-1", "vol-2"):
            cinder.volume(name)
        cinder.volume("half-1", status="error")
        for server in servers:
            fake.nova.power.courses[server.id] = Power(seconds=0.05)
        yield Site(fake, tmp_path)


def told(text: str, site: Site) -> str:
    return text.replace(_FOLDER, f"{site.folder}/")


def carried_out(line: str, site: Site) -> tuple[str, dict[str, Any]]:
    """Dispatch a command as the local runner does, with another folder."""
    name, *words = shlex.split(told(line, site).removeprefix("./runbook run "))
    parameters = parameters_for(read_action(ACTIONS / f"{name}.yaml"), words, "ann")
    return dispatch(name, parameters, site.config, reporter=Silent())


@pytest.mark.long
@pytest.mark.parametrize("use", USES)
def test_a_use_is_carried_out_as_it_is_typed(site: Site, use: str) -> None:
    commands = []
    for kind, block in _BLOCK.findall(USES[use]):
        if kind == "console":
            commands += block.splitlines()
        else:
            first, content = block.split("\n", 1)
            Path(told(first.removeprefix("# "), site)).write_text(content)
    assert commands
    for line in commands:
        sent = len(site.fake.changes)
        kind, result = carried_out(line, site)
        assert kind == "done", result["text"]
        is_dry = "dry_run=false" not in line
        good = [row for row in result["rows"] if row["state"] == ("planned" if is_dry else "done")]
        assert good, result["text"]
        assert len(site.fake.changes) - sent == (0 if is_dry else len(good))


def test_there_is_a_dozen_of_them() -> None:
    assert len(USES) >= 12
