"""The registry of workflows and the reading of their signatures."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar

import msgspec

from common.errors import UserError
from common.table import Table
from common.text import clean, near
from workflow_api.parameters import ParameterGroup, names_something
from workflow_api.plan import Plan
from workflow_api.step import is_account

Function = TypeVar("Function", bound=Callable[..., Any])
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
# How long an action may take that says nothing else: one that asks, one that changes something.
_ASKING, _CHANGING = "10m", "1d"


class RunRequest(msgspec.Struct, frozen=True):
    """What a ``run.*`` workflow returns: something that is to be done with a stored run."""

    what: typing.Literal["apply", "resume", "resume_due", "cancel", "settle"]
    run: str
    options: Mapping[str, typing.Any] = {}


class Workflow(msgspec.Struct, frozen=True):
    """A registered runbook: its function and what its signature says.

    ``parameters`` are those of the action, in which a group is spread out; ``groups`` are the
    groups by the argument that takes each. ``timeout`` is a duration as text.
    """

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]
    types: Mapping[str, Any]
    accounts: Mapping[str, Any]
    groups: Mapping[str, type[ParameterGroup]]
    changes: bool
    one_object: bool
    timeout: str

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def required_accounts(self) -> list[str]:
        """The accounts that no default stands for: all but the first of each type."""
        first = {kind: name for name, kind in reversed(list(self.accounts.items()))}
        return [name for name, kind in self.accounts.items() if first[kind] != name]

    @property
    def names(self) -> frozenset[str]:
        """The parameters that name something, as the marks of their types say; accounts do."""
        marked = {name for name, kind in self.types.items() if names_something(kind)}
        return frozenset(marked | self.accounts.keys())


_workflows: dict[str, Workflow] = {}


def workflow(
    name: str, *, one_object: bool = False, timeout: str | None = None
) -> Callable[[Function], Function]:
    """Register a runbook under ``subject.verb``.

    The function takes the Context first, then accounts (asked for by type) and parameters; it
    returns a Table (it reads) or a Plan (it changes something), and says so in its annotation. A
    parameter whose name is a word of Python's own ends in an underscore, which callers leave out.

    ``one_object`` says that it changes a single named object and deletes nothing: then it is no
    dry run unless one is asked for. ``timeout`` is how long StackStorm lets the action run, as
    ``5m``; by default ten minutes for what reads and a day for what changes something.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not of the form subject.verb")

    def register(function: Function) -> Function:
        hints = {
            name: _account_or_kind(kind)
            for name, kind in typing.get_type_hints(function, include_extras=True).items()
        }
        answer = hints.pop("return", None)
        if answer not in (Plan, Table, RunRequest):
            raise TypeError(f"{name} must be annotated to return a Plan or a Table")
        known = _workflows.get(name)
        if known and _file_of(known.function) != _file_of(function):
            raise ValueError(f"two workflows are called {name}: rename one of them")
        _context, *rest = inspect.signature(function).parameters.values()
        parameters: dict[str, inspect.Parameter] = {}
        groups: dict[str, type[ParameterGroup]] = {}
        types: dict[str, Any] = {}
        for parameter in rest:
            kind = hints[parameter.name]
            if isinstance(kind, type) and issubclass(kind, ParameterGroup):
                groups[parameter.name] = kind
                spread = fields_of(kind)
                parameters |= spread
                types |= {field: spread[field].annotation for field in spread}
                continue
            types[_public_name(parameter.name)] = kind
            if not is_account(kind):
                parameters[_public_name(parameter.name)] = parameter
        _workflows[name] = Workflow(
            name=name,
            function=function,
            parameters=parameters,
            types=types,
            accounts={p.name: hints[p.name] for p in rest if is_account(hints[p.name])},
            groups=groups,
            changes=answer is Plan,
            one_object=one_object,
            timeout=timeout or (_ASKING if answer is Table else _CHANGING),
        )
        return function

    return register


@functools.cache
def fields_of(kind: type[ParameterGroup]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a group by name, each with its type and bounds as annotation."""
    types, defaults = typing.get_type_hints(kind, include_extras=True), kind.__struct_defaults__
    without_default = len(kind.__struct_fields__) - len(defaults)
    return {
        name: inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_made(msgspec.NODEFAULT if place < 0 else defaults[place]),
            annotation=types[name],
        )
        for place, name in enumerate(kind.__struct_fields__, -without_default)
        if name not in kind.no_parameters
    }


def _made(default: Any) -> Any:
    """Return a field's default; msgspec keeps a mutable one as what makes it."""
    factory = getattr(default, "factory", None)
    if factory is not None:
        return factory()
    return inspect.Parameter.empty if default is msgspec.NODEFAULT else default


def _account_or_kind(kind: Any) -> Any:
    """Return a type as it is, with its bounds; of an account, which has none, the class."""
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    return inner if is_account(inner) else kind


def _file_of(function: Callable[..., Any]) -> str:
    return inspect.getfile(inspect.unwrap(function))


def _public_name(name: str) -> str:
    """Return how callers call a parameter (``as`` for ``as_``)."""
    return name.removesuffix("_")


def registered() -> Mapping[str, Workflow]:
    """Return the runbooks of all modules that are imported, by name."""
    return _workflows


def workflow_named(name: str) -> Workflow:
    """Return the workflow, importing the modules that its first word names if need be.

    A subject is a module of ``workflows`` or a package; of a package, the modules are imported if
    the package itself does not have the workflow: what is asked for most stands there. Raises
    UserError if there is none. Nothing but ``workflows.<subject>`` is ever imported.
    """
    # An execution can be given anything for it, whatever the action says.
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"{clean(repr(name)):.80} is not a workflow's name.")
    if name not in _workflows:
        module = f"workflows.{name.partition('.')[0]}"
        try:
            subject = importlib.import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
        else:
            if name not in _workflows:
                _import_parts(subject)
    if name not in _workflows:
        raise UserError(f"There is no workflow {name!r}.", advice=_guess(name))
    return _workflows[name]


def _guess(wanted: str) -> str:
    """Return which one may be meant: of those of its subject, or else which subject."""
    import pkgutil

    folders = importlib.import_module("workflows").__path__
    subject = wanted.partition(".")[0]
    mine = [name for name in _workflows if name.startswith(f"{subject}.")]
    subjects = [module.name for module in pkgutil.iter_modules(folders)]
    found = near(wanted, mine) or [f"{one}.*" for one in near(subject, subjects) if not mine]
    return f"Did you mean {' or '.join(found)}?" if found else ""


def _import_parts(subject: ModuleType) -> None:
    import pkgutil

    for part in pkgutil.iter_modules(getattr(subject, "__path__", ())):
        importlib.import_module(f"{subject.__name__}.{part.name}")
