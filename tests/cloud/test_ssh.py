"""Commands on hosts behind OpenSSH's own server: arguments, reboots, cut sessions, killed runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.ssh import SshAccount
from devcloud import faults, power
from devcloud.settings import Settings
from ssh_api.boots import boot
from ssh_api.sessions import session
from support.cloud_operator import Ended, Operator
from support.cloud_site import Site


@pytest.fixture(autouse=True)
def all_on(ssh_hosts: Settings) -> Iterator[None]:
    """Leave every host on, without faults."""
    yield
    faults.clear()


@pytest.fixture
def ops(operator: Operator, folder: Path) -> Operator:
    """An operator with commands that leave marks, which can be counted."""
    marks = str(folder / "marks")
    operator.config["ssh_commands"] |= {
        "work": {
            "command": ["sh", "-c", 'echo "$1" >> "$2"; sleep "$3"', "sh", "{host}", marks, "{s}"]
        },
        "harmless": {
            "command": ["sh", "-c", 'echo "$1" >> "$2"; sleep 5', "sh", "{host}", marks],
            "repeatable": True,
        },
        "hang": {"command": ["sleep", "{s}"], "timeout": "2s"},
    }
    return operator


def marks(folder: Path) -> list[str]:
    path = folder / "marks"
    return path.read_text().split() if path.exists() else []


def on(*hosts: str) -> str:
    return f"name any_in ({', '.join(hosts)})"


def step(ended: Ended, host: str) -> dict[str, Any]:
    (row,) = (row for row in ended.result["rows"] if row["what"].endswith(f" on {host}"))
    return dict(row)


def settled(operator: Operator, run: str, key: str) -> None:
    operator.done("run.settle", run=run, step=key, **{"as": "done"}, reason="looked at the host")


HOSTILE = [
    "$(touch /tmp/owned)",
    "`id`; touch /tmp/owned",
    "a\nb",
    "\\",
    '"',
    "* ~ {a,b} #",
    "-n",
    "\u00fc",
]


def test_hostile_values_arrive_as_they_are(ops: Operator, site: Site) -> None:
    values = {f"v{number}": value for number, value in enumerate(HOSTILE)}
    words = [f"{{{name}}}" for name in values]
    ops.config["ssh_commands"]["show"] = {"command": ["printf", "<%s>", "--", *words, "{host}"]}
    given = "; ".join(f"{name}='{value}'" for name, value in values.items())
    ended = ops.done("ssh.run", command="show", where=on(site.source), parameters=given)
    # printf takes the -- for one more text.
    said = "".join(f"<{value}>" for value in ("--", *HOSTILE, site.source))
    assert step(ended, site.source)["output"] == said
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa", "encrypted"])
def test_each_key_logs_in_at_the_real_server(
    cloud_config: dict[str, Any], ssh_hosts: Settings, kind: str
) -> None:
    entry = {**cloud_config["ssh_accounts"][0], "key_file": f"{ssh_hosts.var}/ssh/key_{kind}"}
    if kind == "encrypted":
        entry["passphrase"] = ssh_hosts.passwords["service"]
    account = SshAccount.from_config(load({"ssh_accounts": [entry]}), None)
    with session(account, account.address("cmp-4")) as opened:
        assert boot(account, opened).id == power.boot_id("cmp-4")


def test_a_host_is_reached_over_a_jump_host(
    cloud_config: dict[str, Any], ssh_hosts: Settings
) -> None:
    entry = {**cloud_config["ssh_accounts"][0], "jump_host": "127.0.0.1"}
    account = SshAccount.from_config(load({"ssh_accounts": [entry]}), None)
    log = ssh_hosts.log / "sshd.log"
    before = log.stat().st_size
    with session(account, account.address("cmp-4")) as opened:
        assert boot(account, opened).id == power.boot_id("cmp-4")
    assert "Accepted publickey" in log.read_bytes()[before:].decode()


def test_an_unknown_host_is_sent_nothing(ops: Operator, site: Site, folder: Path) -> None:
    (folder / "nobody").touch()
    ops.config["ssh_accounts"][0] |= {"known_hosts": str(folder / "nobody")}
    ended = ops.run("ssh.run", command="work", where=on(site.source), parameters="s=0")
    assert ended.kind == "failed"
    assert "has a key that is not known: ssh-ed25519 SHA256:" in ended.summary
    assert marks(folder) == []


def test_a_patched_host_that_reboots_is_done_when_it_is_back(ops: Operator, site: Site) -> None:
    host, before = site.source, power.boot_id(site.source)
    kernel = power.kernel(host)
    compute = compute_pid(host)
    ended = ops.done("ssh.run", command="patch_and_reboot", where=on(host))
    row = step(ended, host)
    assert power.boot_id(host) == row["boot"] != before
    assert power.kernel(host) == row["kernel"] != kernel == row["kernel_before"]
    assert f"{host} has rebooted (kernel {kernel}, now {row['kernel']})" in row["said"]
    assert compute_pid(host) not in (None, compute)
    assert "patching (all)" in "\n".join(ended.lines)


def test_a_failed_patch_says_why_and_reboots_nothing(ops: Operator, site: Site) -> None:
    before = power.boot_id(site.source)
    power.set_knobs(site.source, patch_fails=True)
    ended = ops.run("ssh.run", command="patch_and_reboot", where=on(site.source))
    assert ended.kind == "failed"
    assert "ended with 100" in ended.summary
    assert "unmet dependencies" in ended.summary
    assert power.boot_id(site.source) == before


def test_hosts_are_worked_on_at_most_so_many_at_once(
    ops: Operator, site: Site, folder: Path, ssh_hosts: Settings
) -> None:
    hosts = ssh_hosts.compute_hosts
    began = time.monotonic()
    ended = ops.done("ssh.run", command="work", where=on(*hosts), parameters="s=2", max_parallel=2)
    assert time.monotonic() - began > 2 * (len(hosts) - 1) // 2
    assert sorted(marks(folder)) == hosts
    assert [step(ended, host)["state"] for host in hosts] == ["done"] * len(hosts)


def test_a_session_that_a_reboot_cuts_is_unknown_and_not_repeated(
    ops: Operator, site: Site, folder: Path
) -> None:
    """The command was not to reboot its host: whether it had done its work, nobody knows."""
    started = ops.start("ssh.run", command="work", where=on(site.source), parameters="s=60")
    wait_for_marks(folder, 1)
    power.switch(site.source, "reboot")
    ended = started.end()
    assert ended.kind in ("failed", "interrupted"), ended
    assert "It is not run again" in ended.text
    assert step(ended, site.source)["state"] == "unknown"
    again = ops.run("run.resume", run=ended.run)
    assert again.kind != "done"
    assert "has rebooted since" in again.text
    assert marks(folder) == [site.source]
    settled(ops, ended.run, step(ended, site.source)["step"])
    assert ops.done("run.resume", run=ended.run)
    assert marks(folder) == [site.source]


@pytest.mark.usefixtures("hasty")
def test_a_killed_run_does_not_repeat_what_it_began(
    ops: Operator, site: Site, folder: Path
) -> None:
    started = ops.start("ssh.run", command="work", where=on(site.source), parameters="s=3")
    run = started.run
    wait_for_marks(folder, 1)
    assert started.kill()
    time.sleep(4)
    ended = ops.run("run.resume", run=run)
    assert "Nobody saw how work ended" in ended.text, ended
    assert marks(folder) == [site.source]


@pytest.mark.usefixtures("hasty")
def test_a_killed_run_repeats_what_does_no_harm(ops: Operator, site: Site, folder: Path) -> None:
    started = ops.start("ssh.run", command="harmless", where=on(site.source))
    run = started.run
    wait_for_marks(folder, 1)
    assert started.kill()
    time.sleep(4)
    assert ops.done("run.resume", run=run)
    assert marks(folder) == [site.source] * 2


@pytest.mark.usefixtures("hasty")
def test_a_run_that_is_killed_while_a_host_reboots_knows_that_it_has(
    ops: Operator, site: Site
) -> None:
    before = power.boot_id(site.source)
    power.set_knobs(site.source, down_seconds=6)
    started = ops.start("ssh.run", command="reboot", where=on(site.source))
    run = started.run
    started.wait_line("waiting until it is back")
    assert started.kill()
    time.sleep(4)
    ended = ops.done("run.resume", run=run)
    after = power.boot_id(site.source)
    assert after == step(ended, site.source)["boot"] != before


def test_a_hanging_command_is_ended_on_its_host(ops: Operator, site: Site) -> None:
    ended = ops.run("ssh.run", command="hang", where=on(site.source), parameters="s=4711")
    assert ended.kind == "failed"
    assert "its time was up, and it was ended" in ended.summary
    assert running("sleep 4711") == []


def test_a_run_that_is_stopped_ends_its_command(ops: Operator, site: Site, folder: Path) -> None:
    ops.config["limits"] |= {"grace": "1s"}
    started = ops.start("ssh.run", command="work", where=on(site.source), parameters="s=4712")
    wait_for_marks(folder, 1)
    assert running("sleep 4712")
    ops.run("run.cancel", run=started.run)
    ended = started.end()
    assert ended.kind != "done"
    assert step(ended, site.source)["state"] == "unknown"
    assert running("sleep 4712") == []
    assert marks(folder) == [site.source]


def wait_for_marks(folder: Path, number: int) -> None:
    until = time.monotonic() + 60
    while len(marks(folder)) < number:
        assert time.monotonic() < until, "it has not begun"
        time.sleep(0.05)


def running(command: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", "-x", command], capture_output=True, text=True)
    return found.stdout.split()


def compute_pid(host: str) -> int | None:
    _, _, process = faults._compute(host)
    return process.pid()
