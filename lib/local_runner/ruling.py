"""``./runbook watch --rules``: what rules start, without StackStorm.

Each run has a process of its own, which Ctrl-C of the watch does not reach, as an execution of
StackStorm goes on when a sensor ends. All that holds up a run which a rule starts (the lock of
operations, the brakes, a trigger that comes again) is looked at by that run itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any

import msgspec

from common.errors import NotFound, UserError
from common.text import clean, near
from local_runner.actions import PACK, Catalogue
from local_runner.arguments import parameters_from
from local_runner.watch_views import View
from rules.files import Rule, parameters, rules_in
from rules.matching import mismatch
from state.journal import Journal
from state.observations import Found
from state.store import Store
from workflow_api.context import Requester

_RUNBOOK = Path(__file__).resolve().parents[2] / "runbook"
# For so long a run is waited for until the journal knows of it: then its event may count as told.
_BEGUN_WITHIN = 60.0
_NAP = 0.1
_TIMER = "core.st2.IntervalTimer"


class Started(msgspec.Struct):
    """A run that a rule has started, while its process lives."""

    rule: str
    action: str
    trigger_id: str
    process: subprocess.Popen[bytes]
    answer: IO[bytes]
    errors: IO[bytes]


class Ruling:
    """The rules of a folder, on the events of a watch.

    A rule that is enabled in its file, or named in ``enable``, starts its action; of the others it
    is told what they would start.
    """

    def __init__(self, enable: Collection[str], config: Path, store: Store) -> None:
        """Read the rules. Raises UserError for one that cannot be right, or that there is not."""
        self.config, self.store = config, store
        self.rules = rules_in()
        names = [rule.name for rule in self.rules]
        for name in enable:
            if name not in names:
                raise NotFound("rule", clean(name), near=near(name, names))
        self.enabled = {rule.name for rule in self.rules if rule.enabled} | set(enable)
        for rule in self.rules:
            kind = rule.trigger.type
            if rule.name in self.enabled and not kind.startswith(f"{PACK}.") and kind != _TIMER:
                raise UserError(
                    f"The rule {rule.name} waits for {kind}, which only StackStorm has."
                )
        self._catalogue, self._running = Catalogue(), list[Started]()
        self._due: dict[str, float] = {}

    def look(self, view: View) -> None:
        """Start what timers start, and show which runs have ended since the last time."""
        for rule in self.rules:
            if rule.trigger.type == _TIMER and rule.name in self.enabled:
                self._tick(rule, view)
        self._collect(view)

    def _tick(self, rule: Rule, view: View) -> None:
        """Start the action of a timer whose time has come, also if the last one is still at it."""
        given = rule.trigger.parameters
        every = timedelta(**{given["unit"]: given["delta"]}).total_seconds()
        due = self._due.setdefault(rule.name, time.monotonic() + every)
        if due > time.monotonic():
            return
        self._due[rule.name] = time.monotonic() + every
        payload = {"executed_at": str(datetime.now(timezone.utc)), "schedule": given}
        self._judge(rule, payload, view)

    def act(self, event: Found, view: View) -> None:
        """Start what rules start on an event, and show it."""
        for rule in self.rules:
            if rule.trigger.type == f"{PACK}.{event.trigger}":
                self._judge(rule, event.payload, view)

    def finish(self, view: View) -> None:
        """Wait until every run has ended, and show how."""
        for one in self._running:
            one.process.wait()
        self._collect(view)

    def leave(self) -> Iterable[str]:
        """Return a sentence for each run that goes on by itself."""
        for one in self._running:
            if one.process.poll() is None:
                yield f"{one.action}, started by rule {one.rule}, goes on: see run.list."

    def _judge(self, rule: Rule, payload: Any, view: View) -> None:
        about: dict[str, Any] = {"rule": rule.name, "action": rule.action.ref}
        try:
            if mismatch(rule.criteria, payload) is not None:
                return
            given = self.call(rule, payload)
        except UserError as error:
            view.ruled({**about, "error": str(error)})
            return
        view.ruled({**about, "parameters": given, "enabled": rule.name in self.enabled})
        if rule.name in self.enabled:
            self._start(rule, given)

    def _collect(self, view: View) -> None:
        for one in [one for one in self._running if one.process.poll() is not None]:
            self._running.remove(one)
            view.ruled({"rule": one.rule, "action": one.action, "ended": _ending(one)})

    def call(self, rule: Rule, payload: Any) -> dict[str, Any]:
        """Return the parameters that a rule calls its action with, checked as the action's.

        Raises UserError for what the action would not take.
        """
        action = self._catalogue.action(rule.action.ref)
        types = {name: parameter.type for name, parameter in action.parameters.items()}
        given = parameters(rule, payload, types)
        if "trigger_id" in types and not given.get("trigger_id"):
            raise UserError(f"{rule.name} has no trigger_id: it could start its run twice.")
        parameters_from(action, given, Requester().user)
        return {name: value for name, value in given.items() if value is not None}

    def _start(self, rule: Rule, given: dict[str, Any]) -> None:
        action = rule.action.ref.removeprefix(f"{PACK}.")
        words = [
            f"{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in given.items()
        ]
        command = [sys.executable, str(_RUNBOOK), "run", action, *words]
        # Files, not pipes: those would end the run when this process ends.
        answer, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(  # noqa: S603 - this very command
            [*command, "--json", "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=errors,
            start_new_session=True,
        )
        begun = given.get("trigger_id", "")
        started = Started(rule.name, action, begun, process, answer, errors)
        self._running.append(started)
        if started.trigger_id:
            self._await(started)

    def _await(self, started: Started) -> None:
        """Wait until the journal knows of the run, or its process has ended.

        If this process is killed before, the event comes again, and the run is started once.
        """
        until = time.monotonic() + _BEGUN_WITHIN
        journal = Journal(self.store)
        while started.process.poll() is None and time.monotonic() < until:
            try:
                journal.by_trigger(started.trigger_id)
            except NotFound:
                time.sleep(_NAP)
            else:
                return


def _ending(started: Started) -> str:
    """Return what a run's answer says in a sentence."""
    with started.answer as answer, started.errors as errors:
        answer.seek(0)
        errors.seek(0)
        try:
            return clean(json.load(answer)["summary"])
        except (ValueError, KeyError, TypeError):
            last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            return clean(last) or "it has not answered"
