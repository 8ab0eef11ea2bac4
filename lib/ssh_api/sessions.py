"""A session with a host: connected, its key verified, logged in; over a jump host if need be."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import paramiko

from accounts.ssh import SshAccount
from common.errors import CloudError, UserError
from common.text import clean
from ssh_api.channels import Transport
from ssh_api.known_hosts import HostKey, Trust
from ssh_api.private_keys import keys_of

# It logs its tracebacks; what goes wrong is told by exceptions.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

# A host that has lost its power says nothing more. After so many seconds that is noticed.
_SILENCE = 30
_KEEPALIVE = 10
# What known_hosts calls a type, and how such keys sign. SHA-1 is not among it.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


class Unreachable(CloudError):
    """A host that is not there, does not answer in time, or does not speak SSH."""


@contextmanager
def session(
    account: SshAccount, address: str, names: Sequence[str] = ()
) -> Iterator[paramiko.Transport]:
    """Open a session with the host at an address, and close it at the end.

    ``names`` are what the host is called otherwise: known_hosts may have it by any of them. Raises
    Unreachable; UntrustedHost for one whose key is unknown or another, which tells its fingerprint;
    UserError for a login that is refused; all before anything is run.
    """
    with ExitStack() as opened:
        way: Any = None
        if account.jump:
            assert account.entry.jump_host, "an account with a jump has a host for it"
            jump = opened.enter_context(session(account.jump, account.entry.jump_host))
            way = _through(jump, account, address)
        yield opened.enter_context(closing(_session(account, address, names, way)))


def _session(
    account: SshAccount, address: str, names: Sequence[str], way: Any
) -> paramiko.Transport:
    entry, shown = account.entry, clean(address)
    until = time.monotonic() + float(entry.connect_timeout)
    trust = Trust(account, [address, *names], entry.port)
    stream = way or _connected(account, address, float(entry.connect_timeout))
    try:
        transport = Transport(stream)
        _prefer(transport, trust)
        transport.banner_timeout = transport.handshake_timeout = max(0.1, until - time.monotonic())
        _negotiate(transport, shown, until)
        key = transport.get_remote_server_key()
        trust.check(HostKey(key.get_name(), key.asbytes()))
        transport.auth_timeout = max(0.1, until - time.monotonic())
        _log_in(transport, account, shown)
        transport.set_keepalive(_KEEPALIVE)
    except BaseException:
        with suppress(Exception):
            transport.close()
        stream.close()
        raise
    return transport


def _connected(account: SshAccount, address: str, seconds: float) -> socket.socket:
    entry = account.entry
    try:
        stream = socket.create_connection((address, entry.port), timeout=seconds)
    except (OSError, UnicodeError) as error:
        why = clean(getattr(error, "strerror", None) or error or type(error).__name__)
        raise Unreachable(f"{clean(address)}, port {entry.port}, is not reached: {why}.") from None
    stream.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        stream.setsockopt(socket.SOL_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1000)
    return stream


def _through(jump: paramiko.Transport, account: SshAccount, address: str) -> Any:
    """Return a stream to the host that the jump host connects."""
    entry = account.entry
    try:
        return jump.open_channel(
            "direct-tcpip",
            (address, entry.port),
            ("127.0.0.1", 0),
            timeout=float(entry.connect_timeout),
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(
            f"{clean(address)}, port {entry.port}, is not reached over {entry.jump_host}: "
            f"{clean(error)}."
        ) from None


def _prefer(transport: paramiko.Transport, trust: Trust) -> None:
    """Ask for a key of a type that is known of the host: it may have others as well."""
    options = transport.get_security_options()
    known = [name for key in trust.keys for name in _ALGORITHMS.get(key.kind, (key.kind,))]
    first = [name for name in dict.fromkeys(known) if name in options.key_types]
    options.key_types = [*first, *(name for name in options.key_types if name not in first)]


def _negotiate(transport: paramiko.Transport, shown: str, until: float) -> None:
    left = max(0.1, until - time.monotonic())
    try:
        transport.start_client(timeout=left)
    except (paramiko.SSHException, EOFError, OSError) as error:
        why = clean(error) or "it ended the connection"
        raise Unreachable(f"{shown} does not speak SSH as it should: {why}.") from None
    if not transport.initial_kex_done:  # start_client only stops waiting when its time is up
        raise Unreachable(f"{shown} did not agree on keys in time.")


def _log_in(transport: paramiko.Transport, account: SshAccount, shown: str) -> None:
    user, refused = account.entry.user, "the key is refused"
    with keys_of(account) as keys:
        for key in keys:
            try:
                further = transport.auth_publickey(user, key)
            except paramiko.BadAuthenticationType as error:
                refused = f"it takes {', '.join(map(clean, error.allowed_types))} only"
                break
            except paramiko.AuthenticationException as error:
                if not transport.is_active():
                    raise Unreachable(
                        f"{shown} ended the login of {user}: {clean(error)}"
                    ) from None
                if "timeout" in str(error).lower():
                    raise Unreachable(f"{shown} did not answer the login of {user}.") from None
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise Unreachable(f"{shown} ended the login of {user}: {clean(error)}.") from None
            else:
                if not further:
                    return
                refused = f"it asks for more than a key ({', '.join(map(clean, further))})"
        count = len(keys)
    tried = "" if count == 1 else f", {count} keys"
    raise UserError(
        f"{shown} does not let {clean(user)} in{tried}: {refused}.",
        advice=f"See ssh_accounts, {account.name}: user, key_file, agent.",
    )
