"""What sites put around the stages of maintenance: commands, webhooks, and flags for the work."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.webhook import Webhook
from maintenance.site_plan import wrong
from support.fake_cloud_http import Answer, Web
from support.fake_cloud_runs import tracing_as
from support.maintenance_house import COMMANDS, House, maintenance_house
from webhook_api.deliveries import DELIVERY, SIGNATURE, deliver

SECRET = "correct horse battery"
FLAG = {"set": "flag", "unset": "unflag"}
SHORT = ["test", "silence", "unsilence", "tell", "reboot"]


class Hook(Web):
    """A web server that takes deliveries; use it as a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self.route("POST /hook", lambda request: Answer({"taken": True}, 202))

    def __enter__(self) -> Hook:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def entry(self) -> dict[str, Any]:
        return {"name": "site", "url": f"{self.origin}/hook", "secret": SECRET}

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """Return of each delivery the host, when, and the stage."""
        bodies = [request.body for request in self.requests]
        return [(body["host"], body["when"], body["stage"]) for body in bodies]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as hook:
        yield hook


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with maintenance_house(tmp_path) as house:
        house.settings = {"patch": "patch", "within": "30s"}
        yield house


# -- deliveries --------------------------------------------------------------------------------


def test_a_delivery_is_json_with_its_id_and_is_signed(hook: Hook) -> None:
    config = load({"webhooks": [hook.entry]})
    raw: list[bytes] = []
    hook.hooks.append(lambda request: raw.append(json.dumps(request.body, sort_keys=True).encode()))
    hostile = 'cmp-1"\r\nX-Evil: 1\u2028<script>'
    with tracing_as("step"):
        webhook = Webhook.from_config(config, "site")
        deliver(webhook, "id-1", {"host": hostile, "stage": "drain"}, "telling it")
    (request,) = hook.requests
    assert request.body == {"id": "id-1", "host": hostile, "stage": "drain"}
    signed = hmac.new(SECRET.encode(), raw[0], hashlib.sha256).hexdigest()
    assert request.headers[SIGNATURE.lower()] == f"sha256={signed}"
    assert request.headers[DELIVERY.lower()] == "id-1"
    assert request.headers["content-type"] == "application/json"
    assert "x-evil" not in request.headers


def test_one_without_a_secret_is_not_signed(hook: Hook) -> None:
    entry = {"name": "site", "url": f"{hook.origin}/hook"}
    with tracing_as("step"):
        deliver(Webhook.from_config(load({"webhooks": [entry]}), "site"), "1", {}, "telling it")
    assert SIGNATURE.lower() not in hook.requests[0].headers


# -- what cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"after": {"drain": ["webhook:nowhere"]}}, "There is no webhook 'nowhere'"),
        ({"after": {"drain": ["sight"]}}, "There is no SSH command 'sight'"),
        ({"agents": "nobody"}, "There is no SSH command 'nobody'"),
        ({"around": [{**FLAG, "unset": "site"}]}, "command site of maintenance.around has to be"),
        ({"around": [{**FLAG, "set": "reboot"}]}, "command reboot of maintenance.around has to"),
        ({"around": [{**FLAG, "before": "test"}]}, "set before test, which comes later than wait"),
        ({"reboot": "patch"}, "patch is to reboot and has no reboots: true"),
        ({"around": [FLAG], "agents": "webhook:site", "before": {"agents": ["site"]}}, ""),
    ],
)
def test_what_is_wrong_with_them(settings: dict[str, Any], said: str) -> None:
    entry = {"name": "site", "url": "https://hooks.example.org"}
    config = load({"maintenance": settings, "ssh_commands": COMMANDS, "webhooks": [entry]})
    found = wrong(config)
    assert bool(found) == bool(said)
    assert said in "".join(found)


# -- in the circle -----------------------------------------------------------------------------


