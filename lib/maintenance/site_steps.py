"""What sites put around the stages of maintenance: webhooks that are told, flags that are set."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from accounts.ssh import SshAccount
from accounts.webhook import Webhook
from state.earlier import Earlier
from webhook_api.deliveries import deliver
from workflow_api import Attempt, step

_UTC = datetime.timezone.utc
_SCHEMA = 1


@step(
    "maintenance.tell_webhook",
    "tell webhook {to} that {host} is {when} {stage}",
    key="{host}:{when}:{stage}:{to}",
    repeatable=True,
)
def tell_webhook(
    attempt: Attempt,
    webhook: Webhook,
    to: str,
    cloud_name: str,
    hypervisor: str,
    host: str,
    when: str,
    stage: str,
    reason: str,
) -> dict[str, Any]:
    """Tell a site's webhook which stage a host is before or after, and go on once it has taken it.

    Sent twice, it is the same delivery by its id.
    """
    told = {
        "schema": _SCHEMA,
        "run": attempt.run,
        "cloud": cloud_name,
        "hypervisor": hypervisor,
        "host": host,
        "when": when,
        "stage": stage,
        "reason": reason,
        "sent_at": f"{datetime.datetime.now(_UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    id = str(uuid.uuid5(uuid.UUID(attempt.run), attempt.key))
    deliver(webhook, id, told, f"telling it that {host} is {when} {stage}")
    return {"said": f"webhook {webhook.name} has taken it"}


def unset_flag(
    attempt: Attempt, ssh: SshAccount, unset: Mapping[str, Any], unset_by: str
) -> dict[str, Any] | None:
    """Unset the flag, unless its own step has done that."""
    if attempt.records(Earlier).is_done(unset_by):
        return None
    return _run(attempt, ssh, unset)


@step(
    "maintenance.set_flag",
    "run {command} for {name} until the work is over, and then {undoing}",
    key="{host}:{command}",
    undo=unset_flag,
    repeatable=True,
)
def set_flag(
    attempt: Attempt,
    ssh: SshAccount,
    host: str,
    name: str,
    command: str,
    undoing: str,
    set: dict[str, Any],
    unset: dict[str, Any],
    unset_by: str,
) -> dict[str, Any]:
    """Run the command that sets a flag, unless the run has gone past what it is for.

    ``set`` and ``unset`` are the data of a step that runs a command; ``unset_by`` is the key of
    the step that unsets the flag where all goes well.
    """
    if attempt.records(Earlier).is_done(unset_by):
        return {"said": f"{name} is past what {command} is for"}
    return _run(attempt, ssh, set)


def _run(attempt: Attempt, ssh: SshAccount, data: Mapping[str, Any]) -> dict[str, Any]:
    from remote.running import Host, done

    host = Host(ssh, data["name"], data["address"], data["known_as"])
    return done(attempt, host, data["command"], data["words"], data["timeout"], None)
