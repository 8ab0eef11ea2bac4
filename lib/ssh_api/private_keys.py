"""The private keys of an account: of a file, of the configuration, or of an agent."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko

from accounts.ssh import SshAccount
from common.errors import UserError
from common.files import read_regular
from common.text import clean

_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@contextmanager
def keys_of(account: SshAccount) -> Iterator[list[Any]]:
    """Give the keys to log in with, as paramiko has them: the account's own, then the agent's.

    Raises UserError for a key that cannot be read, and where there is none at all.
    """
    own = _own(account)
    agent = _agent(account)
    try:
        keys = [*own, *(agent.get_keys() if agent else ())]
        if not keys:
            raise UserError(
                f"SSH account {account.name!r}: the agent has no keys, or there is none.",
                advice="SSH_AUTH_SOCK has to name the agent's socket, and ssh-add -l show a key.",
            )
        yield keys
    finally:
        if agent:
            agent.close()


def _own(account: SshAccount) -> list[Any]:
    entry = account.entry
    if entry.key_file:
        try:
            text = read_regular(entry.key_file).decode("ascii", "replace")
        except OSError as error:
            raise _unreadable(account, error.strerror or "it is not there") from None
        key = _read(account, text)
        certificate = f"{entry.key_file}-cert.pub"
        if os.path.exists(certificate):
            key.load_certificate(certificate)
        return [key]
    return [_read(account, entry.private_key)] if entry.private_key else []


def _read(account: SshAccount, text: str) -> Any:
    """Return the key of a text, whichever type it has."""
    passphrase = account.entry.passphrase
    for kind in _KINDS:
        try:
            return kind.from_private_key(io.StringIO(text), passphrase)
        except paramiko.PasswordRequiredException:
            raise _unreadable(account, "it has a passphrase, and the account has none") from None
        except (paramiko.SSHException, ValueError, IndexError, TypeError):
            continue  # each kind says something else of a key that is not its own
    wrong = "its passphrase is wrong, or " if passphrase else ""
    raise _unreadable(account, f"{wrong}it is none of Ed25519, ECDSA and RSA")


def _unreadable(account: SshAccount, why: str) -> UserError:
    entry = account.entry
    where = f"file {clean(entry.key_file)}" if entry.key_file else "private_key"
    return UserError(f"SSH account {account.name!r}: the key in {where} cannot be used: {why}.")


def _agent(account: SshAccount) -> Any:
    return paramiko.Agent() if account.entry.agent else None
