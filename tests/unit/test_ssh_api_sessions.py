"""Logging in to hosts: their keys, ours, a host over another, and those that do not answer."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from ssh_api.known_hosts import HostKey, Trust, UntrustedHost
from ssh_api.running import run
from ssh_api.sessions import Unreachable, session
from support.ssh_host import Host, a_host, account, key, key_text

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with a_host("rsa", "ed25519") as host:
        yield host


def log_in(host: Host, folder: Path, **how: Any) -> int | None:
    given = account(host, folder, **how)
    with session(given, "127.0.0.1", ["cmp-1"]) as opened:
        return run(opened, ["true"], timeout=5).status


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_type_log_in(host: Host, tmp_path: Path, kind: str) -> None:
    assert log_in(host, tmp_path, private_key=key_text(kind)) == 0


@pytest.mark.long
def test_an_encrypted_key_takes_its_passphrase(host: Host, tmp_path: Path) -> None:
    text = key_text("ed25519", "encrypted", "correct horse")
    host.users.add(key(text, "correct horse").asbytes())
    file = tmp_path / "key"
    file.write_text(text)
    given = {"private_key": None, "key_file": str(file)}
    assert log_in(host, tmp_path, **given, passphrase="correct horse") == 0
    with pytest.raises(UserError, match="its passphrase is wrong"):
        log_in(host, tmp_path, **given, passphrase="wrong horse")
    with pytest.raises(UserError, match="it has a passphrase, and the account has none"):
        log_in(host, tmp_path, **given)


def test_a_key_of_an_agent_logs_in(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    given = {"private_key": None, "agent": True}
    with pytest.raises(UserError, match="the agent has no keys, or there is none"):
        log_in(host, tmp_path, **given)
    place = f"/tmp/agent-{os.getpid()}"
    file = tmp_path / "key"
    file.write_text(key_text("ecdsa"))
    file.chmod(0o600)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        until = time.monotonic() + 10
        while not os.path.exists(place):
            assert time.monotonic() < until
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", file], check=True)
        assert log_in(host, tmp_path, **given) == 0
    finally:
        agent.kill()
        agent.wait()
        Path(place).unlink(missing_ok=True)


def test_a_key_that_the_host_does_not_take_is_said(host: Host, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not let ops in: the key is refused"):
        log_in(host, tmp_path, private_key=key_text("ed25519", "stranger"))


def test_an_unknown_host_is_told_with_its_fingerprint(host: Host, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    before = len(host.commands)
    with pytest.raises(UntrustedHost, match="has a key that is not known: ssh-ed25519") as error:
        log_in(host, tmp_path, known_hosts=str(empty))
    assert FINGERPRINT.search(str(error.value))
    assert len(host.commands) == before, "nothing is run on it"


def test_a_changed_key_is_told_with_both_fingerprints(host: Host, tmp_path: Path) -> None:
    other = key(key_text("ed25519", "another host"))
    known = tmp_path / "other"
    known.write_text(f"[127.0.0.1]:{host.port} ssh-ed25519 {other.get_base64()}\n")
    with pytest.raises(UntrustedHost, match="another key than it should") as error:
        log_in(host, tmp_path, known_hosts=str(known))
    assert len(set(FINGERPRINT.findall(str(error.value)))) == 2


@pytest.mark.parametrize("kind", ["ssh-rsa", "ssh-ed25519"])
def test_a_host_is_asked_for_the_key_that_is_known(host: Host, tmp_path: Path, kind: str) -> None:
    known = tmp_path / "one"
    known.write_text(host.known_hosts(kind))
    assert log_in(host, tmp_path, known_hosts=str(known)) == 0


@pytest.mark.parametrize("name", ["127.0.0.1", "cmp-1"])
def test_a_fingerprint_is_enough(host: Host, tmp_path: Path, name: str) -> None:
    (seen,) = (one for one in host.keys if one.get_name() == "ssh-ed25519")
    prints = {name: [HostKey("ssh-ed25519", seen.asbytes()).fingerprint]}
    assert log_in(host, tmp_path, known_hosts=None, fingerprints=prints) == 0


@pytest.mark.long
def test_a_host_is_reached_over_another(host: Host, tmp_path: Path) -> None:
    with a_host() as bastion:
        seen = host.known_hosts() + bastion.known_hosts()
        known = tmp_path / "both"
        known.write_text(seen)
        # Both are on this machine, so that they differ by their ports: two accounts.
        config = account(host, tmp_path, known_hosts=str(known)).config
        far = {"jump_host": "127.0.0.1", "jump_account": "bastion"}
        entry = {"user": "ops", "private_key": key_text(), "known_hosts": str(known)}
        from accounts.config import load
        from accounts.ssh import SshAccount

        config = load(
            {
                "ssh_accounts": [
                    {"name": "hosts", "port": host.port, **entry, **far},
                    {"name": "bastion", "port": bastion.port, **entry},
                ]
            }
        )
        with session(SshAccount.from_config(config, "hosts"), "127.0.0.1") as opened:
            assert run(opened, ["true"], timeout=5).status == 0
        assert bastion.forwarded == [("127.0.0.1", host.port)]
        assert bastion.commands == []


def test_who_is_not_there_is_unreachable(host: Host, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match=f"port {port}, is not reached: Connection refused"):
        log_in(host, tmp_path, port=port)


@pytest.mark.long
def test_who_says_nothing_is_given_up(host: Host, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"does not speak SSH as it should|did not agree"):
            log_in(host, tmp_path, port=silent.getsockname()[1], connect_timeout="0.5s")
        assert time.monotonic() - began < 4


KEY = HostKey("ssh-ed25519", b"key-1")
LINE = "ssh-ed25519 a2V5LTE="  # the same in base64
# ssh-keygen -H made it of cmp-1.
HASHED = "|1|kTLJ8u64JLHCbXZO6kuuL6f1fVQ=|"


@pytest.mark.parametrize(
    ("names", "port", "fits"),
    [
        ("cmp-1", 22, True),
        ("CMP-1", 22, True),
        ("other,cmp-1", 22, True),
        ("cmp-2", 22, False),
        ("cmp-*", 22, True),
        ("cmp-?", 22, True),
        ("cmp-??", 22, False),
        ("cmp.1", 22, False),
        ("*,!cmp-1", 22, False),
        ("[cmp-1]:2222", 2222, True),
        ("cmp-1", 2222, False),
        ("@cert-authority cmp-1", 22, False),
        ("# cmp-1", 22, False),
    ],
)
def test_known_hosts_is_read_as_openssh_does(
    tmp_path: Path, names: str, port: int, fits: bool
) -> None:
    assert (KEY in trust(tmp_path, f"{names} {LINE} a comment\n", port).keys) is fits


def test_hashed_names_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "hashed"
    file.write_text(f"cmp-1 {LINE}\n".replace(LINE, public_line()))
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "cmp-1" not in text
    assert [one.kind for one in trust(tmp_path, text, 22).keys] == ["ssh-ed25519"]
    assert trust(tmp_path, text, 22, name="cmp-2").keys == []


def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    text = f"cmp-1 {LINE}\n@revoked * {LINE}\n"
    with pytest.raises(UntrustedHost, match="known_hosts says is revoked"):
        trust(tmp_path, text, 22).check(KEY)


def test_an_authority_of_hosts_is_said_not_to_be_understood(tmp_path: Path) -> None:
    text = f"@cert-authority *.example.org,cmp-* {LINE}\n"
    with pytest.raises(UntrustedHost, match="certificates of hosts are not understood") as told:
        trust(tmp_path, text, 22).check(KEY)
    assert "without a marker" in told.value.advice
    trust(tmp_path, f"{text}cmp-1 {LINE}\n", 22).check(KEY)
    with pytest.raises(UntrustedHost) as told:
        trust(tmp_path, text, 22, name="other").check(KEY)
    assert "authority" not in str(told.value)


def public_line() -> str:
    known = key(key_text())
    return f"{known.get_name()} {known.get_base64()}"


def trust(folder: Path, text: str, port: int, name: str = "cmp-1") -> Trust:
    class Entry:
        fingerprints: dict[str, list[str]] = {}  # noqa: RUF012
        known_hosts = str(folder / "some")

    class Account:
        name, entry = "hosts", Entry()

    (folder / "some").write_text(text)
    return Trust(Account(), [name], port)  # type: ignore[arg-type]
