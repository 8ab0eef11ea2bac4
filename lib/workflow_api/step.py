"""A step: a registered function and plain data, so that any process can show or perform it."""

from __future__ import annotations

import hashlib
import inspect
import re
import string
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from common.text import clean

if TYPE_CHECKING:
    from state.store import Store

# The journal's column for a key.
LONGEST_KEY = 255
Data = dict[str, Any]
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
Function = TypeVar("Function", bound=Callable[..., Any])
Records = TypeVar("Records")


class Begun:
    """What a step, or its ``find``, returns when the change is made in part.

    ``said`` is a sentence about how far it is, ``facts`` are plain JSON for programs. Such a step
    is neither done nor as it was: it is continued, finished or undone.

    >>> Begun("2 of 3 posts set", posts=2).result
    {'posts': 2, 'said': '2 of 3 posts set'}
    """

    def __init__(self, said: str, **facts: Any) -> None:
        self.result: Data = {**facts, "said": said}


class Account(Protocol):
    """Something of the configuration that a function asks for by the type of an argument."""

    name: str


class Attempt(Protocol):
    """What a step, its ``find`` and its ``undo`` may ask of the engine while they run.

    ``again`` says that the step was tried before, by this process or another one.
    """

    run: str
    key: str
    again: bool
    notes: dict[str, Any]

    def note(self, **facts: Any) -> None:
        """Journal facts before the change they are about; ``find`` reads them in ``notes``."""

    def sending(self) -> None:
        """Say that a change goes out now by other means than an account; raises LeaseLost.

        Accounts do this by themselves. A step that changes something through anything else calls
        it immediately before each change.
        """

    def say(self, text: str) -> None:
        """Show a line of progress."""

    def wait(self, seconds: float, *, between: bool = False) -> None:
        """Sleep; raises Interrupted when the step has to be left where it is.

        ``between`` says that nothing is under way: then it is left as soon as the run is to stop,
        and not only after the grace that a change under way has.
        """

    def records(self, kind: Callable[[Store, str, int, str], Records]) -> Records:
        """Return a part of the state store, which is written under this run's lease alone."""


class StepDefinition(msgspec.Struct, frozen=True):
    """A registered step function with all that the engine needs to know of it."""

    name: str
    function: Callable[..., Any]
    sentence: str
    key: str
    find: Callable[..., Any] | None
    finish: Callable[..., Any] | None
    undo: Callable[..., Any] | None
    changes: bool
    repeatable: bool
    version: int
    accounts: Mapping[str, type]
    wants_attempt: bool

    def describe(self, data: Data) -> str:
        """Return the step's sentence about ``data``, safe to print."""
        return clean(_fill(self.sentence, {**self._defaults(), **data}))

    def key_of(self, data: Data) -> str:
        """Return the key that identifies this step within its plan."""
        if not self.key:
            return self.name
        return bounded_key(f"{self.name}:{clean(_fill(self.key, {**self._defaults(), **data}))}")

    def _defaults(self) -> Data:
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    def check(self, data: Mapping[str, Any]) -> None:
        """Raise TypeError if ``data`` does not fit the function's arguments."""
        arguments = dict.fromkeys(self.accounts)
        if self.wants_attempt:
            arguments["attempt"] = None
        inspect.signature(self.function).bind(**arguments, **data)

    def call(
        self, what: Callable[..., Any], attempt: Attempt, accounts: Mapping[str, Any], data: Data
    ) -> Any:
        """Call the step's function or one of its helpers with those arguments that it names.

        Raises TypeError if what it returns cannot be told of.
        """
        offered = {**self._defaults(), **data, **accounts, "attempt": attempt}
        wanted = inspect.signature(what).parameters.values()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted):
            offered = {p.name: offered[p.name] for p in wanted if p.name in offered}
        returned = what(**offered)
        self._check_left(returned.result if isinstance(returned, Begun) else returned)
        return returned

    def _check_left(self, result: Any) -> None:
        """Check what a step says it left: a report that lists it only later would break there."""
        left = result.get("left", ()) if isinstance(result, Mapping) else ()
        if not all(isinstance(one, Mapping) and {"what", "why"} <= one.keys() for one in left):
            raise TypeError(f"{self.name}: left is a list of what and why, not {left!r:.80}")


def bounded_key(key: str) -> str:
    """Return a key that the journal can hold: the end of a long one gives way to its hash."""
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: LONGEST_KEY - 17]}~{digest}"


def _fill(template: str, data: Data) -> str:
    # Formatted values are left as they are: a reference to a later result shows its path.
    return string.Formatter().vformat(template, (), _Shown(data))


