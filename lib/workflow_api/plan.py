"""A plan: what a changing runbook returns, and the only thing the engine carries out.

It is plain data. A dry run prints it, the journal stores it, ``run.apply`` compares it with the
one drawn again, and any process on any machine can go on with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import msgspec

from accounts.identity import KEYSTONE, is_another
from common.errors import Refused
from common.text import clean
from workflow_api.former_steps import modernised
from workflow_api.ref import Ref, as_parameter, as_stored, references, shown
from workflow_api.step import (
    Account,
    Data,
    StepDefinition,
    bounded_key,
    definition_of,
    step_named,
)

FORMAT = 1
Undo = Literal["never", "on_cancel", "on_failure"]
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

    @property
    def definition(self) -> StepDefinition:
        """The registered function; raises KeyError if this code has none of that name."""
        return step_named(self.name)

    @property
    def is_child(self) -> bool:
        """Whether this step is a run of its own, drawn when it is reached."""
        return self.name == CHILD

    def identity(self) -> str:
        """Return what must be equal in a plan drawn again: everything but the sentence."""
        return json.dumps(
            [self.name, self.version, self.data, self.accounts, self.undo], sort_keys=True
        )


class Stage(msgspec.Struct):
    """Steps that may run at the same time, at most ``at_most`` at once; stages run in order."""

    steps: list[PlannedStep]
    at_most: int = 1
    on_failure: OnFailure = "stop"


class Plan:
    """Ordered steps and bounded parallel groups, under a title.

    >>> plan = Plan("Paint the fence")
    >>> plan.leave("gate", "it is locked")
    >>> [entry["what"] for entry in plan.left]
    ['gate']
    """

    def __init__(self, title: str) -> None:
        self.title = clean(title)
        self.stages: list[Stage] = []
        self.left: list[dict[str, str]] = []
        self.skipped: list[dict[str, str]] = []
        self.notes: list[str] = []
        #: The accounts that it works on, as a cloud with its region; filled in when it is drawn.
        self.where: list[str] = []
        #: What tells each cloud from another that the configuration may call the same by now.
        self.identities: dict[str, dict[str, str]] = {}
        self._keys: set[str] = set()

    def refuse(self, reasons: Iterable[str], advice: str = "") -> None:
        """Raise Refused if there is any reason; all of them are reported at once."""
        found = [clean(reason) for reason in reasons]
        if found:
            raise Refused(self.title, found, advice=advice)

    def leave(self, what: str, why: str) -> None:
        """Record that something the operator asked for is left as it is, and why."""
        self.left.append({"what": clean(what), "why": clean(why)})

    def skip(self, what: str, why: str) -> None:
        """Record that something needs no change or was excluded, and why."""
        self.skipped.append({"what": clean(what), "why": clean(why)})

    def note(self, text: str) -> None:
        """Add a remark that the dry run shows, as what a long plan will cost."""
        self.notes.append(clean(text))

    def add(self, function: Callable[..., Any], *, undo: Undo = "never", **data: Any) -> Ref:
        """Add one step that runs when everything before it is done; return its coming result."""
        planned = self._planned(function, data, undo)
        self.stages.append(Stage([planned]))
        return Ref(planned.key)

    def each(
        self,
        function: Callable[..., Any],
        items: Iterable[Mapping[str, Any]],
        *,
        at_most: int = 1,
        on_failure: OnFailure = "stop",
        undo: Undo = "never",
    ) -> list[Ref]:
        """Add the same step for each item, at most ``at_most`` of them at once.

        After a failure, ``stop`` starts no further one and ends the run; ``continue`` goes on.
        """
        if at_most < 1:
            raise ValueError("at_most is at least 1")
        if on_failure not in get_args(OnFailure):
            raise ValueError(f"on_failure is stop or continue, not {on_failure!r}")
        steps = [self._planned(function, dict(item), undo) for item in items]
        if steps:
            self.stages.append(Stage(steps, at_most, on_failure))
        return [Ref(planned.key) for planned in steps]

    def run(self, workflow: str, *, key: str = "", **parameters: Any) -> Ref:
        """Add a run of another workflow, whose plan is drawn when this step is reached.

        Accounts that are not given are this workflow's own of the same name. Its result is
        ``{"run": <id>, "said": <summary>}``. Two runs of one workflow need a ``key`` each.
        """
        given = {k: as_parameter(v) for k, v in parameters.items() if v is not None}
        said = " ".join(f"{name}={shown(value)}" for name, value in given.items())
        planned = PlannedStep(
            key=bounded_key(f"{CHILD}:{key or workflow}"),
            name=CHILD,
            sentence=f"run {workflow} {said}".rstrip(),
            data={"workflow": workflow, "parameters": as_stored(given)},
        )
        self._take(planned)
        self.stages.append(Stage([planned]))
        return Ref(planned.key)

    def steps(self) -> Iterator[PlannedStep]:
        """Yield every step in order."""
        for stage in self.stages:
            yield from stage.steps

    def changes(self) -> int:
        """Return how many steps change something; a child run counts by its own plan."""
        return sum(step.changes and not step.is_child for step in self.steps())

    def bind(self, accounts: Mapping[str, str]) -> None:
        """Give every step that was not told otherwise the workflow's accounts, by their names."""
        for planned in self.steps():
            wanted = accounts if planned.is_child else planned.definition.accounts
            for argument in wanted:
                if argument in planned.accounts:
                    continue
                if argument not in accounts:
                    raise TypeError(
                        f"step {planned.name} takes the account {argument!r} and the workflow has "
                        "none of that name: give the step one, or the workflow the argument"
                    )
                planned.accounts[argument] = accounts[argument]

    def differences(self, other: Plan) -> list[str]:
        """Return, in sentences, how ``other`` differs from this plan in keys, data or order.

        Sentences and the order inside a group do not count.
        """
        mine, theirs = _identities(self), _identities(other)
        sentences = {step.key: step.sentence for plan in (self, other) for step in plan.steps()}
        found = [f"no longer planned: {sentences[key]}" for key in mine if key not in theirs]
        found += [f"newly planned: {sentences[key]}" for key in theirs if key not in mine]
        found += [
            f"planned otherwise: {sentences[key]}"
            for key in mine
            if key in theirs and mine[key] != theirs[key]
        ]
        found[:0] = self.moved(other.identities)
        if self.where != other.where:
            before, now = (", ".join(plan.where) or "no cloud" for plan in (self, other))
            found.insert(0, f"planned for {before}, and now for {now}")
        return found

    def moved(self, now: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Return, in sentences, which clouds of this plan are another by now."""
        return [
            f"it was planned for cloud {name} at {before[KEYSTONE]}, and now that is another cloud "
            f"at {now[name][KEYSTONE]}"
            for name, before in self.identities.items()
            if name in now and is_another(before, now[name])
        ]

    def as_data(self) -> Data:
        """Return the stored form, plain JSON."""
        return {
            "format": FORMAT,
            "title": self.title,
            "stages": [
                {
                    "at_most": stage.at_most,
                    "on_failure": stage.on_failure,
                    "steps": [msgspec.structs.asdict(planned) for planned in stage.steps],
                }
                for stage in self.stages
            ],
            "left": self.left,
            "skipped": self.skipped,
            "notes": self.notes,
            "where": self.where,
            "identities": self.identities,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        """Read the stored form; raises ValueError for a format this code does not know."""
        if data.get("format") != FORMAT:
            raise ValueError(f"plan format {data.get('format')!r} is not {FORMAT}")
        plan = cls(data["title"])
        plan.stages = [
            Stage(
                [PlannedStep(**modernised(planned)) for planned in stage["steps"]],
                stage["at_most"],
                stage["on_failure"],
            )
            for stage in data["stages"]
        ]
        plan._keys = {planned.key for planned in plan.steps()}
        plan.left, plan.skipped, plan.notes = data["left"], data["skipped"], data["notes"]
        plan.where, plan.identities = data.get("where", []), data.get("identities", {})
        return plan

    def _planned(self, function: Callable[..., Any], data: Data, undo: Undo) -> PlannedStep:
        definition = definition_of(function)
        accounts = {name: data.pop(name) for name in definition.accounts if name in data}
        definition.check(data)
        if undo not in get_args(Undo):
            raise ValueError(f"undo is one of {', '.join(get_args(Undo))}, not {undo!r}")
        if undo != "never" and definition.undo is None:
            raise ValueError(f"{definition.name} cannot be undone: it was registered without undo")
        planned = PlannedStep(
            key=definition.key_of(data),
            name=definition.name,
            sentence=definition.describe(data),
            data=as_stored(data),
            accounts={argument: _account_name(value) for argument, value in accounts.items()},
            version=definition.version,
            changes=definition.changes,
            undo=undo,
        )
        self._take(planned)
        return planned

    def _take(self, planned: PlannedStep) -> None:
        """Make the step one of this plan: its key is its own, what it refers to is before it."""
        if planned.key in self._keys:
            raise ValueError(f"two steps of the plan have the key {planned.key}: give them a key")
        for key in references(planned.data):
            if key not in self._keys:
                raise ValueError(f"{planned.key} refers to {key}, which is no step of this plan")
        self._keys.add(planned.key)


def _account_name(value: Account | str) -> str:
    return value if isinstance(value, str) else value.name


def _identities(plan: Plan) -> dict[str, tuple[int, int, str, str]]:
    return {
        step.key: (number, stage.at_most, stage.on_failure, step.identity())
        for number, stage in enumerate(plan.stages)
        for step in stage.steps
    }
