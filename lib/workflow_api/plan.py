"""A plan: what a changing runbook returns, and the only thing the engine carries out.

It is plain data. A dry run prints it, the journal stores it, ``run.apply`` compares it with the
one drawn again, and any process on any machine can go on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from accounts.identity import KEYSTONE, is_another
from accounts.read_cache import SharedReads
from common.errors import Refused
from common.text import clean
from workflow_api.former_steps import modernised
from workflow_api.planned import (
    ChildRun,
    Drawn,
    OnFailure,
    PlannedStep,
    Stage,
    Undo,
    check_bounds,
    child_of,
)
from workflow_api.ref import Ref, as_stored, references
from workflow_api.step import Account, Data, definition_of

FORMAT = 1


class Plan:
    """Ordered steps and bounded parallel groups, under a title.

    >>> plan = Plan("Paint the fence")
    >>> plan.leave("gate", "it is locked")
    >>> [entry["what"] for entry in plan.left]
    ['gate']

    One that ``parks`` does not fail for good: where a step of it has failed, steps with the undo
    ``on_park`` are undone, which brings everything into a state that it can wait in, and the run
    can be resumed. What had failed is then done again, and so is what is ``always`` undone where a
    run does not go on.
    """

    def __init__(self, title: str, *, parks: bool = False) -> None:
        self.title = clean(title)
        self.parks = parks
        self.stages: list[Stage] = []
        self.left: list[dict[str, Any]] = []
        self.skipped: list[dict[str, Any]] = []
        self.notes: list[str] = []
        #: The accounts that it works on, as a cloud with its region; filled in when it is drawn.
        self.where: list[str] = []
        #: What tells each cloud from another that the configuration may call the same by now.
        self.identities: dict[str, dict[str, str]] = {}
        #: The plans of children that were drawn with this one, by key; they are not stored.
        self.drawn: dict[str, Drawn] = {}
        #: The reads that children share when they are drawn again; not stored either.
        self.reads: SharedReads | None = None
        self._keys: set[str] = set()

    def refuse(self, reasons: Iterable[str], advice: str = "", *, kept: bool = False) -> None:
        """Raise Refused if there is any reason; all of them are reported at once.

        ``kept`` says that what it is about is protected: one of many is skipped for it.
        """
        found = [clean(reason) for reason in reasons]
        if found:
            raise Refused(self.title, found, advice=advice, kept=kept)

    def leave(self, what: str, why: str, **about: Any) -> None:
        """Record that something the operator asked for is left as it is, and why.

        ``about`` are facts for programs, as the row that asked for it.
        """
        self.left.append({"what": clean(what), "why": clean(why), **about})

    def skip(self, what: str, why: str, **about: Any) -> None:
        """Record that something needs no change or was excluded, and why."""
        self.skipped.append({"what": clean(what), "why": clean(why), **about})

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
        check_bounds(at_most, on_failure)
        steps = [self._planned(function, dict(item), undo) for item in items]
        if steps:
            self.stages.append(Stage(steps, at_most, on_failure))
        return [Ref(planned.key) for planned in steps]

    def run(self, workflow: str, *, key: str = "", **parameters: Any) -> Ref:
        """Add a run of another workflow, whose plan is drawn when this step is reached.

        Accounts that are not given are this workflow's own of the same name. Its result is
        ``{"run": <id>, "said": <summary>}``. Two runs of one workflow need a ``key`` each.
        """
        planned = child_of(workflow, key or workflow, parameters)
        self._take(planned)
        self.stages.append(Stage([planned]))
        return Ref(planned.key)

    def each_run(
        self,
        workflow: str,
        runs: Iterable[ChildRun],
        *,
        at_most: int = 1,
        at_most_per: int | None = None,
        on_failure: OnFailure = "stop",
    ) -> list[Ref]:
        """Add runs of one workflow side by side, at most ``at_most`` at once.

        Of those that have one ``group``, at most ``at_most_per`` run at once. A run whose plan is
        drawn begins with that plan, if that is young; else it is drawn when it is reached.
        """
        check_bounds(at_most, on_failure)
        if at_most_per is not None and at_most_per < 1:
            raise ValueError("at_most_per is at least 1")
        steps = []
        for run in runs:
            planned = child_of(workflow, run.key, run.parameters)
            planned.sentence = clean(run.sentence) or planned.sentence
            planned.group, planned.about = run.group, as_stored(run.about)
            self._take(planned)
            if run.drawn is not None:
                self.drawn[planned.key] = run.drawn
            steps.append(planned)
        if steps:
            self.stages.append(Stage(steps, at_most, on_failure, at_most_per))
        return [Ref(planned.key) for planned in steps]

    def steps(self) -> Iterator[PlannedStep]:
        """Yield every step in order."""
        for stage in self.stages:
            yield from stage.steps

    def changes(self) -> int:
        """Return how many steps change something; a child run counts by its own plan."""
        return sum(step.changes and not step.is_child for step in self.steps())

    def changes_in_all(self) -> int:
        """Return how many changes it makes with those children that were drawn with it."""
        inner = sum(drawn.plan.changes_in_all() for drawn in self.drawn.values())
        return self.changes() + inner

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
                    **({"at_most_per": stage.at_most_per} if stage.at_most_per else {}),
                    "steps": [planned.as_data() for planned in stage.steps],
                }
                for stage in self.stages
            ],
            "left": self.left,
            "skipped": self.skipped,
            "notes": self.notes,
            "where": self.where,
            "identities": self.identities,
            **({"parks": True} if self.parks else {}),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        """Read the stored form; raises ValueError for a format this code does not know."""
        if data.get("format") != FORMAT:
            raise ValueError(f"plan format {data.get('format')!r} is not {FORMAT}")
        plan = cls(data["title"], parks=data.get("parks", False))
        plan.stages = [
            Stage(
                [PlannedStep(**modernised(planned)) for planned in stage["steps"]],
                stage["at_most"],
                stage["on_failure"],
                stage.get("at_most_per"),
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


def _identities(plan: Plan) -> dict[str, tuple[Any, ...]]:
    return {
        step.key: (number, stage.at_most, stage.on_failure, stage.at_most_per, step.identity())
        for number, stage in enumerate(plan.stages)
        for step in stage.steps
    }
