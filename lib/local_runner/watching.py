"""``./runbook watch``: what sensors tell, without StackStorm."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
import uuid
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from accounts.config import load
from common.duration import Duration
from common.errors import UserError
from common.redaction import Redactor, at_work
from common.text import clean
from local_runner.configuration import find, read
from local_runner.logs import log_to_file
from local_runner.running import DONE, FAILED
from local_runner.screen import is_terminal
from local_runner.watch_views import JsonLines, Lines, TableInPlace, View
from observing.polling import Polled, Poller
from state.store import Store

if TYPE_CHECKING:
    from accounts.config import PackConfig
    from local_runner.ruling import Ruling

# Ctrl-C is heeded at least so often.
_NAP = 0.5


class _Watched(msgspec.Struct):
    """One sensor, how often it looks, and when it looks next by the monotonic clock."""

    poller: Poller
    every: float
    due: float = 0.0


def watch(
    names: Sequence[str],
    config: Path | None,
    *,
    clouds: Collection[str] = (),
    every: str | None = None,
    once: bool = False,
    as_json: bool = False,
    rules: Collection[str] | None = None,
) -> int:
    """Poll and show until Ctrl-C, or ``once``; return the exit code.

    An event is shown and, unless ``rules`` is None, what rules start on it is started; then it
    counts as told. ``rules`` are those that act though their files say that they are disabled.
    With ``once`` what was started is waited for, and the code is FAILED if anything was not seen.
    Raises UserError for sensors, clouds, rules and durations that there are not.
    """
    log_to_file()
    path = find(config)
    settings = read(path)
    for warning in settings.warnings:
        sys.stderr.write(f"Warning: {clean(warning)}\n")
    redactor = Redactor(settings.values)
    loaded = load(settings.values)
    for one in clouds:
        loaded.cloud(one)  # raises what there is to say of its name
    pause = _pause(every)
    holder = f"watch:{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    with at_work(redactor), ExitStack() as stack:
        watched = []
        for name in dict.fromkeys(word.strip() for word in names if word.strip()):
            poller = Poller(name, loaded, holder, clouds, bug=lambda error: _bug(error, redactor))
            stack.callback(poller.leave)
            watched.append(_Watched(poller, pause or float(poller.settings.every)))
        if not watched:
            raise UserError("Which sensor?", advice="docs/SENSORS.md has them all.")
        ruled = None if rules is None else _ruling(rules, path, loaded, stack)
        view = stack.enter_context(_view(as_json, redactor))
        try:
            return _watch(watched, view, once, ruled)
        except KeyboardInterrupt:  # what was found and not shown is told the next time
            for line in ruled.leave() if ruled else ():
                sys.stderr.write(f"{line}\n")
            return DONE


def _ruling(enable: Collection[str], config: Path, loaded: PackConfig, stack: ExitStack) -> Ruling:
    from local_runner.ruling import Ruling

    store = Store(loaded.state_url)
    stack.callback(store.close)
    return Ruling(enable, config, store)


def _pause(every: str | None) -> float | None:
    if every is None:
        return None
    try:
        found = float(Duration.parse(every))
    except ValueError as error:
        raise UserError(f"--every: {error}.") from None
    if found <= 0:
        raise UserError("--every: it must be longer than nothing.")
    return found


def _view(as_json: bool, redactor: Redactor) -> View:
    if as_json:
        return JsonLines(redactor)
    return TableInPlace(redactor) if is_terminal(sys.stdout) else Lines(redactor)


def _watch(watched: Sequence[_Watched], view: View, once: bool, ruled: Ruling | None) -> int:
    failed = False
    while True:
        if ruled:
            ruled.look(view)
        for one in watched:
            if one.due > time.monotonic():
                continue
            name = one.poller.observer.name
            for polled in one.poller.poll():
                failed |= polled.error is not None
                _tell(one.poller, name, polled, view, ruled)
            one.due = time.monotonic() + one.every
        if once:
            if ruled:
                ruled.finish(view)
            return FAILED if failed else DONE
        while (left := min(one.due for one in watched) - time.monotonic()) > 0:
            if ruled:
                ruled.look(view)
            time.sleep(min(left, _NAP))


def _tell(poller: Poller, name: str, polled: Polled, view: View, ruled: Ruling | None) -> None:
    for event in polled.events:
        view.event(event)
        if ruled:
            ruled.act(event, view)
    view.polled(name, polled)
    if polled.events:
        poller.confirm([event.id for event in polled.events])


def _bug(error: BaseException, redactor: Redactor) -> str:
    number = os.urandom(6).hex()
    text = redactor.text("".join(traceback.format_exception(error)))
    logging.getLogger("openstack_ops").error("bug %s\n%s", number, text)
    return f"Internal error {number} ({type(error).__name__}): this is a bug in the pack."
