"""A real cloud for the tests: devcloud, what it says of itself, and operators who work on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from devcloud.alerting import Alerting
from devcloud.monitored import Monitor
from devcloud.settings import Settings, remembered
from support.cloud_operator import REPOSITORY, Operator
from support.cloud_proxied import Proxied, behind, endpoints
from support.cloud_site import Site, connect
from support.proxy import CloudProxy

#: The estate is on the first three hosts; the proofs have these to themselves.
_ESTATE, _OURS = 3, 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a cloud."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="session")
def devcloud() -> Settings:
    """A seeded devcloud with two hosts more than its estate needs; brought up if it is not."""
    known, wanted = remembered(), _ESTATE + _OURS
    if known is None or known.computes < wanted or _devcloud("status").returncode:
        _bring("up", DEVCLOUD_COMPUTES=str(max(wanted, known.computes if known else 0)))
    _bring("seed")
    settings = remembered()
    assert settings
    return settings


@pytest.fixture(scope="session")
def monitor(devcloud: Settings) -> Monitor:
    """The administrator of the monitoring beside the cloud; brought up if it is not."""
    if "monitoring" not in devcloud.groups:
        _bring("up", "--with", "monitoring")
        _bring("seed")
    return Monitor()


@pytest.fixture(scope="session")
def alerting(monitor: Monitor) -> Alerting:
    """Somebody who says what fires in the Alertmanager beside the cloud."""
    return Alerting()


@pytest.fixture(scope="session")
def ssh_hosts(devcloud: Settings) -> Settings:
    """A devcloud whose hypervisors are hosts to log in to."""
    if "ssh" not in devcloud.groups:
        _bring("up", "--with", "ssh")
    settings = remembered()
    assert settings
    return settings


def _bring(command: str, *words: str, **environ: str) -> None:
    """Run a devcloud command that has to succeed: without it no test here can."""
    answer = _devcloud(command, *words, **environ)
    if answer.returncode:
        pytest.exit(f"devcloud/{command}: {answer.stdout[-2000:]}{answer.stderr[-2000:]}", 3)


def _devcloud(command: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = REPOSITORY / "devcloud" / command
    return subprocess.run(
        [path, *words], env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def sdk(devcloud: Settings) -> Connection:
    """An administrator's openstacksdk."""
    return connect(devcloud.clouds_yaml)


@pytest.fixture
def site(devcloud: Settings, sdk: Connection) -> Iterator[Site]:
    """The cloud as its administrator sees it; put back as it was after the test."""
    site = Site(sdk, devcloud.compute_hosts[_ESTATE:])
    try:
        yield site
    finally:
        site.restore()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that other users may look into, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="proof-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def cloud_config(devcloud: Settings, folder: Path) -> dict[str, Any]:
    """The pack's configuration for devcloud, with a state store of this test's own."""
    config: dict[str, Any] = yaml.safe_load((devcloud.state / "openstack_ops.yaml").read_text())
    state = folder / "state"
    state.mkdir(mode=0o700)
    config["state_url"] = f"sqlite:///{state}/state.db"
    config["limits"] = {"lease": "10s", "grace": "10s"}
    return config


@pytest.fixture
def operator(cloud_config: dict[str, Any], folder: Path) -> Iterator[Operator]:
    """An operator with the whole configuration; what still runs after the test is killed."""
    operator = Operator(folder / "operator", cloud_config)
    try:
        yield operator
    finally:
        operator.leave()


@pytest.fixture
def proxied(sdk: Connection, cloud_config: dict[str, Any], folder: Path) -> Iterator[Proxied]:
    """A cloud of which every request is recorded and can be met by a fault."""
    with CloudProxy(endpoints(sdk)) as proxy:
        operator = Operator(folder / "proxied", behind(proxy, cloud_config))
        try:
            yield Proxied(proxy, operator)
        finally:
            operator.leave()


@pytest.fixture
def hasty(cloud_config: dict[str, Any]) -> None:
    """Make leases of this test short, so that what a killed process leaves is soon free."""
    cloud_config["limits"] |= {"lease": "3s", "grace": "5s"}