@pytest.mark.long
def test_a_dry_run_shows_them_where_they_stand(house: House, hook: Hook) -> None:
    house.more = {"webhooks": [hook.entry]}
    house.settings |= {
        "agents": "agents",
        "around": [FLAG],
        "before": {"patch": ["webhook:site"]},
        "after": {"wait": ["site"]},
    }
    kind, result = house.maintain(dry_run=True, skip=SHORT)
    assert kind == "done", result["text"]
    at = [
        result["text"].index(part)
        for part in (
            "run agents on cmp-1",
            "run hypervisor.drain",
            "tell webhook site that cmp-1 is before patch",
            "run flag for cmp-1 until the work is over, and then unflag",
            "run patch on cmp-1",
            "wait until nova-compute",
            "run unflag on cmp-1",
            "run site on cmp-1",
            "enable",
        )
    ]
    assert at == sorted(at)
    assert (hook.requests, house.host.commands) == ([], [])


@pytest.mark.long
def test_they_are_done_in_the_circle(house: House, hook: Hook) -> None:
    house.more = {"webhooks": [hook.entry]}
    house.settings |= {
        "agents": "agents",
        "around": [FLAG],
        "before": {"drain": ["webhook:site"]},
        "after": {"enable": ["webhook:site"]},
    }
    kind, result = house.maintain(skip=SHORT)
    assert kind == "done", result["text"]
    assert house.host.commands == ["agents-off", "flag-on cmp-1", "patch-host", "flag-off cmp-1"]
    assert hook.told == [("cmp-1", "before", "drain"), ("cmp-1", "after", "enable")]
    ids = {request.body["id"] for request in hook.requests}
    assert len(ids) == 2
    assert {request.body["run"] for request in hook.requests} == {result["run"]}


@pytest.mark.long
def test_a_webhook_that_fails_parks_it_and_is_told_again(house: House, hook: Hook) -> None:
    house.more = {"webhooks": [hook.entry]}
    house.settings |= {"before": {"patch": ["webhook:site"]}}
    hook.fail("POST /hook", 500, times=float("inf"))
    _, result = house.maintain(skip=SHORT)
    assert "Maintain cmp-1: parked" in result["summary"]
    assert house.first.status == "disabled"
    assert len({request.body["id"] for request in hook.requests}) == 1
    hook.faults.clear()
    kind, result = house.ask("run.resume", run=result["run"])
    assert kind == "done", result["text"]
    assert len({request.body["id"] for request in hook.requests}) == 1
    assert house.host.commands == ["patch-host"]


@pytest.mark.long
def test_a_flag_is_unset_when_it_parks_and_set_again(house: House) -> None:
    house.settings |= {"around": [FLAG]}
    house.fails.add("patch-host")
    _, result = house.maintain(skip=SHORT)
    assert house.host.commands == ["flag-on cmp-1", "patch-host", "flag-off cmp-1"]
    house.fails.clear()
    kind, _ = house.ask("run.resume", run=result["run"])
    assert kind == "done"
    assert house.host.commands[3:] == ["flag-on cmp-1", "patch-host", "flag-off cmp-1"]


@pytest.mark.long
def test_a_flag_that_the_work_has_gone_past_is_left_as_it_is(house: House) -> None:
    house.settings |= {"around": [FLAG], "after": {"enable": ["site"]}}
    house.fails.add("site-check")
    _, result = house.maintain(skip=SHORT)
    assert house.host.commands == ["flag-on cmp-1", "patch-host", "flag-off cmp-1", "site-check"]
    house.fails.clear()
    kind, _ = house.ask("run.resume", run=result["run"])
    assert kind == "done"
    assert house.host.commands[4:] == ["site-check"]


@pytest.mark.long
def test_a_run_that_is_given_up_leaves_no_flag(house: House) -> None:
    house.settings |= {"around": [FLAG]}
    house.fails |= {"patch-host"}
    _, result = house.maintain(skip=SHORT)
    house.ask("run.cancel", run=result["run"])
    assert house.host.commands == ["flag-on cmp-1", "patch-host", "flag-off cmp-1"]
