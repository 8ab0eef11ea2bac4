"""An SSH account: one entry of the configuration, what a parameter ``ssh`` is filled with."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable

from accounts.config import PackConfig
from accounts.credential_files import check_readable
from accounts.ssh_config import SshEntry
from common.errors import UserError
from common.text import clean, listed

_PLACES = ("name", "host_ip")
# What may stand in a name or an address of a host: a name comes from a cloud, and goes to DNS.
_ADDRESS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:%-]{0,252}[A-Za-z0-9_])?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_ADVICE = "See ssh_accounts in docs/CONFIGURATION.md."


class SshAccount:
    """As whom hosts are logged in to, and how. It opens nothing: ``ssh_api`` does.

    ``jump`` is the account of the host over which all others are reached, if there is one.
    """

    account_kind = "ssh"

    def __init__(self, entry: SshEntry, config: PackConfig) -> None:
        self.entry, self.config = entry, config
        self.name = entry.name
        #: As :attr:`accounts.cloud.Cloud.wait`.
        self.wait: Callable[[float], None] = time.sleep
        _check(entry)
        self.jump: SshAccount | None = None
        if entry.jump_host:
            self.jump = SshAccount(_of_jump(entry, config), config)

    def __repr__(self) -> str:
        return f"<SshAccount {self.name}>"

    @classmethod
    def from_config(cls, config: PackConfig, name: str | None) -> SshAccount:
        """Return the account that the configuration calls ``name``, or its default one.

        Raises NotFound, or UserError if the entry cannot be right.
        """
        return cls(config.ssh(name), config)

    def address(self, name: str, host_ip: str | None = None) -> str:
        """Return the address of the hypervisor that is called ``name``.

        Raises UserError where the configuration does not say it, or says what is no address.
        """
        entry = self.entry
        found = entry.addresses.get(name)
        if found is None:
            if not host_ip and "{host_ip}" in entry.address:
                raise UserError(f"Nova has no address of {clean(name)}.", advice=_ADVICE)
            found = entry.address.format(name=name, host_ip=host_ip)
        if not _ADDRESS.fullmatch(found):
            raise UserError(
                f"{clean(found)!r:.80}, which stands for {clean(name)}, is no address of a host.",
                advice=_ADVICE,
            )
        return found


def _of_jump(entry: SshEntry, config: PackConfig) -> SshEntry:
    """Return the entry of the jump host, which itself is reached directly."""
    import msgspec

    if entry.jump_account is None:
        return msgspec.structs.replace(entry, jump_host=None)
    found = config.ssh(entry.jump_account)
    if found.jump_host:
        raise UserError(
            f"SSH account {entry.name!r}: its jump_account {found.name} has a jump host itself.",
            advice="Name an account whose host is reached directly.",
        )
    return found


def _check(entry: SshEntry) -> None:
    """Raise UserError for an entry with which nobody could log in, or not safely."""
    where = f"SSH account {entry.name!r}"
    if entry.key_file and entry.private_key:
        raise UserError(f"{where}: it has both key_file and private_key; only one can be meant.")
    if not (entry.key_file or entry.private_key or entry.agent):
        raise UserError(f"{where}: it has no key_file, no private_key and no agent.")
    if not (entry.known_hosts or entry.fingerprints):
        raise UserError(
            f"{where}: it has neither known_hosts nor fingerprints, and a host that could be any "
            "is never logged in to.",
            advice="ssh-keyscan collects the keys of hosts; compare them with the hosts' own.",
        )
    if entry.jump_account and not entry.jump_host:
        raise UserError(f"{where}: it has a jump_account and no jump_host.")
    all_prints = (one for prints in entry.fingerprints.values() for one in prints)
    if wrong := [one for one in all_prints if not _FINGERPRINT.fullmatch(one)]:
        raise UserError(
            f"{where}: fingerprints has what is none: {listed(map(clean, wrong))}.",
            advice="ssh-keygen -lf prints them, as SHA256:...",
        )
    try:
        places = {field for _, field, _, _ in string.Formatter().parse(entry.address)}
    except ValueError:
        places = {entry.address}
    if wrong := sorted(clean(place) for place in places - {None, *_PLACES} if place is not None):
        raise UserError(f"{where}: address knows {{name}} and {{host_ip}}, not {listed(wrong)}.")
    check_readable({"key_file": entry.key_file, "known_hosts": entry.known_hosts}, where)
