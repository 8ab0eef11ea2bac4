"""Which keys a host may have: by a file as OpenSSH has it, or by configured fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

import msgspec

from accounts.ssh import SshAccount
from common.errors import UserError
from common.files import read_regular
from common.text import clean, listed

_USUAL_PORT = 22
_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"
_HASHED = "|1|"


class HostKey(msgspec.Struct, frozen=True):
    """A public key as SSH sends it: its type, and its bytes."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -lf`` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


class UntrustedHost(UserError):
    """A host whose key is unknown, another one than it should be, or revoked."""


class Trust:
    """The keys that a host may have. ``names`` are what it may be called: address, host name."""

    def __init__(self, account: SshAccount, names: Sequence[str], port: int) -> None:
        self._shown = clean(names[0])
        self._account = account.name
        entry = account.entry
        self._prints = {
            one.rstrip("=") for name in names for one in entry.fingerprints.get(name, ())
        }
        self.keys: list[HostKey] = []
        self._revoked: list[HostKey] = []
        self._authorities: list[HostKey] = []
        if entry.known_hosts:
            self._read(entry.known_hosts, [_as_written(name, port) for name in names])

    def check(self, key: HostKey) -> None:
        """Raise UntrustedHost, which tells the fingerprint, for an unknown or another key."""
        if key in self._revoked:
            raise UntrustedHost(
                f"{self._shown} has the key {key}, which known_hosts says is revoked.",
                advice="Nothing was sent to it: somebody may stand in its place.",
            )
        if key in self.keys or key.fingerprint in self._prints:
            return
        if known := [*map(str, self.keys), *sorted(self._prints)]:
            raise UntrustedHost(
                f"{self._shown} has another key than it should: {key}, and known is "
                f"{listed(known)}.",
                advice="Nothing was sent to it: somebody may stand in its place. If it was "
                "reinstalled, compare the fingerprint on the host itself (ssh-keygen -lf "
                f"{_file_of(key)}) and replace the known one.",
            )
        if self._authorities:
            # paramiko proves that a host has the key of its certificate, and looks no further: not
            # who signed it, for which names, nor until when.
            raise UntrustedHost(
                f"{self._shown} has a key that is not known: {key}. known_hosts trusts what an "
                "authority signs for it (@cert-authority), and certificates of hosts are not "
                "understood here.",
                advice="Add the key of the host itself beside that line, without a marker, or its "
                f"fingerprint to fingerprints of the SSH account {self._account}, after comparing "
                f"it on the host (ssh-keygen -lf {_file_of(key)}).",
            )
        raise UntrustedHost(
            f"{self._shown} has a key that is not known: {key}.",
            advice="Compare the fingerprint on the host itself (ssh-keygen -lf "
            f"{_file_of(key)}), then add it to known_hosts or fingerprints of the SSH account "
            f"{self._account}.",
        )

    def _read(self, path: str, wanted: Sequence[str]) -> None:
        known = {"": self.keys, _REVOKED: self._revoked, _AUTHORITY: self._authorities}
        for line in read_regular(path).decode("utf-8", "replace").splitlines():
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            marker = words.pop(0) if words[0].startswith("@") else ""
            if len(words) < 3 or marker not in known:
                continue
            if not _names(words[0].split(","), wanted):
                continue
            try:
                key = HostKey(words[1], base64.b64decode(words[2], validate=True))
            except binascii.Error:
                continue
            known[marker].append(key)


def _as_written(name: str, port: int) -> str:
    """Return how known_hosts writes a host: with its port if that is not the usual one."""
    return name.lower() if port == _USUAL_PORT else f"[{name.lower()}]:{port}"


def _names(patterns: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of the patterns of a line stands for one of the names, and none excludes it."""
    fits = False
    for pattern in patterns:
        if any(_fits(pattern.removeprefix("!"), name) for name in wanted):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def _fits(pattern: str, name: str) -> bool:
    if pattern.startswith(_HASHED):
        return _is_hash_of(pattern, name)
    inner = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(inner, name) is not None


def _is_hash_of(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    # SHA-1 is what this format has: it hides names and secures nothing.
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)


def _file_of(key: HostKey) -> str:
    kind = key.kind.removeprefix("ssh-").partition("-")[0]
    return f"/etc/ssh/ssh_host_{clean(kind)}_key.pub"
