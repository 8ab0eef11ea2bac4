"""The step that runs a named command on a host, and what is known of it when nobody saw its end.

A command is sent once. Where its end was not seen (the session was cut, the process was killed)
it is not sent again, unless the configuration says that twice does no harm; but a host that was to
reboot, and is back with another boot id, has done so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from accounts.ssh import SshAccount
from common.duration import humanize
from common.errors import RunbookError
from common.redaction import excerpt
from ssh_api.boots import Boot, boot
from ssh_api.known_hosts import UntrustedHost
from ssh_api.running import Ended, NoAnswer, NotStarted, run
from ssh_api.sessions import session
from workflow_api import Attempt, StepFailed, UnknownOutcome, step

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


def find_command(
    attempt: Attempt,
    ssh: SshAccount,
    name: str,
    address: str,
    command: str,
    repeatable: bool,
    reboots: bool,
    reboot_timeout: float,
) -> dict[str, Any] | None:
    """Say what became of a command whose end was not seen.

    None if it was never sent, or may be sent again. Raises UnknownOutcome otherwise, unless it was
    to reboot the host and the host has rebooted.
    """
    if "sent" not in attempt.notes:
        return None
    before = Boot(attempt.notes["boot"], attempt.notes["kernel"])
    if reboots:
        left = attempt.notes["sent"] + reboot_timeout - time.time()
        until = time.monotonic() + max(min(left, reboot_timeout), _LEAST_LOOK)
        now = _come_back(attempt, ssh, address, name, before, until)
        if now.id != before.id:
            return _rebooted(name, before, now)
    if repeatable:
        return None
    raise UnknownOutcome(
        f"Nobody saw how {command} ended on {name}{_since(ssh, address, name, before)}. It is not "
        "run again: look on the host whether it has done its work."
    )


@step("ssh.run_command", "run {command} on {name}", key="{host}:{command}", find=find_command)
def run_command(
    attempt: Attempt,
    ssh: SshAccount,
    host: str,
    name: str,
    address: str,
    command: str,
    words: list[str],
    timeout: float,
    repeatable: bool,
    reboots: bool,
    reboot_timeout: float,
) -> dict[str, Any]:
    """Run a command on a host, wait for its end, and for the host if it reboots."""
    with session(ssh, address, [name]) as opened:
        before = boot(ssh, opened)
        attempt.note(boot=before.id, kernel=before.kernel, sent=time.time())
        attempt.sending()
        try:
            ended = run(
                opened,
                words,
                timeout=timeout,
                take=_progress(attempt, name),
                check=lambda: attempt.wait(0),
            )
        except NotStarted as error:
            raise StepFailed(f"{name} did not run {command}: {error}.") from None
        except NoAnswer as error:
            raise UnknownOutcome(f"{name} may have run {command}: {error}.") from None
    output = "\n".join(excerpt(line, _LONGEST_LINE) for line in ended.output.split("\n"))
    about = {"host": name, "command": command, "status": ended.status, "output": output}
    if reboots and _may_reboot(ended):
        until = time.monotonic() + reboot_timeout
        now = _come_back(attempt, ssh, address, name, before, until)
        if now.id == before.id:
            raise StepFailed(
                f"{name} has not rebooted within {humanize(reboot_timeout)}: {ended.how}"
                f"{_why(output)}."
            )
        return {**_rebooted(name, before, now), **about}
    if not ended.known:
        raise UnknownOutcome(f"{command} was running on {name} when {ended.how}.")
    if ended.status != 0 or ended.timed_out:
        raise StepFailed(f"{command} failed on {name}: {ended.how}{_why(output)}.")
    last = f": {excerpt(ended.last_line, _LONGEST_SHOWN)}" if ended.last_line else ""
    return {"said": f"{name}: {ended.how} in {humanize(ended.seconds)}{last}", **about}


def _may_reboot(ended: Ended) -> bool:
    """Whether a command that reboots has done its work so far, or was ended by the shutdown."""
    if ended.timed_out:
        return False
    return ended.status in (None, 0) or ended.status > _BY_SIGNAL


def _come_back(
    attempt: Attempt, ssh: SshAccount, address: str, name: str, before: Boot, until: float
) -> Boot:
    """Return the boot that a host is in, once that is another one, or the time is up.

    Raises UnknownOutcome for a host that does not answer then, and UntrustedHost for one that
    answers with another key.
    """
    attempt.say(f"{name}: waiting until it is back")
    while True:
        try:
            with session(ssh, address, [name]) as opened:
                now, why = boot(ssh, opened), ""
            if now.id != before.id:
                return now
        except UntrustedHost:
            raise
        except RunbookError as error:
            # It is away; or it refuses logins or commands, while it shuts down or starts.
            now, why = before, str(error)
        if time.monotonic() > until:
            if why:
                raise UnknownOutcome(f"{name} is not back: {why}")
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


def _since(ssh: SshAccount, address: str, name: str, before: Boot) -> str:
    """Return, as the end of a sentence, whether the host has rebooted since."""
    if not before.id:
        return ""
    try:
        with session(ssh, address, [name]) as opened:
            now = boot(ssh, opened)
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
