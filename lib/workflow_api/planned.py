"""What plans are made of: steps, the stages in which they stand, and runs that are steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from workflow_api.ref import as_parameter, as_stored, shown
from workflow_api.step import Data, StepDefinition, bounded_key, step_named

if TYPE_CHECKING:
    from workflow_api.plan import Plan

Undo = Literal["never", "on_cancel", "on_failure", "on_park", "always"]
OnFailure = Literal["stop", "continue"]
CHILD = "plan.run"


class PlannedStep(msgspec.Struct):
    """One step of a plan: the function's name, its version, its data and its accounts' names."""

    key: str
    name: str
    sentence: str
    data: Data
    accounts: dict[str, str] = msgspec.field(default_factory=dict)
    version: int = 1
    changes: bool = True
    undo: Undo = "never"
    #: What ``at_most_per`` of its stage counts it among, as the host that it is about.
    group: str = ""
    #: The row that it was asked for by, and what it is called there, for the report alone.
    about: Data = msgspec.field(default_factory=dict)

    @property
    def definition(self) -> StepDefinition:
        """The registered function; raises KeyError if this code has none of that name."""
        return step_named(self.name)

    @property
    def is_child(self) -> bool:
        """Whether this step is a run of its own, drawn when it is reached."""
        return self.name == CHILD

    def as_data(self) -> Data:
        """Return the stored form; what only steps of groups have stands in theirs alone."""
        data = msgspec.structs.asdict(self)
        return {k: v for k, v in data.items() if v or k not in ("group", "about")}

    def identity(self) -> str:
        """Return what must be equal in a plan drawn again: what it does, not how it is shown."""
        return json.dumps(
            [self.name, self.version, self.data, self.accounts, self.undo], sort_keys=True
        )


class Stage(msgspec.Struct):
    """Steps that may run at the same time, at most ``at_most`` at once; stages run in order.

    Of those of one group at most ``at_most_per`` do, if that is given.
    """

    steps: list[PlannedStep]
    at_most: int = 1
    on_failure: OnFailure = "stop"
    at_most_per: int | None = None


class Drawn(msgspec.Struct, frozen=True):
    """A child's plan that was drawn with its parent's; ``at`` is when, by time.monotonic()."""

    plan: Plan
    at: float


class ChildRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a group of child runs: its parameters, and its plan if that is drawn already.

    ``sentence`` is what it does in the words of an operator, ``group`` what ``at_most_per`` counts
    it among, ``about`` what the report tells of the row that asked for it.
    """

    key: str
    parameters: Mapping[str, Any]
    sentence: str = ""
    drawn: Drawn | None = None
    group: str = ""
    about: Data = {}


def check_bounds(at_most: int, on_failure: str) -> None:
    """Raise ValueError for what bounds no group of steps."""
    if at_most < 1:
        raise ValueError("at_most is at least 1")
    if on_failure not in get_args(OnFailure):
        raise ValueError(f"on_failure is stop or continue, not {on_failure!r}")


def child_of(workflow: str, key: str, parameters: Mapping[str, Any]) -> PlannedStep:
    """Return the step that is a run of another workflow."""
    given = {k: as_parameter(v) for k, v in parameters.items() if v is not None}
    said = " ".join(f"{name}={shown(value)}" for name, value in given.items())
    return PlannedStep(
        key=bounded_key(f"{CHILD}:{key}"),
        name=CHILD,
        sentence=f"run {workflow} {said}".rstrip(),
        data={"workflow": workflow, "parameters": as_stored(given)},
    )
