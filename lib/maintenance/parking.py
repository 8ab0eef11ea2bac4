"""Parking a host whose maintenance went wrong: out of scheduling, with the reason, and told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from common.reasons import shortened_reason
from maintenance.telling import key_of, tell
from openstack_api import compute as change
from query_api.lookups import compute
from state.failures import Failures
from workflow_api import Attempt, clean, step

_SENTENCE = "park {host} if a later step fails"


def park(attempt: Attempt, cloud: Cloud, service: str, host: str) -> str:
    """Have the reason of a host that is out of scheduling say what went wrong; return that.

    One that is in scheduling has not left it yet, or was tested and given back: it stays there.
    """
    why = "; ".join(f"{sentence}: {error}" for sentence, error in _failures(attempt))
    now = compute.hypervisor_behind(cloud, service)
    if now is not None and now.status == "disabled":
        reason = shortened_reason(f"parked by run {attempt.run}: {why}")
        if now.service.disabled_reason != reason:
            change.disable_service(cloud, service, reason)
    return why


def park_and_tell(
    attempt: Attempt,
    cloud: Cloud,
    smtp: SmtpAccount,
    service: str,
    host: str,
    recipients: list[str],
) -> None:
    """Park the host and tell the operators, once for each time that it goes wrong."""
    why = park(attempt, cloud, service, host)
    run = f"run={attempt.run}"
    paragraphs = [
        f"Maintenance of {host} of {cloud.shown} stopped: {why}",
        "It stays out of scheduling, and what is silenced ends by itself at its time.",
        f"Look at it with run.show {run}. Go on from where it stopped with run.resume {run}.",
        f"Or give the run up with run.cancel {run}, and the host back with hypervisor.return.",
    ]
    # A run that was resumed, and went wrong once more, is told of once more.
    key = key_of(attempt, f"parked-{attempt.records(Failures).tries()}-{host}")
    tell(attempt, smtp, key, recipients, f"Maintenance of {host} stopped", paragraphs)


@step("maintenance.stand_by", _SENTENCE, key="{host}", undo=park, repeatable=True)
def stand_by(attempt: Attempt, cloud: Cloud, service: str, host: str) -> dict[str, Any]:
    """Change nothing: what counts is the undo, by which a run that fails parks its host."""
    return {"said": "ready"}


@step(
    "maintenance.stand_by_and_tell",
    f"{_SENTENCE}, and tell the operators",
    key="{host}",
    undo=park_and_tell,
    repeatable=True,
)
def stand_by_and_tell(
    attempt: Attempt,
    cloud: Cloud,
    smtp: SmtpAccount,
    service: str,
    host: str,
    recipients: list[str],
) -> dict[str, Any]:
    """Change nothing, as :func:`stand_by`."""
    return {"said": "ready"}


def _failures(attempt: Attempt) -> Sequence[tuple[str, str]]:
    failed = [(clean(what), clean(why)) for what, why in attempt.records(Failures).all()]
    return failed or [("it", "it went no further")]
