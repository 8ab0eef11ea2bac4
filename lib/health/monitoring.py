"""Whether the monitoring systems of the configuration answer, and let us work there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from accounts.alertmanager import Alertmanager
from accounts.config import PackConfig
from accounts.icinga import Icinga
from alertmanager_api.status import may_silence, status
from health.checks import BAD, OK, OPEN, WARN, Check
from icinga_api.status import status as icinga_status
from workflow_api import RunbookError, clean

_NEGATIVE = "It has no negative matchers: a silence with one is refused. They came with 0.22."


def alertmanagers(config: PackConfig, wait: Callable[[float], None]) -> Iterator[Check]:
    """Look at every Alertmanager: which version it is, and whether it would take a silence.

    Nothing is silenced. ``wait`` is how to sleep, as ``time.sleep``.
    """
    for entry in config.alertmanagers:
        name = f"Alertmanager {entry.name}"
        try:
            account = Alertmanager.from_config(config, entry.name)
            account.wait = wait
            yield _version(name, account)
        except RunbookError as error:
            yield Check(name, BAD, error.message, error.advice)
            continue
        yield _right(f"right to silence in {name}", account)


def icingas(config: PackConfig, wait: Callable[[float], None]) -> Iterator[Check]:
    """Look at every Icinga: which version it is, and what its account may not do.

    ``wait`` is how to sleep, as ``time.sleep``.
    """
    for entry in config.icingas:
        name = f"Icinga {entry.name}"
        try:
            account = Icinga.from_config(config, entry.name)
            account.wait = wait
            found = icinga_status(account)
        except RunbookError as error:
            yield Check(name, BAD, error.message, error.advice)
            continue
        yield Check(name, OK, f"version {clean(found.version)}")
        right = f"right to schedule downtimes in {name}"
        if lacking := found.lacking():
            advice = "Give the account's ApiUser these permissions."
            yield Check(right, BAD, f"it lacks {', '.join(lacking)}", advice)
        else:
            yield Check(right, OK, "its own answer")


def _version(name: str, account: Alertmanager) -> Check:
    found = status(account)
    detail = f"version {clean(found.version)}" if found.version else "it tells no version"
    if not found.knows_negative_matchers:
        return Check(name, WARN, detail, _NEGATIVE)
    return Check(name, OK, detail)


def _right(name: str, account: Alertmanager) -> Check:
    try:
        allowed = may_silence(account)
    except RunbookError as error:
        return Check(name, OPEN, error.message, error.advice)
    if not allowed:
        advice = "What stands before it decides who may send: give the account's user this right."
        return Check(name, BAD, "it refuses to be sent silences", advice)
    return Check(name, OK, "its own answer")
