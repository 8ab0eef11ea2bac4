"""Whatever is given for whichever parameter of whichever action, there is an answer to it."""

from __future__ import annotations

import json
import os
import random
import signal
import types
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.dispatch import dispatch
from examples import all_examples, example
from support.action_files import NAMES
from support.example_servers import example_servers
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Project
from support.fake_cloud_http import Answer, Request
from support.fake_icinga import FakeIcinga, Thing
from support.hostile import VALUES, calls, parameters_of
from support.runs import Silent, folder, new_state
from support.ssh import SSH_CONFIG

pytestmark = pytest.mark.usefixtures("versions_asked_once")

# Seconds for one call, which takes a few milliseconds on a machine with nothing else to do.
PATIENCE = 20
NIL = str(uuid.UUID(int=0))
# How many of the values each parameter is given where not all of them are.
SOME = 2
# And the actions that are given some every day.
SAMPLE = sorted(random.Random(len(NAMES)).sample(sorted(NAMES), len(NAMES) // 4))


def test_there_is_much_to_try() -> None:
    assert len(VALUES) == 30
    assert sorted(all_examples()) == NAMES, "an action that nobody describes, or that is gone"


def test_some_of_the_values_are_all_of_them_in_all() -> None:
    tried = [(kind, parameter) for name in NAMES for parameter, kind, _ in calls(name, SOME)]
    assert {kind for kind, _ in tried} == set(VALUES)
    assert len(tried) == SOME * sum(len(parameters_of(name)) for name in NAMES)


@pytest.fixture(scope="module")
def cloud() -> Iterator[FakeCloud]:
    """A cloud with little in it, which is logged in to once."""
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
    with FakeCloud(hosts, example_servers(), projects=[Project("shop")]) as fake:
        fake.services |= {"network": "/network", "block-storage": "/volume/v3"}
        # Services with nothing in them, whatever of them is listed.
        for place in ("compute/v2.1", "network/v2.0", "volume/v3", "identity/v3", "image/v2"):
            fake.route(f"GET /{place}/([^/]+)(?:/detail)?", nothing)
        fake.images.append({"id": "image-1", "name": "debian-12", "status": "active"})
        yield fake


def nothing(request: Request) -> Answer:
    return Answer({request.parts[0].replace("-", "_").removeprefix("os_"): []})


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[FakeAlertmanager]:
    """An Alertmanager with the silence of the examples."""
    with FakeAlertmanager() as fake:
        fake.silence(id=example("silence.expire")["silence"])
        yield fake


@pytest.fixture(scope="module")
def icinga() -> Iterator[FakeIcinga]:
    """An Icinga that watches the hypervisors."""
    with FakeIcinga([Thing("cmp-1"), Thing("cmp-1", "nova"), Thing("cmp-2", state=1)]) as fake:
        yield fake


@pytest.fixture(scope="module")
def config(cloud: FakeCloud, alertmanager: FakeAlertmanager, icinga: FakeIcinga) -> dict[str, Any]:
    """A configuration with these and an account that sends nothing anywhere."""
    place = folder()
    account = {"name": "mail", "host": "127.0.0.1", "port": 9, "security": "none"}
    return {
        "clouds": [cloud.entry(), {**cloud.entry(), "name": "staging"}],
        "default_cloud": "fake",
        "state_url": new_state(place / "state.db"),
        "smtp_accounts": [{**account, "sender": "cloud@example.org"}],
        "alertmanagers": [alertmanager.entry],
        "icingas": [icinga.entry()],
        **SSH_CONFIG,
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, SOME) for name in SAMPLE),
        *(pytest.param(name, len(VALUES), marks=pytest.mark.long) for name in NAMES),
    ],
)
def test_every_value_is_answered(
    name: str,
    values: int,
    cloud: FakeCloud,
    alertmanager: FakeAlertmanager,
    icinga: FakeIcinga,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(os.path.dirname(config["state_url"].removeprefix("sqlite:///")))
    cloud.requests.clear()
    alertmanager.requests.clear()
    icinga.requests.clear()
    wrong = []
    for parameter, kind, call in calls(name, values):
        with within(PATIENCE, f"{parameter}: {kind}"):
            ended, result = dispatch(name, call, config, reporter=Silent())
        told = json.dumps(result, allow_nan=False)
        assert ([*result][:2], [*result][-1]) == (["summary", "text"], "rows")
        assert len(result["summary"]) <= 2000, f"{parameter}: {kind}: nobody reads that"
        if "Internal error" in told or ended == "interrupted":
            wrong.append(f"{parameter}: {kind}: {result['summary']:.300}")
    assert (wrong, changes_sent(cloud), changes_of(alertmanager)) == ([], [], [])
    assert icinga.changes == []


def changes_sent(cloud: FakeCloud) -> list[str]:
    return [
        request.line
        for request in cloud.requests
        if not request.is_question
        # How cloud.check asks whether it may: this changes nothing on any cloud.
        and NIL not in request.line
    ]


def changes_of(alertmanager: FakeAlertmanager) -> list[str]:
    # cloud.check asks for its right by a silence that is none.
    return [request.line for request in alertmanager.changes if request.body != {}]


@contextmanager
def within(seconds: int, what: str) -> Iterator[None]:
    """Fail, and say where it stands, if the block takes longer."""

    def late(number: int, frame: types.FrameType | None) -> None:
        raise AssertionError(f"{what}: no answer after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
