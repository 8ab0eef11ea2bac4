"""The part of the configuration that SSH needs: how hosts are reached, and what is run there."""

from __future__ import annotations

from typing import Annotated

import msgspec

from accounts.texts import Filled, Host, Name
from common.duration import Duration

# What a system of its own that is no Linux has not, an operator sets to nothing.
_BOOT_ID = ("cat", "/proc/sys/kernel/random/boot_id")
_KERNEL = ("uname", "-r")


class SshEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How one kind of hosts is reached by SSH, and as whom we log in there."""

    name: Name
    user: Filled
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 22
    key_file: str | None = None
    private_key: str | None = None
    passphrase: str | None = None
    agent: bool = False
    known_hosts: str | None = None
    fingerprints: dict[str, list[str]] = {}
    address: Filled = "{name}"
    addresses: dict[str, Host] = {}
    jump_host: Host | None = None
    jump_account: str | None = None
    connect_timeout: Duration = Duration(30)
    command_timeout: Duration = Duration(600)
    boot_id: list[str] = msgspec.field(default_factory=lambda: list(_BOOT_ID))
    kernel: list[str] = msgspec.field(default_factory=lambda: list(_KERNEL))

    def __repr__(self) -> str:
        return f"<SshEntry {self.name}>"  # it holds a passphrase, or a key


class SshCommand(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What may be run on hosts: arguments, in which ``{word}`` is a parameter of the command."""

    command: Annotated[list[str], msgspec.Meta(min_length=1)]
    run_on: Host | None = None
    timeout: Duration | None = None
    repeatable: bool = False
    reboots: bool = False
    reboot_timeout: Duration = Duration(1800)
