"""Named commands as steps: once each, told as unknown where nobody saw the end, reboots known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.ssh import SshAccount
from common.errors import CloudError, NotFound, StepFailed, UnknownOutcome, UserError
from remote import running, steps
from remote.commands import shown, step_data
from ssh_api.known_hosts import UntrustedHost
from support.fake_cloud_runs import FakeAttempt
from support.ssh_host import Behaviour, Command, Host, a_host, account, key, key_text
from workflow_api.step import definition_of


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with a_host() as host:
        yield host


@pytest.fixture(autouse=True)
def as_it_was(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(running, "_LEAST_LOOK", 0.1)
    host.boot, host.kernel, host.refuses = "boot-1", "6.1.0", False
    host.commands.clear()


@pytest.fixture
def attempt() -> FakeAttempt:
    return FakeAttempt()


@pytest.fixture
def ssh(host: Host, tmp_path: Path) -> SshAccount:
    return account(host, tmp_path)


Data = Callable[..., dict[str, Any]]


@pytest.fixture
def data() -> Data:
    def made(**how: Any) -> dict[str, Any]:
        return {
            "host": "id-1",
            "name": "cmp-1",
            "address": "127.0.0.1",
            "known_as": ["cmp-1"],
            "command": "patch",
            "words": ["patch-host", "--level=all; reboot"],
            "timeout": 10.0,
            "repeatable": False,
            "reboots": False,
            "reboot_timeout": 10.0,
            **how,
        }

    return made


def do(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, given: dict[str, Any], as_: Behaviour
) -> Any:
    host.behaviour = as_
    return steps.run_command(attempt, ssh, **given)


def find(attempt: FakeAttempt, ssh: SshAccount, given: dict[str, Any]) -> Any:
    known = definition_of(steps.run_command)
    assert known.find is not None
    return known.call(known.find, attempt, {"ssh": ssh}, given)


def reboots(kernel: str = "6.1.0", status: int | None = None) -> Behaviour:
    """Return what reboots a host: it cuts the session, and has another boot id then."""

    def behaviour(command: Command) -> None:
        if status is not None:
            command.exit(status)
        command.host.boot, command.host.kernel = "boot-2", kernel
        command.cut()

    return behaviour


@pytest.mark.long
def test_what_ends_well_is_done_with_its_output(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    def behaviour(command: Command) -> None:
        command.say(b"\x1b[31mpatching\x1b[0m\n42 packages\n")
        command.exit()

    done = do(host, attempt, ssh, data(), behaviour)
    assert host.commands == ["patch-host '--level=all; reboot'"]
    assert done["output"] == "patching\n42 packages"
    assert (done["status"], done["host"]) == (0, "cmp-1")
    assert done["said"].startswith("cmp-1: it ended with 0 in ")
    assert done["said"].endswith(": 42 packages")
    assert attempt.said == ["cmp-1: patching", "cmp-1: 42 packages"]


@pytest.mark.long
def test_what_ends_badly_has_failed_and_says_why(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    def behaviour(command: Command) -> None:
        command.complain(b"no space left\n")
        command.exit(28)

    with pytest.raises(StepFailed, match=r"patch failed on cmp-1: it ended with 28: no space left"):
        do(host, attempt, ssh, data(), behaviour)


@pytest.mark.long
def test_a_signal_is_a_failure(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    with pytest.raises(StepFailed, match="ended by the signal KILL"):
        do(host, attempt, ssh, data(), lambda command: command.die("KILL"))


@pytest.mark.long
def test_a_cut_session_is_unknown_and_not_repeated(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    with pytest.raises(UnknownOutcome, match="patch was running on cmp-1 when the session was cut"):
        do(host, attempt, ssh, data(), Command.cut)
    with pytest.raises(UnknownOutcome, match=r"has not rebooted since\. It is not run again"):
        find(attempt, ssh, data())
    host.boot = "boot-2"
    with pytest.raises(UnknownOutcome, match=r"has rebooted since\. It is not run again"):
        find(attempt, ssh, data())
    assert len(host.commands) == 1


@pytest.mark.long
def test_what_may_be_repeated_is_repeated(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    given = data(repeatable=True)
    with pytest.raises(UnknownOutcome):
        do(host, attempt, ssh, given, Command.cut)
    assert find(attempt, ssh, given) is None


def test_what_was_never_sent_may_be_sent(attempt: FakeAttempt, ssh: SshAccount, data: Data) -> None:
    assert find(attempt, ssh, data()) is None


def test_what_is_sent_is_noted_before(host: Host, ssh: SshAccount, data: Data) -> None:
    class Attempt(FakeAttempt):
        def sending(self) -> None:
            assert self.notes["boot"] == "boot-1"
            assert self.notes["sent"] <= time.time()
            raise UserError("the lease is lost")

    with pytest.raises(UserError, match="lease"):
        do(host, Attempt(), ssh, data(), Command.exit)
    assert host.commands == []


@pytest.mark.long
@pytest.mark.parametrize("status", [None, 0, 143])
def test_a_cut_session_of_a_reboot_is_a_reboot(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data, status: int | None
) -> None:
    done = do(host, attempt, ssh, data(reboots=True), reboots("6.2.0", status))
    assert done["said"] == "cmp-1 has rebooted (kernel 6.1.0, now 6.2.0)"
    assert (done["boot"], done["kernel"]) == ("boot-2", "6.2.0")


@pytest.mark.long
def test_a_reboot_is_waited_for(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    """It refuses commands while it comes up, as a host does that is not all there."""
    looks: list[float] = []

    def wait(seconds: float, *, between: bool = False) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            host.refuses, host.boot = False, "boot-2"

    def behaviour(command: Command) -> None:
        host.refuses = True
        command.cut()

    attempt.wait = lambda seconds, **how: wait(seconds, **how) if seconds else None
    done = do(host, attempt, ssh, data(reboots=True), behaviour)
    assert done["said"] == "cmp-1 has rebooted (kernel 6.1.0)"
    assert len(looks) == 3


@pytest.mark.long
def test_a_host_that_still_answers_has_not_rebooted_yet(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    """A shutdown takes a while: until then it is the old boot that answers."""
    looks: list[float] = []

    def wait(seconds: float, *, between: bool = False) -> None:
        if seconds:
            looks.append(seconds)
        if len(looks) == 2:
            host.boot = "boot-2"

    attempt.wait = wait
    done = do(host, attempt, ssh, data(reboots=True), Command.exit)
    assert (done["boot"], len(looks)) == ("boot-2", 2)


@pytest.mark.long
def test_a_reboot_that_does_not_come_has_failed(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    given = data(reboots=True, reboot_timeout=0.3)
    with pytest.raises(StepFailed, match=r"cmp-1 has not rebooted within 0\.3s: it ended with 0"):
        do(host, attempt, ssh, given, Command.exit)


@pytest.mark.long
def test_a_reboot_command_that_fails_has_failed_at_once(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    given = data(reboots=True, reboot_timeout=5.0)
    with pytest.raises(StepFailed, match="patch failed on cmp-1: it ended with 1"):
        do(host, attempt, ssh, given, lambda command: command.exit(1))


@pytest.mark.long
def test_a_host_that_is_not_back_is_unknown(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    def behaviour(command: Command) -> None:
        host.refuses = True
        command.cut()

    given = data(reboots=True, reboot_timeout=0.3)
    with pytest.raises(UnknownOutcome, match="cmp-1 is not back: The host does not run cat"):
        do(host, attempt, ssh, given, behaviour)
    with pytest.raises(UnknownOutcome, match="cmp-1 is not back"):
        find(attempt, ssh, given)
    host.refuses, host.boot = False, "boot-2"
    assert find(attempt, ssh, given)["said"] == "cmp-1 has rebooted (kernel 6.1.0)"
    assert len(host.commands) == 1


@pytest.mark.long
def test_a_host_that_comes_back_with_another_key_is_an_error_at_once(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behaviour(command: Command) -> None:
        monkeypatch.setattr(host, "keys", [key(key_text("ed25519", "somebody else"))])
        command.cut()

    with pytest.raises(UntrustedHost, match="another key than it should"):
        do(host, attempt, ssh, data(reboots=True, reboot_timeout=5.0), behaviour)


def test_a_host_that_tells_no_boot_is_sent_nothing(
    host: Host, attempt: FakeAttempt, tmp_path: Path, data: Data
) -> None:
    silent = account(host, tmp_path, boot_id=["silent"])
    with pytest.raises(CloudError, match="does not say by silent which boot"):
        do(host, attempt, silent, data(), Command.exit)
    assert host.commands == ["silent"]


@pytest.mark.long
def test_a_flood_of_lines_is_not_all_shown(
    host: Host, attempt: FakeAttempt, ssh: SshAccount, data: Data
) -> None:
    def behaviour(command: Command) -> None:
        command.say(b"line\n" * 5000)
        command.exit()

    done = do(host, attempt, ssh, data(), behaviour)
    assert 100 <= len(attempt.said) < 110
    assert done["output"].count("line") == 5000


COMMANDS = {
    "patch": {"command": ["patch-host", "{host}", "--level={level}"], "timeout": "45m"},
    "power": {"command": ["ipmi-power", "--", "{host}"], "run_on": "power.example.org"},
    "reboot": {"command": ["reboot"], "reboots": True},
    "far": {"command": ["reboot"], "reboots": True, "run_on": "power.example.org"},
}


def configured(**entry: Any) -> SshAccount:
    prints = {"cmp-1": ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]}
    row = {"name": "hosts", "user": "ops", "agent": True, "fingerprints": prints, **entry}
    return SshAccount.from_config(load({"ssh_accounts": [row], "ssh_commands": COMMANDS}), None)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ({}, "cmp-1"),
        ({"address": "{name}.mgmt.example.org"}, "cmp-1.mgmt.example.org"),
        ({"address": "{host_ip}"}, "192.0.2.1"),
        ({"addresses": {"cmp-1": "10.0.0.1", "cmp-2": "10.0.0.2"}}, "10.0.0.1"),
    ],
)
def test_how_a_host_is_addressed_is_configured(entry: dict[str, Any], address: str) -> None:
    about = {"host": "id-1", "name": "cmp-1", "host_ip": "192.0.2.1"}
    made = step_data(configured(**entry), "patch", {"level": "all"}, **about)
    assert made["address"] == address
    assert made["words"] == ["patch-host", "cmp-1", "--level=all"]
    assert made["timeout"] == 2700.0
    assert shown(made) == "patch-host cmp-1 --level=all"


def test_a_command_may_be_run_on_another_host_than_it_is_about() -> None:
    made = step_data(configured(), "power", {}, host="id-1", name="cmp-1")
    assert (made["address"], made["words"]) == (
        "power.example.org",
        ["ipmi-power", "--", "cmp-1"],
    )
    assert made["known_as"] == [], "the key of another host would be taken for its own"


@pytest.mark.parametrize(
    ("entry", "command", "parameters", "name", "says"),
    [
        ({}, "patsh", {}, "cmp-1", "Did you mean patch"),
        ({}, "patch", {}, "cmp-1", "Command patch needs level"),
        ({}, "patch", {"level": "1", "host": "x"}, "cmp-1", "host is always the host"),
        ({}, "reboot", {}, "-oProxyCommand=id", "is no address of a host"),
        ({}, "reboot", {}, "a b; reboot", "is no address of a host"),
        ({}, "reboot", {}, "cmp-1\n", "is no address of a host"),
        ({"address": "{host_ip}"}, "reboot", {}, "cmp-1", "Nova has no address of cmp-1"),
        ({}, "far", {}, "cmp-1", "reboots its host and has a run_on"),
        ({"boot_id": []}, "reboot", {}, "cmp-1", "has no boot_id to know a reboot by"),
    ],
)
def test_what_cannot_be_right_is_refused(
    entry: dict[str, Any], command: str, parameters: dict[str, str], name: str, says: str
) -> None:
    with pytest.raises((UserError, NotFound), match=says):
        step_data(configured(**entry), command, parameters, host="id-1", name=name)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"agent": False}, "no key_file, no private_key and no agent"),
        ({"key_file": "/etc/hostname", "private_key": "x"}, "only one can be meant"),
        ({"fingerprints": {}}, "neither known_hosts nor fingerprints"),
        ({"fingerprints": {"a": ["MD5:aa"]}}, "fingerprints has what is none: MD5:aa"),
        ({"jump_account": "hosts"}, "has a jump_account and no jump_host"),
        ({"address": "{name.__class__}"}, r"address knows \{name\} and \{host_ip\}, not name"),
        ({"address": "{nam}"}, "not nam"),
        ({"address": "{name"}, "not {name"),
        ({"known_hosts": "/nonexistent"}, "there is no file /nonexistent"),
    ],
)
def test_an_account_that_cannot_be_right_is_refused(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        configured(**entry)
