"""hypervisor.maintain: the whole circle, parked wherever it goes wrong, gone on with from there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from maintenance import checks
from remote import running as remote_steps
from state.host_works import HostWorks
from state.store import Store
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_http import Request
from support.runs import Silent
from support.smtp_server import SmtpServer
from support.ssh_host import Command, Host, a_host, key_text
from support.state import sqlite_url
from workflow_api import Requester

SMALL = {"id": "1", "name": "small", "vcpus": 1, "ram": 512, "disk": 5}
IMAGE = {"id": "image-1", "name": "cirros", "status": "active", "visibility": "public"}
COMMANDS = {
    "patch": {"command": ["patch-host"]},
    "kernel": {"command": ["next-kernel"]},
    "reboot": {"command": ["reboot"], "reboots": True, "reboot_timeout": "20s"},
    "site": {"command": ["site-check"]},
}
SETTINGS = {
    "patch": "patch",
    "reboot": "reboot",
    "expected_kernel": "kernel",
    "within": "1s",
    "before": {"test": ["site"]},
}


@dataclass
class House:
    """A cloud of three hypervisors, a host behind SSH, and a server that takes mail."""

    fake: FakeCloud
    host: Host
    mail: SmtpServer
    monitor: FakeAlertmanager
    folder: Path
    fails: set[str] = field(default_factory=set)
    silent: bool = False
    heard: int = 0
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))

    def obey(self, command: Command) -> None:
        """Answer as the host: patched it has another kernel, which it runs after a reboot."""
        word = command.text.split()[0]
        if word in self.fails:
            command.complain(b"no space left\n")
            command.exit(3)
        elif word == "reboot":
            self.host.boot, self.host.kernel = "boot-2", "6.1.1"
            command.cut()
        else:
            command.say(b"6.1.1\n" if word == "next-kernel" else b"fine\n")
            command.exit()

    def report(self, request: Request) -> None:
        """Have the host's nova-compute be heard of now and then, unless it is silent."""
        if not self.silent:
            self.heard += 1
            self.first.heard = f"2026-01-02T00:{self.heard // 60:02}:{self.heard % 60:02}.000000"

    @property
    def config(self) -> dict[str, Any]:
        known = self.folder / "known_hosts"
        known.write_text(self.host.known_hosts())
        ssh = {
            "name": "hosts",
            "user": "ops",
            "port": self.host.port,
            "private_key": key_text(),
            "known_hosts": str(known),
            "address": "127.0.0.1",
        }
        return {
            **self.fake.config(state_url=sqlite_url(self.folder)),
            "ssh_accounts": [ssh],
            "ssh_commands": COMMANDS,
            "maintenance": self.settings,
            "alertmanagers": [self.monitor.entry],
            "smtp_accounts": [self.mail.account()],
            "email": {"operators": "ops@example.org"},
        }

    def ask(self, action: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
        who = Requester(user="ann", origin="test")
        return dispatch(action, parameters, self.config, requester=who, reporter=Silent())

    def maintain(self, **more: Any) -> tuple[str, dict[str, Any]]:
        asked = {"hypervisor": "cmp-1", "reason": "new kernel", "dry_run": False, **more}
        return self.ask("hypervisor.maintain", **asked)

    @property
    def first(self) -> Hypervisor:
        return self.fake.hypervisors[0]

    def works(self) -> list[str]:
        """Return the names of the hosts that are in work."""
        store = Store(sqlite_url(self.folder))
        try:
            subjects = [f"hypervisor:{host.id}" for host in self.fake.hypervisors]
            return [work.name for work in HostWorks(store).of(subjects, 0.0)]
        finally:
            store.close()

    def quiet(self) -> list[bool]:
        """Return of each silence whether it has not ended."""
        ends = [silence["endsAt"] for silence in self.monitor.silences.values()]
        now = datetime.now(timezone.utc)
        return [datetime.fromisoformat(end.replace("Z", "+00:00")) > now for end in ends]

    def subjects(self) -> list[str]:
        """Return the subjects of the mails that arrived."""
        parsed = [message_from_bytes(mail.data, policy=default) for mail in self.mail.accepted]
        return [str(mail["subject"]) for mail in parsed]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(remote_steps, "_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(checks, "_LOOK", 0.05)
    hosts = [Hypervisor(f"cmp-{number}") for number in (1, 2, 3)]
    with FakeCloud(hosts, [Server("web-1"), Server("web-2")]) as fake, a_host() as host:
        devices = fake.part(FakeDevices)
        devices.tables.flavors.append(SMALL)
        devices.network("only")
        fake.images.append(dict(IMAGE))
        with SmtpServer() as mail, FakeAlertmanager() as monitor:
            house = House(fake, host, mail, monitor, tmp_path)
            host.behaviour = house.obey
            fake.hooks.append(house.report)
            yield house


def test_a_host_goes_round_and_is_back(house: House) -> None:
    kind, result = house.maintain()
    assert kind == "done", result["text"]
    assert (house.first.status, house.works()) == ("enabled", [])
    assert {server.host for server in house.fake.servers} <= {"cmp-2", "cmp-3"}
    assert house.host.commands == ["patch-host", "next-kernel", "reboot", "site-check"]
    assert house.quiet() == [False]
    assert house.subjects() == ["cmp-1 of cloud fake, region one is back from maintenance"]


STAGES = ["patch-host", "reboot", "next-kernel", "site-check"]


@pytest.mark.long
@pytest.mark.parametrize("word", STAGES)
def test_what_fails_parks_it_and_it_goes_on_from_there(house: House, word: str) -> None:
    house.fails.add(word)
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "Maintain cmp-1: parked: " in result["summary"]
    assert house.first.status == "disabled"
    assert house.first.reason.startswith(f"parked by run {result['run']}: run ")
    assert "no space left" in house.first.reason
    assert house.works() == ["cmp-1"]
    assert house.quiet() == [True]
    assert house.subjects() == ["Maintenance of cmp-1 stopped"]
    before = len(house.host.commands)
    house.fails.clear()
    kind, again = house.ask("run.resume", run=result["run"])
    assert (kind, again["run"]) == ("done", result["run"]), again["text"]
    assert house.host.commands[before] == word
    assert (house.first.status, house.works()) == ("enabled", [])
    moved = [request for request in house.fake.changes if "os-migrateLive" in str(request.body)]
    assert len(moved) == 2
    assert len(house.subjects()) == 2


@pytest.mark.long
def test_the_same_failure_again_is_told_again(house: House) -> None:
    house.fails.add("patch-host")
    _, result = house.maintain()
    house.ask("run.resume", run=result["run"])
    assert house.subjects() == ["Maintenance of cmp-1 stopped"] * 2
    house.ask("run.cancel", run=result["run"])
    assert (house.first.status, house.works()) == ("disabled", ["cmp-1"])
    assert len(house.subjects()) == 2


@pytest.mark.long
def test_another_kernel_than_the_one_to_be_booted_parks_it(house: House) -> None:
    house.host.behaviour = lambda command: (
        (command.say(b"6.2.0\n"), command.exit())  # type: ignore[func-returns-value]
        if command.text == "next-kernel"
        else house.obey(command)
    )
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "cmp-1 runs kernel 6.1.1, and 6.2.0 was expected" in result["summary"]
    assert house.first.status == "disabled"


@pytest.mark.long
def test_services_that_do_not_report_anew_park_it(house: House) -> None:
    house.silent = True
    kind, result = house.maintain()
    assert kind == "interrupted"
    assert "cmp-1 is not whole after 1s: not heard of: nova-compute" in result["summary"]
    assert house.first.status == "disabled"


def test_stages_are_left_out_and_nothing_is_begun_by_a_dry_run(house: House) -> None:
    skip = ["patch", "reboot", "test"]
    kind, result = house.maintain(skip=skip, dry_run=True)
    assert kind == "done"
    assert house.fake.changes == []
    assert house.host.commands == []
    assert [entry["what"] for entry in result["skipped"]][-3:] == skip
    kind, _ = house.ask("run.apply", run=result["run"])
    assert kind == "done"
    assert house.host.commands == ["site-check"]
    assert house.first.status == "enabled"


@pytest.mark.long
def test_a_second_host_is_held_up_by_the_brakes(house: House) -> None:
    house.fails.add("patch-host")
    house.maintain()
    kind, result = house.maintain(hypervisor="cmp-2")
    assert kind == "refused"
    assert "2 of 3 hosts would be down or in work (cmp-1 in work by run" in result["summary"]
    assert "past_brakes=true" in result["summary"]
    kind, result = house.maintain(hypervisor="cmp-2", past_brakes=True, dry_run=True)
    assert kind == "done"
    assert "Past the brakes: 2 of 3 hosts would be" in result["text"]


def test_what_is_wrong_with_the_configuration_is_told_at_once(house: House) -> None:
    house.settings = {**SETTINGS, "patch": "patsch", "before": {"drain": ["sight"]}}
    kind, result = house.maintain()
    assert kind == "refused"
    for word in ("patsch", "patch", "sight", "site"):
        assert word in result["summary"]
    assert house.fake.changes == []


@pytest.mark.long
def test_it_waits_for_its_time_outside_any_process(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, result = house.maintain(start="2h")
    assert kind == "interrupted"
    assert "paused" in result["summary"]
    assert house.fake.changes == []
    assert house.works() == []
    later, real = 7300.0, time.time
    monkeypatch.setattr("time.time", lambda: real() + later)
    kind, result = house.ask("run.resume_due")
    assert kind == "done", result["text"]
    assert house.first.status == "enabled"
