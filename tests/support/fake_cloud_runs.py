"""Calling workflows and steps against a fake cloud, without an engine or a clock."""

from __future__ import annotations

import time
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from accounts.cloud import Cloud
from common import tracing
from engine.parameters import bind
from hypervisors import test_objects, testing
from migration import following
from migration import move as moving
from query_api.lookups import migration_watch
from state.journal import Journal
from workflow_api import Context, Plan, Requester, Table
from workflow_api.planned import PlannedStep
from workflow_api.workflow import workflow_named


@dataclass
class Remembered:
    """Claims that are always granted."""

    subjects: list[str] = field(default_factory=list)

    def claim(self, subjects: Mapping[str, str]) -> None:
        """Remember what is claimed."""
        self.subjects += subjects


class EmptyJournal:
    """A journal without runs."""

    def recent(self, limit: int) -> list[object]:
        """Return the newest runs."""
        return []


def call(
    cloud: Cloud, workflow: str, claims: Remembered | None = None, /, **parameters: Any
) -> Any:
    """Call a workflow and return what it returns."""
    context = Context(
        config=cloud.config,
        requester=Requester(user="ann", origin="test"),
        claims=claims or Remembered(),
        say=lambda text: None,
        open_journal=lambda: cast(Journal, EmptyJournal()),
    )
    known = workflow_named(workflow)
    asked = bind(known, parameters, lambda kind, wanted: cloud)
    return known.function(context, **asked.arguments)


def drawn(cloud: Cloud, workflow: str, /, **parameters: Any) -> Plan:
    """Return the plan of a changing workflow."""
    plan = call(cloud, workflow, **parameters)
    assert isinstance(plan, Plan)
    return plan


def read(cloud: Cloud, workflow: str, /, **parameters: Any) -> Table:
    """Return the table of a reading workflow."""
    table = call(cloud, workflow, **parameters)
    assert isinstance(table, Table)
    return table


class Clock:
    """Time that passes only when somebody waits, and with each look at it by a little."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._planned: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def wait(self, seconds: float, *, between: bool = False) -> None:
        """Let time pass, and what was planned for then happen."""
        self.now += seconds
        due = [happen for at, happen in self._planned if at <= self.now]
        self._planned = [(at, happen) for at, happen in self._planned if at > self.now]
        for happen in due:
            happen()

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Plan something."""
        self._planned.append((self.now + seconds, happen))

    def rule(self, patch: pytest.MonkeyPatch) -> None:
        """Be the clock of everything that waits for migrations, and of tests of hypervisors."""
        told = types.SimpleNamespace(monotonic=self.monotonic, time=time.time)
        for module in (moving, following, migration_watch, testing, test_objects):
            patch.setattr(module, "time", told)


@dataclass
class FakeAttempt:
    """What a step sees of an engine: ``waited`` is told of every wait."""

    wait: Callable[..., None] = time.sleep
    run: str = "11111111-1111-4111-8111-111111111111"
    key: str = "key"
    again: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def note(self, **facts: Any) -> None:
        """Keep facts."""
        self.notes.update(facts)

    def sending(self) -> None:
        """Allow everything."""

    def say(self, text: str) -> None:
        """Keep what is said."""
        self.said.append(text)


@contextmanager
def tracing_as(changes: bool) -> Iterator[tracing.Trace]:
    """Be an attempt on the wire, that may change things or not."""
    trace = tracing.Trace(str(uuid.uuid4()), fence=lambda: None, changes=changes)
    with tracing.traced(trace):
        yield trace


def perform(step: PlannedStep, cloud: Cloud, attempt: FakeAttempt) -> Any:
    """Carry out a planned step as the engine would, once."""
    try:
        return _called(step, step.definition.function, cloud, attempt, step.changes)
    finally:
        attempt.again = True


def look_up(step: PlannedStep, cloud: Cloud, attempt: FakeAttempt) -> Any:
    """Ask the step's find what became of it."""
    find = step.definition.find
    assert find is not None
    return _called(step, find, cloud, attempt, False)


def finish(step: PlannedStep, cloud: Cloud, attempt: FakeAttempt) -> Any:
    """Bring what is begun of a step to its end."""
    ending = step.definition.finish
    assert ending is not None
    return _called(step, ending, cloud, attempt, True)


def take_back(step: PlannedStep, cloud: Cloud, attempt: FakeAttempt) -> Any:
    """Undo a planned step."""
    undo = step.definition.undo
    assert undo is not None
    return _called(step, undo, cloud, attempt, True)


def _called(
    step: PlannedStep, what: Callable[..., Any], cloud: Cloud, attempt: FakeAttempt, changes: bool
) -> Any:
    with tracing_as(changes):
        return step.definition.call(what, attempt, {"cloud": cloud}, step.data)
