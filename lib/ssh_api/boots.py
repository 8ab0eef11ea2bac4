"""Which boot of a host this is, and of which kernel: what tells a reboot from a cut connection."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import paramiko

from accounts.ssh import SshAccount
from common.errors import CloudError
from common.text import clean
from ssh_api.running import NoAnswer, NotStarted, run

_PATIENCE = 20.0
_LONGEST = 200


class Boot(msgspec.Struct, frozen=True):
    """One boot of a host: its id, and the kernel that runs; empty where it is not asked for."""

    id: str
    kernel: str


def boot(account: SshAccount, transport: paramiko.Transport) -> Boot:
    """Return which boot of a host this is. Raises CloudError if the host does not tell."""
    entry = account.entry
    return Boot(_line(transport, entry.boot_id), _line(transport, entry.kernel))


def _line(transport: paramiko.Transport, command: Sequence[str]) -> str:
    if not command:
        return ""
    shown = clean(" ".join(command))
    try:
        ended = run(transport, command, timeout=_PATIENCE)
    except (NotStarted, NoAnswer) as error:
        raise CloudError(f"The host does not run {shown}: {clean(error)}.") from None
    if ended.status != 0 or not ended.last_line:
        said = f": {clean(ended.last_line)[:_LONGEST]}" if ended.last_line else ""
        raise CloudError(
            f"The host does not say by {shown} which boot this is: {ended.how}{said}.",
            advice="See boot_id and kernel of ssh_accounts.",
        )
    return clean(ended.last_line)[:_LONGEST]
