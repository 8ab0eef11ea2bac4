"""SSH over a network that is slow, cut or silent, to hosts of other keys, and to much output."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.ssh import SshAccount
from devcloud import machines
from devcloud.settings import Settings
from ssh_api.arguments import filled
from ssh_api.running import run
from ssh_api.sessions import session
from support.cloud_operator import Operator, Started
from support.cloud_site import Site, until
from support.slow_wire import Wire
from support.ssh import HOSTILE

LINE = "x" * 999
MUCH = 100_000_000
#: What a process of ours takes at most, in KiB: far less than the output.
LITTLE = 90 * 1024


class Hosts:
    """Hosts as an operator reaches them, and what was done there."""

    def __init__(self, ops: Operator, site: Site, settings: Settings, folder: Path) -> None:
        self.ops, self.site, self._settings, self._folder = ops, site, settings, folder
        self._ends = ExitStack()

    def over(self, **how: float) -> Wire:
        """Reach the first host over a wire of its own; return that."""
        entry = self.ops.config["ssh_accounts"][0]
        address = machines.address(self._settings, self.site.source)
        wire = self._ends.enter_context(Wire(address, entry["port"], **how))
        known = self._known()
        own = [line.split(maxsplit=1)[1] for line in known if line.startswith(f"[{address}]")]
        addresses = {self.site.source: "127.0.0.1"}
        self.knows("".join(f"[127.0.0.1]:{wire.port} {key}" for key in own))
        entry |= {"port": wire.port, "addresses": addresses}
        return wire

    def swap_keys(self) -> tuple[str, str]:
        """Let the first host be known by the keys of the other; return what both begin with."""
        at, other = (
            machines.address(self._settings, host) for host in (self.site.source, self.site.other)
        )
        lines = [line for line in self._known() if line.startswith((f"[{at}]", f"[{other}]"))]
        self.knows("".join(line.replace(other, at) for line in lines if other in line))
        return at, other

    def knows(self, text: str) -> None:
        """Have the account know these keys alone."""
        path = self._folder / "known_hosts"
        path.write_text(text)
        self.ops.config["ssh_accounts"][0]["known_hosts"] = str(path)

    def start(self, command: str, **more: Any) -> Started:
        return self.ops.start(
            "ssh.run", command=command, where=f"name = {self.site.source}", **more
        )

    def marks(self) -> int:
        """Return how often a command has left its mark."""
        path = self._folder / "marks"
        return len(path.read_text().split()) if path.exists() else 0

    def close(self) -> None:
        self._ends.close()

    def _known(self) -> list[str]:
        return (self._settings.var / "ssh" / "known_hosts").read_text().splitlines(keepends=True)


@pytest.fixture
def hosts(operator: Operator, site: Site, ssh_hosts: Settings, folder: Path) -> Iterator[Hosts]:
    marks = str(folder / "marks")
    much = f"yes {LINE} | head -c {MUCH}"
    operator.config["ssh_commands"] |= {
        "work": {"command": ["sh", "-c", f"echo 1 >> {marks}; echo grün; sleep 2; echo done"]},
        "hang": {"command": ["sh", "-c", f"echo 1 >> {marks}; sleep 60"], "timeout": "4s"},
        "much": {"command": ["sh", "-c", much], "timeout": "5m"},
    }
    hosts = Hosts(operator, site, ssh_hosts, folder)
    yield hosts
    hosts.close()


def test_a_slow_network_takes_longer_and_no_more(hosts: Hosts) -> None:
    """A quarter of a second each way, and eight KiB a second."""
    wire = hosts.over(latency=0.25, rate=8192)
    ended = hosts.start("work").end()
    assert ended.kind == "done", ended
    (row,) = ended.result["rows"]
    assert row["output"] == "grün\ndone"
    assert hosts.marks() == 1
    assert wire.passed > 2000


def test_a_network_slower_than_the_time_to_connect(hosts: Hosts) -> None:
    hosts.ops.config["ssh_accounts"][0]["connect_timeout"] = "2s"
    hosts.over(latency=1.5)
    ended = hosts.start("work").end()
    assert ended.kind == "failed", ended
    assert re.search("does not speak SSH as it should|did not agree on keys in time", ended.text)
    assert hosts.marks() == 0


def test_a_session_that_the_network_cuts_is_not_repeated(hosts: Hosts) -> None:
    wire = hosts.over()
    started = hosts.start("work")
    until(hosts.marks, "it has begun")
    wire.cut()
    ended = started.end()
    assert ended.kind in ("failed", "interrupted"), ended
    assert "It is not run again" in ended.text
    again = hosts.ops.run("run.resume", run=ended.run)
    assert again.kind != "done", again
    assert "which has not rebooted since" in again.text
    assert hosts.marks() == 1


@pytest.mark.long
def test_a_network_that_falls_silent_is_waited_for_as_long_as_the_command(hosts: Hosts) -> None:
    wire = hosts.over()
    started = hosts.start("hang")
    until(hosts.marks, "it has begun")
    wire.fall_silent()
    ended = started.end()
    assert ended.kind in ("failed", "interrupted"), ended
    assert "It is not run again" in ended.text
    assert [row["state"] for row in ended.result["rows"]] == ["unknown"]
    assert hosts.marks() == 1


def test_a_host_with_another_key_is_sent_nothing(hosts: Hosts) -> None:
    hosts.swap_keys()
    ended = hosts.start("work").end()
    assert ended.kind == "failed", ended
    assert "has another key than it should: ssh-ed25519 SHA256:" in ended.summary
    assert "somebody may stand in its place" in ended.text
    assert len(set(re.findall(r"SHA256:[A-Za-z0-9+/]{43}", ended.text))) >= 2
    assert hosts.marks() == 0


def test_a_hundred_megabytes_are_neither_kept_nor_held_in_memory(hosts: Hosts) -> None:
    started = hosts.start("much")
    peak = 0
    while started.is_running:
        peak = max(peak, resident(started.process.pid))
        time.sleep(0.05)
    ended = started.end()
    assert ended.kind == "done", ended
    (row,) = ended.result["rows"]
    assert len(row["output"]) < 200_000
    assert "left out" in row["output"]
    assert peak < resident_of_nothing(hosts) + LITTLE


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_hosts_are_data(
    cloud_config: dict[str, Any], ssh_hosts: Settings, text: str
) -> None:
    account = SshAccount.from_config(load(cloud_config), None)
    words = filled("show", ["printf", "<%s>", "{host}", "a {host} b"], {"host": text})
    with session(account, account.address("cmp-4")) as opened:
        ended = run(opened, words, timeout=20)
    assert ended.output == f"<{text}><a {text} b>"
    assert not Path.home().joinpath("owned").exists()


def resident(pid: int) -> int:
    """Return the most memory that a process has had, in KiB; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) if found else 0


def resident_of_nothing(hosts: Hosts) -> int:
    """Return the most memory that a run of a command without output has had, in KiB."""
    started, peak = hosts.start("uptime"), 0
    while started.is_running:
        peak = max(peak, resident(started.process.pid))
        time.sleep(0.02)
    assert started.end().kind == "done"
    return peak
