"""What the journal hands out: typed, read-only views of its rows.

They are msgspec's: each process that opens a journal would wait a millisecond for each dataclass.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import Row, Select, and_, case, or_, select

from state.clock import by_wall_clock, db_now
from state.schema import runs

RunState = Literal["planned", "running", "succeeded", "failed", "interrupted", "cancelled"]
StepState = Literal["pending", "running", "begun", "done", "failed", "skipped", "unknown"]
AttemptKind = Literal["apply", "find", "finish", "undo", "settle"]
Verb = Literal["start", "apply", "resume", "cancel", "settle"]

FINISHED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
# Steps of which nobody knows what became of them: it must be looked up.
OPEN: frozenset[str] = frozenset({"running", "unknown"})
# And those that are known to be done in part.
UNSETTLED: frozenset[str] = OPEN | {"begun"}


class StepRecord(msgspec.Struct, frozen=True):
    """One step of a run: times in seconds since 1970, ``error`` as a sentence."""

    run: str
    key: str
    position: int
    sentence: str
    state: StepState
    attempts: int
    result: Any
    error: str | None
    started_at: float | None
    ended_at: float | None
    undone: bool

    @property
    def seconds(self) -> float | None:
        """How long it took, from its first start to its end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, self.ended_at - self.started_at)

    @property
    def told(self) -> str:
        """What there is to say of it: what it said itself, what went wrong, that it was undone."""
        said = self.result.get("said") if isinstance(self.result, dict) else None
        texts = [str(text).rstrip(".") for text in (said, self.error) if text]
        if self.undone:
            return "; ".join(["it was undone", *(f"before that: {text}" for text in texts)])
        return "; ".join(texts)


class AttemptRecord(msgspec.Struct, frozen=True):
    """One try at a step; ``id`` is what the cloud saw as global request id."""

    id: str
    run: str
    key: str
    kind: AttemptKind
    number: int
    generation: int
    state: str
    notes: dict[str, Any]
    request_ids: list[str]
    error: str | None
    started_at: float
    ended_at: float | None


class RequestRecord(msgspec.Struct, frozen=True):
    """What somebody asked of a run after it was drawn.

    A request to cancel is settled when the run ends: ``settled_as`` is the state it ended in.
    """

    run: str
    verb: Verb
    requested_by: str
    origin: str
    execution_id: str | None
    requested_at: float
    settled_at: float | None
    settled_as: RunState | None

    @property
    def is_open_stop(self) -> bool:
        """Whether it asks the run to stop and the run has not ended by it."""
        return self.verb == "cancel" and self.settled_as is None

    @property
    def said(self) -> str:
        """Why a run is to stop, for its last line."""
        by = f" (StackStorm execution {self.execution_id})" if self.execution_id else ""
        return f"{self.requested_by} cancelled it{by}"


class RunRecord(msgspec.Struct, frozen=True):
    """One run. ``lease_left`` is in seconds by the database's clock, negative when it expired.

    ``plan`` is the one that is carried out, or, of a run in state ``planned``, the one that was
    shown; while a run is planning it has none. A child run's lease is that of its root. One that
    ``gave_way_to`` another was asked for the same, and what was asked for is done there.
    """

    id: str
    root: str
    parent: str | None
    parent_step: str | None
    workflow: str
    parameters: dict[str, Any]
    request: str
    state: RunState
    pack_version: str
    plan: dict[str, Any] | None
    summary: str | None
    error: str | None
    requested_by: str
    origin: str
    ticket: str | None
    execution_id: str | None
    trigger_id: str | None
    max_changes: int | None
    gave_way_to: str | None
    go_on_at: float | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    generation: int
    holder: str | None
    lease_until: float | None
    now: float

    def by_wall_clock(self, moment: float) -> float:
        """Return a moment of this run by this machine's wall clock, in seconds since 1970."""
        return by_wall_clock(moment, self.now)

    @property
    def seconds(self) -> float | None:
        """How long it has taken from its first start to its end, or to now."""
        if self.started_at is None:
            return None
        return max(0.0, (self.ended_at or self.now) - self.started_at)

    @property
    def lease_left(self) -> float:
        """Seconds until another process may take the run over."""
        return (self.lease_until or 0.0) - self.now

    @property
    def alive(self) -> bool:
        """Whether a process holds this run."""
        return self.state == "running" and self.lease_left > 0

    @property
    def age(self) -> float:
        """Seconds since the run was last known to be worked on."""
        last = self.ended_at or self.lease_until or self.started_at or self.created_at
        return max(0.0, self.now - last)

    @property
    def paused(self) -> bool:
        """Whether it waits for its time to go on, ``go_on_at``."""
        return self.state == "interrupted" and self.go_on_at is not None

    @property
    def shown_state(self) -> str:
        """The state an operator should see: a run whose process is gone is interrupted."""
        if self.paused:
            return "paused"
        gone = self.state == "running" and not self.alive
        return "interrupted" if gone or self.unbegun else self.state

    @property
    def unbegun(self) -> bool:
        """Whether its process ended between writing the run and acting for it (before 0.2.0)."""
        return self.state == "planned" and self.plan is None


class NewRun(msgspec.Struct, frozen=True):
    """What is known of a run when it is begun."""

    id: str
    workflow: str
    parameters: dict[str, Any]
    request: str
    pack_version: str
    requested_by: str
    origin: str
    ticket: str | None = None
    execution_id: str | None = None
    trigger_id: str | None = None
    max_changes: int | None = None
    root: str | None = None
    parent: str | None = None
    parent_step: str | None = None


_TOP = runs.alias("top")
_OF_THE_TOP = ("generation", "holder", "lease_until")
EXPIRED = or_(runs.c.lease_until.is_(None), runs.c.lease_until <= db_now())
# One whose process ended while it drew the plan again has the plan that was shown and has changed
# nothing: it can be applied as before.
_PLANNED_STILL = and_(
    *(runs.c.state == "running", ~runs.c.drawn, runs.c.parent.is_(None), EXPIRED),
    runs.c.plan.is_not(None),
)
#: The state of a run, as it is read.
STATE = case((_PLANNED_STILL, "planned"), else_=runs.c.state).label("state")
_HIDDEN = (*_OF_THE_TOP, "cancel_requested_by", "drawn", "plan", "state")
_SELECTED = [
    *(c for c in runs.c if c.name not in _HIDDEN),
    STATE,
    *(_TOP.c[name] for name in _OF_THE_TOP),
    case((or_(runs.c.drawn, STATE.element == "planned"), runs.c.plan)).label("plan"),
    db_now().label("now"),
]
_NAMES = tuple(RunRecord.__struct_fields__)


#: The condition of ``RunRecord.paused``.
PAUSED = and_(
    *(runs.c.state == "interrupted", runs.c.go_on_at.is_not(None), runs.c.parent.is_(None))
)
#: The condition of ``RunRecord.unbegun``.
UNBEGUN = and_(runs.c.state == "planned", runs.c.plan.is_(None))


def select_runs() -> Select[Any]:
    """Return a query for runs, to be narrowed and read with ``read_run``."""
    return select(*_SELECTED).join(_TOP, _TOP.c.id == runs.c.root)


def is_alive() -> Any:
    """Return the condition that a process holds a root run."""
    return and_(runs.c.state == "running", runs.c.lease_until > db_now())


def read_run(row: Row[Any]) -> RunRecord:
    """Return a row of ``select_runs`` as a record."""
    values = row._mapping
    return RunRecord(**{name: values[name] for name in _NAMES})
