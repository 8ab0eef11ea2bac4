"""What the configuration allows to be run on hosts, and what a step needs to know to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.config import PackConfig
from accounts.ssh import SshAccount
from accounts.ssh_config import SshCommand
from common.errors import NotFound, UserError
from common.text import clean, near
from ssh_api.arguments import filled, parameters_of, quoted

# The parameter that every command may have, and nobody gives: the host that it is about.
HOST = "host"
_ADVICE = "See ssh_commands in docs/CONFIGURATION.md."


def named(config: PackConfig, name: str) -> SshCommand:
    """Return the command that the configuration calls so; raises NotFound with near names."""
    if not config.ssh_commands:
        raise UserError("No SSH command is configured.", advice=_ADVICE)
    try:
        return config.ssh_commands[name]
    except KeyError:
        known = near(name, config.ssh_commands) or sorted(config.ssh_commands)
        raise NotFound("SSH command", clean(name), where="the configuration", near=known) from None


def step_data(
    ssh: SshAccount,
    command: str,
    parameters: Mapping[str, str],
    *,
    host: str,
    name: str,
    host_ip: str | None = None,
) -> dict[str, Any]:
    """Return the data of the step that runs a command for one host, ``remote.steps.run_command``.

    ``host`` is the hypervisor's id, ``name`` its host name. Raises UserError for a command, a
    parameter or an address that cannot be right.
    """
    found = named(ssh.config, command)
    if HOST in parameters:
        raise UserError(f"Command {command}: {HOST} is always the host that it is run for.")
    if found.reboots and not ssh.entry.boot_id:
        raise UserError(
            f"Command {command} reboots its host, and SSH account {ssh.name} has no boot_id to "
            "know a reboot by.",
            advice=_ADVICE,
        )
    if found.reboots and found.run_on:
        raise UserError(
            f"Command {command} reboots its host and has a run_on: that one would be watched.",
            advice=_ADVICE,
        )
    own = {HOST: name} if HOST in parameters_of(found.command) else {}
    return {
        "host": host,
        "name": clean(name),
        "address": found.run_on or ssh.address(name, host_ip),
        # What another host is called says nothing of the one that the command is run on.
        "known_as": [] if found.run_on else [name],
        "command": command,
        "words": filled(command, found.command, {**parameters, **own}),
        "timeout": float(found.timeout or ssh.entry.command_timeout),
        "repeatable": found.repeatable,
        "reboots": found.reboots,
        "reboot_timeout": float(found.reboot_timeout),
    }


def shown(data: Mapping[str, Any]) -> str:
    """Return the command line of a step, as a person would type it."""
    return clean(quoted(data["words"]))
