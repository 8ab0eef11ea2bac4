"""Running a command on a host for a step: its output, its end, and the host's return."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from accounts.ssh import SshAccount
from common.duration import humanize
from common.errors import RunbookError
from common.redaction import excerpt
from ssh_api.boots import Boot, boot
from ssh_api.known_hosts import UntrustedHost
from ssh_api.running import Ended, NoAnswer, NotStarted, run
from ssh_api.sessions import session
from workflow_api import Attempt, StepFailed, UnknownOutcome

_LONGEST_LINE = 4000
# Lines of output that are shown as they come; later ones at most one in so many seconds.
_LINES_SHOWN, _BETWEEN_LINES = 100, 2.0
_LONGEST_SHOWN = 200
# How much of the end of its output says why a command failed.
_WHY = 500
_BETWEEN_LOOKS = 5.0
# A look-up has at least so long for a host that is just coming back.
_LEAST_LOOK = 60.0
# What a shell makes of a command that was ended by a signal, as a shutdown sends one.
_BY_SIGNAL = 128


class Host(NamedTuple):
    """A host that is logged in to, and what known_hosts may call it beside its address."""

    ssh: SshAccount
    name: str
    address: str
    known_as: Sequence[str]

    def session(self) -> AbstractContextManager[Any]:
        """Log in."""
        return session(self.ssh, self.address, self.known_as)


def found(
    attempt: Attempt, host: Host, command: str, repeatable: bool, reboot_timeout: float | None
) -> dict[str, Any] | None:
    """Return what ``remote.steps.find_command`` does; without a timeout it was not to reboot."""
    if "sent" not in attempt.notes:
        return None
    before = Boot(attempt.notes["boot"], attempt.notes["kernel"])
    if reboot_timeout is not None:
        left = attempt.notes["sent"] + reboot_timeout - time.time()
        until = time.monotonic() + max(min(left, reboot_timeout), _LEAST_LOOK)
        now = _come_back(attempt, host, before, until)
        if now.id != before.id:
            return _rebooted(host.name, before, now)
    if repeatable:
        return None
    raise UnknownOutcome(
        f"Nobody saw how {command} ended on {host.name}{_since(host, before)}. It is not run "
        "again: look on the host whether it has done its work."
    )


def done(
    attempt: Attempt,
    host: Host,
    command: str,
    words: Sequence[str],
    timeout: float,
    reboot_timeout: float | None,
) -> dict[str, Any]:
    """Return what ``remote.steps.run_command`` does; without a timeout it is not to reboot."""
    with host.session() as opened:
        before = boot(host.ssh, opened)
        attempt.note(boot=before.id, kernel=before.kernel, sent=time.time())
        attempt.sending()
        try:
            ended = run(
                opened,
                words,
                timeout=timeout,
                take=_progress(attempt, host.name),
                check=lambda: attempt.wait(0),
            )
        except NotStarted as error:
            raise StepFailed(f"{host.name} did not run {command}: {error}.") from None
        except NoAnswer as error:
            raise UnknownOutcome(f"{host.name} may have run {command}: {error}.") from None
    output = "\n".join(excerpt(line, _LONGEST_LINE) for line in ended.output.split("\n"))
    about = {"host": host.name, "command": command, "status": ended.status, "output": output}
    if reboot_timeout is not None and _may_reboot(ended):
        now = _come_back(attempt, host, before, time.monotonic() + reboot_timeout)
        if now.id == before.id:
            raise StepFailed(
                f"{host.name} has not rebooted within {humanize(reboot_timeout)}: {ended.how}"
                f"{_why(output)}."
            )
        return {**_rebooted(host.name, before, now), **about}
    if not ended.known:
        raise UnknownOutcome(f"{command} was running on {host.name} when {ended.how}.")
    if ended.status != 0 or ended.timed_out:
        raise StepFailed(f"{command} failed on {host.name}: {ended.how}{_why(output)}.")
    last = f": {excerpt(ended.last_line, _LONGEST_SHOWN)}" if ended.last_line else ""
    return {"said": f"{host.name}: {ended.how} in {humanize(ended.seconds)}{last}", **about}


def _may_reboot(ended: Ended) -> bool:
    """Whether a command that reboots has done its work so far, or was ended by the shutdown."""
    if ended.timed_out:
        return False
    return ended.status in (None, 0) or ended.status > _BY_SIGNAL


def _come_back(attempt: Attempt, host: Host, before: Boot, until: float) -> Boot:
    """Return the boot that a host is in, once that is another one, or the time is up.

    Raises UnknownOutcome for a host that does not answer then, and UntrustedHost for one that
    answers with another key.
    """
    attempt.say(f"{host.name}: waiting until it is back")
    while True:
        try:
            with host.session() as opened:
                now, why = boot(host.ssh, opened), ""
            if now.id != before.id:
                return now
        except UntrustedHost:
            raise
        except RunbookError as error:
            # It is away; or it refuses logins or commands, while it shuts down or starts.
            now, why = before, str(error)
        if time.monotonic() > until:
            if why:
                raise UnknownOutcome(f"{host.name} is not back: {why}")
            return now
        attempt.wait(_BETWEEN_LOOKS)


def _rebooted(name: str, before: Boot, now: Boot) -> dict[str, Any]:
    """Return the result of a command that has rebooted its host."""
    kernel = now.kernel if now.kernel == before.kernel else f"{before.kernel}, now {now.kernel}"
    told = f" (kernel {kernel})" if now.kernel else ""
    return {
        "said": f"{name} has rebooted{told}",
        "boot": now.id,
        "kernel": now.kernel,
        "kernel_before": before.kernel,
    }


def _since(host: Host, before: Boot) -> str:
    """Return, as the end of a sentence, whether the host has rebooted since."""
    if not before.id:
        return ""
    try:
        with host.session() as opened:
            now = boot(host.ssh, opened)
    except RunbookError as error:
        return f", and it does not answer now ({error})"
    return ", which has rebooted since" if now.id != before.id else ", which has not rebooted since"


def _why(output: str) -> str:
    """Return the end of what a command printed, as the end of a sentence."""
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    text = " | ".join(lines)
    return f": {text if len(text) <= _WHY else '...' + text[-_WHY:]}" if text else ""


def _progress(attempt: Attempt, name: str) -> Callable[[str], None]:
    """Return what shows lines of output as they come, but no flood of them."""
    shown, last = 0, 0.0

    def take(line: str) -> None:
        nonlocal shown, last
        now = time.monotonic()
        if shown >= _LINES_SHOWN and now - last < _BETWEEN_LINES:
            return
        shown, last = shown + 1, now
        if text := excerpt(line, _LONGEST_SHOWN):
            attempt.say(f"{name}: {text}")

    return take
