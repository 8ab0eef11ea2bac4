"""A host in this process that speaks SSH, with the faults that a real one has now and then."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.common import cMSG_CHANNEL_REQUEST
from paramiko.message import Message

from accounts.config import load
from accounts.ssh import SshAccount

Behaviour = Callable[["Command"], None]
BOOT, KERNEL = "cat /proc/sys/kernel/random/boot_id", "uname -r"
_KINDS: Mapping[str, tuple[Callable[[], Any], Any]] = {
    "ed25519": (ed25519.Ed25519PrivateKey.generate, paramiko.Ed25519Key),
    "ecdsa": (lambda: ec.generate_private_key(ec.SECP256R1()), paramiko.ECDSAKey),
    "rsa": (lambda: rsa.generate_private_key(65537, 2048), paramiko.RSAKey),
}


@cache
def _made(kind: str, whose: str, passphrase: str) -> str:
    """Return a private key in OpenSSH's format."""
    form = serialization.PrivateFormat.OpenSSH
    hidden: Any = serialization.NoEncryption()
    if passphrase:
        quick = form.encryption_builder().kdf_rounds(1)  # which would take a second else
        hidden = quick.build(passphrase.encode())
    made = _KINDS[kind][0]().private_bytes(serialization.Encoding.PEM, form, hidden)
    return str(made.decode())


def key_text(kind: str = "ed25519", whose: str = "user", passphrase: str = "") -> str:
    """Return a private key, the same whenever it is asked for."""
    return _made(kind, whose, passphrase)


def key(text: str, passphrase: str | None = None) -> Any:
    """Return a private key as paramiko has it."""
    for _, kind in _KINDS.values():
        with suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(StringIO(text), passphrase)
    raise AssertionError("no key")


class Command:
    """A command that the host was sent, and what it answers."""

    def __init__(self, host: Host, channel: paramiko.Channel, text: str) -> None:
        self.host, self.channel, self.text = host, channel, text

    def say(self, data: bytes) -> None:
        """Print bytes, each call in a packet of its own."""
        self.channel.sendall(data)

    def complain(self, data: bytes) -> None:
        """Print bytes on standard error."""
        self.channel.sendall_stderr(data)

    def exit(self, status: int = 0) -> None:
        """End."""
        self.channel.send_exit_status(status)
        self.channel.close()

    def die(self, signal: str) -> None:
        """End by a signal (RFC 4254, 6.10)."""
        told = Message()
        told.add_byte(cMSG_CHANNEL_REQUEST)
        told.add_int(self.channel.remote_chanid)
        told.add_string("exit-signal")
        told.add_boolean(False)
        told.add_string(signal)
        told.add_boolean(False)
        told.add_string("")
        told.add_string("")
        self.channel.transport._send_user_message(told)
        self.channel.close()

    def cut(self) -> None:
        """Cut the connection."""
        self.channel.transport.close()


class _Server(paramiko.ServerInterface):  # type: ignore[misc]
    def __init__(self, host: Host) -> None:
        self._host = host

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        known = username == "ops" and key.asbytes() in self._host.users
        return int(paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self._host.forwarded.append(destination)
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        if self._host.refuses:
            return False
        self._host.obey(Command(self._host, channel, command.decode("utf-8", "surrogateescape")))
        return True


class Host:
    """What it knows, and how it behaves when it is sent a command other than for its boot."""

    def __init__(self, *kinds: str, behaviour: Behaviour = Command.exit) -> None:
        self.keys = [key(key_text(kind, "host")) for kind in kinds or ("ed25519",)]
        self.users = {key(key_text(kind)).asbytes() for kind in _KINDS}
        self.behaviour = behaviour
        self.boot, self.kernel = "boot-1", "6.1.0"
        self.refuses = False
        self.commands: list[str] = []
        self.forwarded: list[tuple[str, int]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def obey(self, command: Command) -> None:
        """Answer a command in a thread of its own."""
        told = {BOOT: self.boot, KERNEL: self.kernel}.get(command.text)

        def answer() -> None:
            time.sleep(0.02)  # until the request itself was answered
            with suppress(OSError, EOFError, paramiko.SSHException):
                if told is None:
                    self.behaviour(command)
                else:
                    command.say(told.encode() + b"\n")
                    command.exit()

        if told is None:
            self.commands.append(command.text)
        threading.Thread(target=answer, daemon=True).start()

    def known_hosts(self, *kinds: str) -> str:
        """Return lines with its keys, or with those of some types."""
        lines = [
            f"[127.0.0.1]:{self.port} {one.get_name()} {one.get_base64()}" for one in self.keys
        ]
        return "".join(f"{line}\n" for line in lines if not kinds or any(k in line for k in kinds))

    def close(self) -> None:
        """Be gone."""
        self._socket.close()
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream: socket.socket) -> None:
        transport = paramiko.Transport(stream)
        self._transports.append(transport)
        for one in self.keys:
            transport.add_server_key(one)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Server(self))
            while transport.is_active():
                channel = transport.accept(0.2)
                if channel is not None and self.forwarded:
                    _forward(channel, self.forwarded[-1])


def _forward(channel: Any, destination: tuple[str, int]) -> None:
    there = socket.create_connection(destination)

    def copy(source: Any, target: Any) -> None:
        with suppress(OSError, EOFError):
            while data := source.recv(4096):
                target.sendall(data)
        target.close()

    for pair in ((channel, there), (there, channel)):
        threading.Thread(target=copy, args=pair, daemon=True).start()


@contextmanager
def a_host(*kinds: str, behaviour: Behaviour = Command.exit) -> Iterator[Host]:
    """Run a host while the block does."""
    host = Host(*kinds, behaviour=behaviour)
    try:
        yield host
    finally:
        host.close()


def account(host: Host, folder: Path, **more: Any) -> SshAccount:
    """Return an account that may log in to the host, and knows its keys."""
    known = folder / "known_hosts"
    known.write_text(host.known_hosts())
    entry = {
        "name": "hosts",
        "user": "ops",
        "port": host.port,
        "private_key": key_text(),
        "known_hosts": str(known),
        "connect_timeout": "5s",
        **more,
    }
    entry = {name: value for name, value in entry.items() if value is not None}
    return SshAccount.from_config(load({"ssh_accounts": [entry]}), None)
