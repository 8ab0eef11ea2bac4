"""A cloud whose first host is patched and rebooted by SSH, with monitoring and mail beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from maintenance import checks
from remote import running as remote_running
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
    "agents": {"command": ["agents-off"]},
    "flag": {"command": ["flag-on", "{host}"], "repeatable": True},
    "unflag": {"command": ["flag-off", "{host}"], "repeatable": True},
}
SETTINGS = {
    "patch": "patch",
    "reboot": "reboot",
    "expected_kernel": "kernel",
    "within": "30s",
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
    brakes: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    more: dict[str, Any] = field(default_factory=dict)

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
        """Have nova-compute be heard of on all hosts all the time, unless it is to be silent."""
        if not self.silent:
            self.heard += 1
            when = f"2026-01-02T00:{self.heard // 60:02}:{self.heard % 60:02}.000000"
            for host in self.fake.hypervisors:
                host.heard = when

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
            "brakes": self.brakes,
            "alertmanagers": [self.monitor.entry],
            "smtp_accounts": [self.mail.account()],
            "email": {"operators": "ops@example.org"},
            **self.more,
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


@contextmanager
def maintenance_house(folder: Path) -> Iterator[House]:
    """Give three hypervisors, two servers on the first, and everything that maintains them."""
    hosts = [Hypervisor(f"cmp-{number}") for number in (1, 2, 3)]
    with (
        FakeCloud(hosts, [Server("web-1"), Server("web-2")]) as fake,
        a_host() as host,
        SmtpServer() as mail,
        FakeAlertmanager() as monitor,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(remote_running, "_BETWEEN_LOOKS", 0.1)
        patch.setattr(checks, "_LOOK", 0.05)
        devices = fake.part(FakeDevices)
        devices.tables.flavors.append(SMALL)
        devices.network("only")
        fake.images.append(dict(IMAGE))
        house = House(fake, host, mail, monitor, folder)
        host.behaviour = house.obey
        fake.hooks.append(house.report)
        yield house
