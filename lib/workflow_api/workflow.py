"""The registry of workflows and the reading of their signatures."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from common.errors import UserError
from common.table import Table
from workflow_api.plan import Plan
from workflow_api.step import is_account

Function = TypeVar("Function", bound=Callable[..., Any])
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class RunRequest(msgspec.Struct, frozen=True):
    """What a ``run.*`` workflow returns: something that is to be done with a stored run."""

    what: typing.Literal["apply", "resume", "cancel", "settle"]
    run: str
    options: Mapping[str, typing.Any] = {}


class Workflow(msgspec.Struct, frozen=True):
    """A registered runbook: its function and what its signature says."""

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]
    types: Mapping[str, Any]
    accounts: Mapping[str, Any]
    changes: bool

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def required_accounts(self) -> list[str]:
        """The accounts that no default stands for: all but the first of each type."""
        first = {kind: name for name, kind in reversed(list(self.accounts.items()))}
        return [name for name, kind in self.accounts.items() if first[kind] != name]


_workflows: dict[str, Workflow] = {}


def workflow(name: str) -> Callable[[Function], Function]:
    """Register a runbook under ``subject.verb``.

    The function takes the Context first, then accounts (asked for by type) and parameters; it
    returns a Table (it reads) or a Plan (it changes something), and says so in its annotation. A
    parameter whose name is a word of Python's own ends in an underscore, which callers leave out.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not of the form subject.verb")

    def register(function: Function) -> Function:
        hints = typing.get_type_hints(function)
        answer = hints.pop("return", None)
        if answer not in (Plan, Table, RunRequest):
            raise TypeError(f"{name} must be annotated to return a Plan or a Table")
        known = _workflows.get(name)
        if known and known.function.__code__.co_filename != function.__code__.co_filename:
            raise ValueError(f"two workflows are called {name}: rename one of them")
        _context, *rest = inspect.signature(function).parameters.values()
        _workflows[name] = Workflow(
            name=name,
            function=function,
            parameters={_said(p.name): p for p in rest if not is_account(hints[p.name])},
            types={_said(p.name): hints[p.name] for p in rest},
            accounts={p.name: hints[p.name] for p in rest if is_account(hints[p.name])},
            changes=answer is Plan,
        )
        return function

    return register


def _said(name: str) -> str:
    """Return how callers call a parameter (``as`` for ``as_``)."""
    return name.removesuffix("_")


def workflow_named(name: str) -> Workflow:
    """Return the workflow, importing the module that its first word names if need be.

    Raises UserError if there is none. Nothing but ``workflows.<subject>`` is ever imported.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is not a workflow's name.")
    if name not in _workflows:
        module = f"workflows.{name.partition('.')[0]}"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
    if name not in _workflows:
        raise UserError(f"There is no workflow {name!r}.")
    return _workflows[name]
