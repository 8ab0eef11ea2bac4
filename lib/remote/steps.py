"""The step that runs a named command on a host, and what is known of it when nobody saw its end.

A command is sent once. Where its end was not seen (the session was cut, the process was killed)
it is not sent again, unless the configuration says that twice does no harm; but a host that was to
reboot, and is back with another boot id, has done so.
"""

from __future__ import annotations

from typing import Any

from accounts.ssh import SshAccount
from workflow_api import Attempt, step


def find_command(
    attempt: Attempt,
    ssh: SshAccount,
    name: str,
    address: str,
    known_as: list[str],
    command: str,
    repeatable: bool,
    reboots: bool,
    reboot_timeout: float,
) -> dict[str, Any] | None:
    """Say what became of a command whose end was not seen.

    None if it was never sent, or may be sent again. Raises UnknownOutcome otherwise, unless it was
    to reboot the host and the host has rebooted.
    """
    from remote.running import Host, found

    host = Host(ssh, name, address, known_as)
    return found(attempt, host, command, repeatable, reboot_timeout if reboots else None)


@step("ssh.run_command", "run {command} on {name}", key="{host}:{command}", find=find_command)
def run_command(
    attempt: Attempt,
    ssh: SshAccount,
    host: str,
    name: str,
    address: str,
    known_as: list[str],
    command: str,
    words: list[str],
    timeout: float,
    repeatable: bool,
    reboots: bool,
    reboot_timeout: float,
) -> dict[str, Any]:
    """Run a command on a host, wait for its end, and for the host if it reboots."""
    from remote.running import Host, done

    there = Host(ssh, name, address, known_as)
    return done(attempt, there, command, words, timeout, reboot_timeout if reboots else None)