class _Shown(dict[str, Any]):
    """Data for a sentence: cleaned text, and references by the path they stand for."""

    def __getitem__(self, key: str) -> Any:
        return _shown(super().__getitem__(key))


class _ToCome(str):
    """The path of a reference, which can be followed further as the value itself could."""

    def __getitem__(self, name: Any) -> str:
        return _ToCome(f"{self.removesuffix('>')}.{name}>")


def _shown(value: Any) -> Any:
    path = getattr(value, "shown", None)
    if path is not None:
        return _ToCome(path)
    if isinstance(value, dict):
        return _Shown(value)
    return clean(value) if isinstance(value, str) else value


_steps: dict[str, StepDefinition] = {}


def step(
    name: str,
    sentence: str,
    *,
    key: str = "",
    find: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    undo: Callable[..., Any] | None = None,
    changes: bool = True,
    repeatable: bool = False,
    version: int = 1,
) -> Callable[[Function], Function]:
    """Register a step.

    ``name`` is its identity in stored plans, ``subject.verb``: it stays when code moves, and a
    step that is renamed gets a line in ``workflow_api.former_steps``. ``sentence`` and ``key`` are
    format strings over the step's data: what it does, in the words of an operator (``migrate {name}
    from {source}``), and what tells it from other steps of the same function (``{server}``).
    ``find(...)`` answers, with the same arguments, whether an
    earlier attempt happened: its result if so, None if not, Begun if in part; it waits while that
    is still open and raises UnknownOutcome if it cannot be told. The step itself, called again,
    goes on with what is begun. ``finish`` brings what is begun to an end where the run does not go
    on: without one, what is begun is left as it is. ``undo`` puts things back from the step's data
    and may be called twice. ``changes=False`` marks a check: it may only read. ``repeatable`` says
    that doing it twice does no harm. ``version`` is raised when the meaning of the data changes.
    """

    if not _NAME.fullmatch(name):
        raise ValueError(f"a step's name is of the form subject.verb, not {name!r}")

    def register(function: Function) -> Function:
        hints = typing.get_type_hints(function)
        accounts = {
            argument: kind
            for argument, kind in hints.items()
            if argument != "return" and is_account(kind)
        }
        parameters = inspect.signature(function).parameters
        definition = StepDefinition(
            name=name,
            function=function,
            sentence=sentence,
            key=key,
            find=find,
            finish=finish,
            undo=undo,
            changes=changes,
            repeatable=repeatable or not changes,
            version=version,
            accounts=accounts,
            wants_attempt="attempt" in parameters,
        )
        _check(definition, parameters)
        known = _steps.get(name)
        if known and known.function.__code__.co_filename != function.__code__.co_filename:
            raise ValueError(f"two steps are called {name}: rename one of them")
        _steps[name] = definition
        function.definition = definition  # type: ignore[attr-defined]
        return function

    return register


def _check(definition: StepDefinition, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Raise TypeError where the parts of a step do not fit together: at import, not in a run."""
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        raise TypeError(f"step {definition.name}: name its arguments instead of taking any")
    known = {*parameters, "attempt"}
    for template in (definition.sentence, definition.key):
        for _, field, _, _ in string.Formatter().parse(template):
            name = re.split(r"[.\[]", field or "", maxsplit=1)[0]
            if field is not None and (name not in parameters or name in definition.accounts):
                raise TypeError(f"step {definition.name} has no data {{{field}}} for its sentence")
    if definition.finish and not definition.find:
        raise TypeError(f"step {definition.name} has a finish and no find that says it is begun")
    for role in ("find", "finish", "undo"):
        helper = getattr(definition, role)
        for parameter in inspect.signature(helper).parameters.values() if helper else ():
            if parameter.name not in known and parameter.default is parameter.empty:
                raise TypeError(f"{role} of step {definition.name} asks for {parameter.name!r}")


def is_account(kind: object) -> bool:
    """Return whether an argument of type ``kind`` is filled from the configuration's accounts."""
    return isinstance(kind, type) and getattr(kind, "account_kind", None) is not None


def step_named(name: str) -> StepDefinition:
    """Return the registered step; raises KeyError if this code has none of that name."""
    return _steps[name]


def definition_of(function: Callable[..., Any]) -> StepDefinition:
    """Return the definition behind a function decorated with ``@step``."""
    try:
        return typing.cast(StepDefinition, function.definition)  # type: ignore[attr-defined]
    except AttributeError:
        raise TypeError(f"{function.__qualname__} is not a step: decorate it with @step") from None
