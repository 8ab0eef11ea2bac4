"""What a verb is: one request to the cloud, and a wait for the state that it leads to.

A row of a table (``verbs.servers``, ``verbs.volumes``, ...) says what is particular to a verb. The
runbook, its step, the look-up after a lost answer, the undo, the action's form and the tests are
made from the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.config import PackConfig
from waiting.watching import Awaited
from workflow_api import Context, Duration, ParameterGroup, Plan, UnknownOutcome, clean

Options = Any  # an instance of the verb's own group
Request = Callable[[Cloud, str, Options], None]


class Kept(str):
    """A reason against a verb: that something else which it touches is protected."""


class NoOptions(ParameterGroup, frozen=True, kw_only=True):
    """The options of a verb that has none."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What verbs are about, and how it is seen.

    ``about`` is the parameter that names the thing. ``find`` takes a name or an id, ``look`` an
    id; ``look`` returns None if the thing is gone. ``state`` is what the cloud calls its state,
    ``busy`` names a task under way, ``fault`` says why it is broken. ``kept`` says why nobody is
    to touch the thing: it is locked, it is protected. ``recorded`` returns what the cloud records
    of the newest request of a kind, to be compared; ``last_fault`` what it recorded of why the
    newest one failed.

    ``judges`` are the statuses with which the cloud itself refuses a request that does not fit the
    thing's state: then it is asked without a look before. ``look_many`` returns, by id, those of
    many things that a listing shows for what is waited for; it is asked if more than ``few`` are
    waited for. ``changed_at`` tells when a thing was changed, by the cloud's clock.
    """

    name: str
    about: type[ParameterGroup]
    find: Callable[[Cloud, str], Any]
    look: Callable[[Cloud, str], Any]
    state: Callable[[Any], str]
    kept: Callable[[Any, PackConfig, Verb], str]
    busy: Callable[[Any], str] = lambda thing: ""
    fault: Callable[[Any], str] = lambda thing: ""
    recorded: Callable[[Cloud, str, str], str] = lambda cloud, id, kind: ""
    last_fault: Callable[[Cloud, str], str] = lambda cloud, id: ""
    judges: frozenset[int] = frozenset()
    look_many: Callable[[Cloud, Awaited], Mapping[str, Any]] | None = None
    few: int = 1
    changed_at: Callable[[Any], float | None] = lambda thing: None


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table.

    ``name`` is the runbook's and its step's, ``sentence`` a format string over ``name``,
    ``options`` and ``names``, ``participle`` completes "it cannot be", and ``cannot`` "it
    cannot" where that reads better. ``begins`` are the states from which the cloud accepts the
    request, None for any, also in the midst of a task;
    ``instead`` says for other states what to do. ``ends`` says that the thing is where the verb
    leads: there is nothing to do, or the wait is over. A verb that leaves its thing as it was (a
    reboot) has ``record`` besides, the name under which the cloud keeps the request; ``gone`` says
    that it leaves none. ``outcome`` are the words for that end, the thing's state by default.
    ``tasks`` are the tasks that the request itself sets off. ``undo`` names the verb that takes it
    back. ``escalate`` is sent when the wait has taken as long as ``patience`` says, in seconds;
    None is for ever. ``disturbs`` says that users notice, so that what is protected or locked is
    refused.

    ``others`` are options that name further things, by the resource of each: these are looked up
    first, and their ids are sent; the sentence has them as ``names``, empty where none was named.
    Those in ``claims`` are claimed too. ``completed`` fills in what the options leave to the thing
    or to the configuration, so that the plan has it: fields that are ``no_parameters``, or empty.
    ``unfit`` yields what else speaks against it, as ``Kept`` what one of many is skipped for;
    ``notes`` yields what an operator should know beforehand; both may read the cloud. ``look``
    replaces the subject's where more has to be read. ``unless`` speaks against it as ``unfit``
    does, and is asked once more immediately before the request, which may be hours later: whether
    something uses the thing.

    ``before`` adds to the plan what is done first; ``then`` names the verbs, without options, that
    follow on the same thing; ``besides`` is how long all that may take.
    """

    name: str
    summary: str
    sentence: str
    participle: str
    request: Request
    ends: Callable[[Any, Options], bool] = lambda thing, options: False
    gone: bool = False
    begins: Callable[[Options], frozenset[str]] | None = None
    outcome: Callable[[Any, Options], str] | None = None
    record: str | None = None
    tasks: frozenset[str] = frozenset()
    instead: Mapping[str, str] = {}
    within: Duration = Duration.parse("10m")
    undo: str | None = None
    escalate: Request | None = None
    patience: Callable[[Options], float | None] = lambda options: None
    options: type[ParameterGroup] = NoOptions
    disturbs: bool = True
    others: Mapping[str, str] = {}
    claims: frozenset[str] = frozenset()
    unfit: Callable[[Cloud, Any, Options], Iterable[str]] = lambda cloud, thing, options: ()
    unless: Callable[[Cloud, Any, Options], Iterable[str]] | None = None
    notes: Callable[[Cloud, Any, Options], Iterable[str]] = lambda cloud, thing, options: ()
    look: Callable[[Cloud, str], Any] | None = None
    completed: Callable[[Cloud, Any, Options], Options] = lambda cloud, thing, options: options
    before: Callable[[Context, Plan, Any, Options], None] = lambda ctx, plan, thing, options: None
    then: Callable[[Options], Iterable[str]] = lambda options: ()
    besides: Duration = Duration.parse("10m")
    cannot: str = ""

    @property
    def refused(self) -> str:
        """What is said of a thing when the verb is refused: cannot be stopped."""
        return f"cannot {self.cannot or f'be {self.participle}'}"

    @property
    def timeout(self) -> str:
        """How long the action may take: a wait, and what comes before and after it."""
        return str(Duration(self.within + self.besides))

    def is_done(self, subject: Subject, thing: Any, options: Options) -> bool:
        """Return whether there is nothing to do."""
        return self.record is None and self.is_over(subject, thing, options)

    def is_over(self, subject: Subject, thing: Any, options: Options) -> bool:
        """Return whether a thing is where the verb leads, and at rest if the verb is a task."""
        if thing is None:
            return self.gone
        return self.ends(thing, options) and not (self.begins and subject.busy(thing))

    def outcome_of(self, subject: Subject, thing: Any, options: Options) -> str:
        """Return what a thing is in words: its state, unless the verb is about something else."""
        if thing is None:
            return "gone"
        return self.outcome(thing, options) if self.outcome else subject.state(thing)

    def refusals(
        self, subject: Subject, cloud: Cloud, thing: Any, options: Options, config: PackConfig
    ) -> list[str]:
        """Return all reasons why the cloud, or we, would refuse it; none if it can be done."""
        reasons = [subject.kept(thing, config, self), self._state_against(subject, thing, options)]
        used = self.unless(cloud, thing, options) if self.unless else ()
        return [*filter(None, reasons), *self.unfit(cloud, thing, options), *used]

    def _state_against(self, subject: Subject, thing: Any, options: Options) -> str:
        if self.begins is None:
            return ""
        if task := subject.busy(thing):
            return f"a task is under way on it ({task})"
        state = subject.state(thing)
        if state in self.begins(options):
            return ""
        why = self.instead.get(state, f"it is {state}")
        fault = clean(subject.fault(thing))
        return f"{why}: {fault}" if fault else why


def states(*names: str) -> Callable[[Options], frozenset[str]]:
    """Return that a verb begins in these states, whatever its options."""
    known = frozenset(names)
    return lambda options: known


def not_settled(name: str, state: str, seconds: float) -> UnknownOutcome:
    """Return that a thing has not come to rest in the time that it has."""
    return UnknownOutcome(f"{name} is still {state} after {Duration(seconds)}.")
