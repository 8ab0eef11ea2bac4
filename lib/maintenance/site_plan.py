"""A site's own steps in the plan of a host's maintenance: commands, webhooks, flags."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Literal, get_args

from accounts.cloud import Cloud
from accounts.config import PackConfig
from accounts.host_config import Around, Stage
from accounts.ssh import SshAccount
from accounts.webhook import Webhook
from maintenance.site_steps import set_flag, tell_webhook
from query_api.lookups import things
from query_api.lookups.compute_types import Hypervisor
from remote.commands import named, step_data
from remote.steps import run_command
from workflow_api import Plan, Ref, UserError
from workflow_api.step import definition_of

STAGES: tuple[Stage, ...] = get_args(Stage)
_WEBHOOK = "webhook:"
When = Literal["before", "at", "after"]


class SitePlan:
    """The part of a plan that is a site's own; ``plan`` is added to as it is called."""

    def __init__(
        self, plan: Plan, config: PackConfig, cloud: Cloud, host: Hypervisor, reason: str
    ) -> None:
        self.plan, self.config, self.cloud, self.host = plan, config, cloud, host
        self.reason = reason
        self._commands: set[str] = set()

    @functools.cached_property
    def ssh(self) -> SshAccount:
        """The SSH account; raises UserError if there is none. Not every circle needs one."""
        return SshAccount.from_config(self.config, None)

    @functools.cached_property
    def _host_ip(self) -> str | None:
        """What Nova says is the address of the host."""
        found = things.look(self.cloud, "hypervisor", self.host.id)
        return found.host_ip if found else None

    def run(self, command: str) -> Ref:
        """Plan a named command on the host; return what it will return."""
        return self.plan.add(run_command, ssh=self.ssh.name, **self._data(command))

    def do(self, name: str, when: When, stage: Stage) -> None:
        """Plan a command, or a webhook that is told where the host is in its circle."""
        if not name.startswith(_WEBHOOK):
            self.run(name)
            return
        webhook = name.removeprefix(_WEBHOOK)
        self.plan.add(
            tell_webhook,
            webhook=webhook,
            to=webhook,
            cloud_name=self.cloud.name,
            hypervisor=self.host.id,
            host=self.host.name,
            when=when,
            stage=stage,
            reason=self.reason,
        )

    def before(self, stage: Stage) -> None:
        """Plan what goes before a stage, the flags last."""
        for name in self.config.maintenance.before.get(stage, ()):
            self.do(name, "before", stage)
        for flag in self.config.maintenance.around:
            if flag.before == stage:
                self._set(flag)

    def after(self, stage: Stage) -> None:
        """Plan what goes after a stage, the flags first."""
        for flag in self.config.maintenance.around:
            if flag.after == stage:
                self.run(flag.unset)
        for name in self.config.maintenance.after.get(stage, ()):
            self.do(name, "after", stage)

    def _set(self, flag: Around) -> None:
        unset = self._data(flag.unset, again=True)
        self.plan.add(
            set_flag,
            undo="always",
            ssh=self.ssh.name,
            host=self.host.id,
            name=self.host.name,
            command=flag.set,
            undoing=flag.unset,
            set=self._data(flag.set),
            unset=unset,
            unset_by=definition_of(run_command).key_of(unset),
        )

    def _data(self, command: str, *, again: bool = False) -> dict[str, Any]:
        """Return what a step that runs a command is planned with; each is planned once."""
        if command in self._commands and not again:
            raise UserError(
                f"Maintenance would run {command} twice on one hypervisor.",
                advice="Give the second one a name of its own in ssh_commands.",
            )
        if not again:
            self._commands.add(command)
        return step_data(
            self.ssh,
            command,
            {},
            host=self.host.id,
            name=self.host.name,
            host_ip=self._host_ip if "{host_ip}" in self.ssh.entry.address else None,
        )


def wrong(config: PackConfig) -> list[str]:
    """Return what of a site's own steps cannot be done, as the configuration is."""
    found = []
    for name in dict.fromkeys(_named(config)):
        try:
            if name.startswith(_WEBHOOK):
                Webhook.from_config(config, name.removeprefix(_WEBHOOK) or None)
            else:
                named(config, name)
        except UserError as error:
            found.append(str(error))
    settings = config.maintenance
    if settings.reboot and not found and not named(config, settings.reboot).reboots:
        found.append(f"the command {settings.reboot} is to reboot and has no reboots: true")
    for flag in settings.around:
        found += _wrong_flag(config, flag)
    return found


def _named(config: PackConfig) -> Iterator[str]:
    settings = config.maintenance
    yield from filter(
        None, (settings.agents, settings.patch, settings.reboot, settings.expected_kernel)
    )
    for stages in (settings.before, settings.after):
        for names in stages.values():
            yield from names


def _wrong_flag(config: PackConfig, flag: Around) -> Iterator[str]:
    if STAGES.index(flag.before) > STAGES.index(flag.after):
        yield f"{flag.set} is set before {flag.before}, which comes later than {flag.after}"
    for name in (flag.set, flag.unset):
        try:
            command = named(config, name)
        except UserError as error:
            yield str(error)
        else:
            if command.reboots or not command.repeatable:
                yield (
                    f"the command {name} of maintenance.around has to be one with repeatable: "
                    "true that does not reboot: it may be run twice"
                )
