"""Toy runbooks that act on a small world in a JSON file, where effects are counted.

A world outlives the processes that change it, so whatever a journal, a plan or an engine says,
the world tells what really happened, and how often. It can be told to misbehave.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from common import tracing
from workflow_api import (
    Attempt,
    CloudError,
    Context,
    Paused,
    Plan,
    StepFailed,
    Table,
    UnknownOutcome,
    step,
    workflow,
)
from workflow_api.planned import ChildRun, Drawn

WORLD = "TOY_WORLD"
_EMPTY: dict[str, Any] = {"things": {}, "log": [], "faults": {}, "asked": 0}

#: What the world does at the next change of a thing, and what its caller sees of that.
Fault = Literal[
    "once",  # nothing happens, as the step itself finds out, once
    "refused",  # nothing happens, ever, and the caller is told so
    "failed",  # nothing happens, ever, as the step itself finds out
    "dropped",  # nothing happens, and no answer comes
    "lost",  # it happens, and no answer comes
    "stuck",  # it happens in part, and going on with it is refused, once
    "busy",  # it happens, and the first poll after it is answered by 503
    "bug_before",  # the step breaks before it sends anything
    "bug_after",  # it happens, and the step breaks on the answer
    "unanswered",  # a look-up is not answered, once
    "bug_find",  # a look-up breaks, once
    "undo_fails",  # taking it back is refused
]

# Trying again does not help.
_LASTING = ("refused", "failed")


class World:
    """A JSON file of things and of all that was ever done to them."""

    #: Called as ``pause(where)`` before and after a change happens.
    pause: Callable[[str], None] = staticmethod(lambda where: None)

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def make(cls, path: Path, **faults: list[Fault]) -> World:
        """Make a world, with what is to go wrong with which thing."""
        path.write_text(json.dumps({**_EMPTY, "faults": faults}))
        return cls(path)

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Any]]:
        with open(self.path, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            state = json.load(file)
            yield state
            # One write, padded over what stood there before: a kill leaves no half of it.
            draft = json.dumps(state).encode()
            os.pwrite(file.fileno(), draft.ljust(os.fstat(file.fileno()).st_size), 0)

    @property
    def state(self) -> dict[str, Any]:
        """All there is to know."""
        with self._locked() as state:
            return state

    @property
    def things(self) -> dict[str, str]:
        """The things there are, by name."""
        things: dict[str, str] = self.state["things"]
        return things

    @property
    def effects(self) -> Counter[str]:
        """How often what happened, as ``paint a``."""
        return Counter(entry["what"] for entry in self.state["log"])

    @property
    def actors(self) -> list[int]:
        """The processes that changed something, in order."""
        return [entry["pid"] for entry in self.state["log"]]

    def change(self, verb: str, name: str, value: str | None) -> None:
        """Do something to a thing, once the run may."""
        trace = tracing.current()
        assert trace is not None, "only steps change the world"
        type(self).pause(f"before {verb} {name}")
        trace.sending()
        with self._locked() as state:
            state["log"].append({"what": f"{verb} {name}", "pid": os.getpid(), "attempt": trace.id})
            if value is None:
                state["things"].pop(name, None)
            else:
                state["things"][name] = value
        type(self).pause(f"after {verb} {name}")

    def fault(self, name: str, *kinds: Fault) -> Fault | None:
        """Take the next thing that is to go wrong with ``name``, if it is one of ``kinds``."""
        with self._locked() as state:
            waiting: list[Fault] = state["faults"].get(name, [])
            if waiting and waiting[0] in kinds:
                return waiting[0] if waiting[0] in _LASTING else waiting.pop(0)
        return None


class Yard:
    """An account of the toy world: what a runbook asks for by type."""

    account_kind = "yard"

    def __init__(self, name: str) -> None:
        self.name = name
        self.world = World(os.environ[WORLD])

    @classmethod
    def from_config(cls, config: Any, name: str | None) -> Yard:
        """Return the yard of that name; any name will do."""
        return cls(name or "home")


# -- steps -------------------------------------------------------------------------------------


def find_painted(attempt: Attempt, yard: Yard, name: str, color: str) -> dict[str, Any] | None:
    """Say whether the thing has the color."""
    fault = yard.world.fault(name, "unanswered", "bug_find")
    if fault == "unanswered":
        raise CloudError("The look-up was not answered.", status=503)
    if fault == "bug_find":
        raise KeyError("color")
    found = yard.world.things.get(name)
    return {"said": f"{name} is {found}", "color": found} if found == color else None


def strip(yard: Yard, name: str) -> None:
    """Take the paint off again."""
    if yard.world.fault(name, "undo_fails"):
        raise CloudError("The paint sticks.", status=409)
    yard.world.change("strip", name, None)


@step("toys.paint", "paint {name} {color}", key="{name}", find=find_painted, undo=strip)
def paint(
    attempt: Attempt, yard: Yard, name: str, color: str = "green", seconds: float = 0.0
) -> dict[str, Any]:
    """Paint a thing and wait until it is dry."""
    _change(yard, "paint", name, color)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        attempt.wait(0.02)
    return {"said": f"{name} is {color}", "color": color}


@step("toys.knock", "knock at {name}", key="{name}")
def knock(yard: Yard, name: str) -> None:
    """Knock at a door: nobody can find out later whether that was done."""
    _change(yard, "knock", name, "knocked")


@step("toys.sweep", "sweep {name}", key="{name}", repeatable=True)
def sweep(yard: Yard, name: str) -> None:
    """Sweep something: twice does no harm."""
    _change(yard, "sweep", name, "clean")


@step("toys.check", "check {name}", key="{name}", changes=False)
def check(yard: Yard, name: str) -> None:
    """Fail unless the thing is there."""
    if name not in yard.world.things:
        raise StepFailed(f"There is no {name}.")


@step("toys.wait", "wait with {name} until {until}", key="{name}", repeatable=True)
def wait_for_it(
    yard: Yard,
    name: str,
    until: float,
    later: dict[str, float] = {},  # noqa: B006 - never changed
) -> None:
    """Paint a thing when its time has come, by the wall clock."""
    until += later.get(name, 0)
    if time.time() < until:
        raise Paused(f"It is too early for {name}.", until)
    yard.world.change("sweep", name, "clean")


@step("toys.ring", "ring {name}", key="{name}")
def ring(attempt: Attempt, name: str) -> None:
    """Ring a bell through no account, and break."""
    raise RuntimeError("the rope broke")


def _change(yard: Yard, verb: str, name: str, value: str) -> None:
    world = yard.world
    fault = world.fault(
        name, "once", "refused", "failed", "dropped", "lost", "busy", "bug_before", "bug_after"
    )
    trace = tracing.current()
    assert trace is not None
    if fault == "bug_before":
        raise KeyError(name)
    if fault in ("once", "failed"):
        raise StepFailed(f"{name} is too wet.")
    if fault in ("refused", "dropped"):
        trace.sending()
        if fault == "refused":
            raise CloudError(f"{name} must not be touched.", status=409)
        raise UnknownOutcome("No answer came.")
    world.change(verb, name, value)
    if fault == "lost":
        raise UnknownOutcome("No answer came.")
    if fault == "busy":
        raise CloudError("The poll was not answered.", status=503)
    if fault == "bug_after":
        raise KeyError("answer")


STEPS: dict[str, Callable[..., Any]] = {
    "paint": paint,
    "knock": knock,
    "sweep": sweep,
    "check": check,
    "ring": ring,
    "wait": wait_for_it,
}


# -- runbooks ----------------------------------------------------------------------------------


class Thing:
    """A thing that can be claimed."""

    def __init__(self, yard: str, name: str) -> None:
        self.subject = f"thing:{yard}:{name}"


@workflow("toy.work")
def work(
    ctx: Context,
    yard: Yard,
    stages: list[dict[str, Any]],
    refuse: list[str] = [],  # noqa: B006 - never changed
    claim: str = "",
    parks: bool = False,
) -> Plan:
    """Do what ``stages`` says: ``{"do": "paint", "to": ["a", "b"], "at_most": 2, ...}``.

    ``{"run": [stages]}`` is a child run; ``{"rows": ["a", "b"], "at_most": 2}`` paints each of
    these things in a child run of its own, drawn with the plan. A row that is ``["a", "x"]`` is of
    the group x, of which ``at_most_per`` run at once.
    """
    names = [name for stage in stages for name in stage.get("to", [])]
    ctx.claim(*(Thing(yard.name, name) for name in [*names, *filter(None, [claim])]))
    World.pause("claimed")
    plan = Plan("Work", parks=parks)
    plan.refuse(refuse)
    for number, stage in enumerate(stages):
        if "run" in stage:
            more: dict[str, Any] = {"yard": stage["yard"]} if "yard" in stage else {}
            if stage.get("parks"):
                more["parks"] = True
            plan.run("toy.work", key=f"{number}", stages=stage["run"], **more)
            continue
        if "rows" in stage:
            _paint_rows(ctx, plan, stage)
            continue
        data = stage.get("data", {})
        plan.each(
            STEPS[stage["do"]],
            [{"name": name, **data} for name in stage["to"]],
            at_most=stage.get("at_most", 1),
            on_failure=stage.get("on_failure", "stop"),
            undo=stage.get("undo", "never"),
        )
    return plan


def _paint_rows(ctx: Context, plan: Plan, stage: dict[str, Any]) -> None:
    runs = []
    for number, row in enumerate(stage["rows"], 1):
        name, group = row if isinstance(row, list) else (row, "")
        painting = {"do": "paint", "to": [name], "data": stage.get("data", {})}
        parameters = {"stages": [{**painting, "undo": stage.get("undo", "never")}]}
        child = ctx.draw("toy.work", parameters)
        runs.append(
            ChildRun(
                key=name,
                parameters=parameters,
                sentence=f"row {name}",
                drawn=None if stage.get("late") else Drawn(child, time.monotonic()),
                group=group,
                about={"row": number, "parameters": {"name": name}},
            )
        )
    bounds = {
        name: stage[name] for name in ("at_most", "at_most_per", "on_failure") if name in stage
    }
    plan.each_run("toy.work", runs, **bounds)


@workflow("toy.list")
def list_things(ctx: Context, yard: Yard) -> Table:
    """List the things in the world."""
    rows = [{"name": name, "color": color} for name, color in sorted(yard.world.things.items())]
    return Table(("name", "color"), rows)
