"""The YAML of every action, from the function behind it.

A parameter's type, default and description come from the function's signature and docstring and
from the vocabulary of ``workflow_api.parameters``; what all actions of a kind have alike stands in
common_parameters.py. A form is in one order everywhere: what it is about, ``dry_run``, what bounds
it, the rest, where the answer goes, the ticket and the trigger.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Meta

import workflows
from action_yaml import written
from common.duration import Duration, End
from common_parameters import common, timeout
from engine.parameters import READING
from query_api.resources import names, resource
from workflow_api.parameters import ParameterGroup
from workflow_api.workflow import Workflow, fields_of, registered

Given = dict[str, Any]
_KINDS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Duration: "string",
    End: "string",
}
_CLOUD = "The cloud, as the configuration calls it; the default cloud if empty."
_CLOUDS = "The clouds, as the configuration calls them; the default one if empty, all if *."
_SMTP = "The SMTP account, as the configuration calls it; the default one if empty."
_ALERTMANAGER = "The Alertmanager, as the configuration calls it; the default one if empty."
_ICINGA = "The Icinga, as the configuration calls it; the default one if empty."
_SSH = "The SSH account, as the configuration calls it; the default one if empty."
_QUIET = "The {}s, as the configuration calls them; those for hypervisors if empty, all if *."
_ACCOUNTS = {
    "Cloud": _CLOUD,
    "Clouds": _CLOUDS,
    "SmtpAccount": _SMTP,
    "Alertmanager": _ALERTMANAGER,
    "Icinga": _ICINGA,
    "Icingas": _QUIET.format("Icinga"),
    "Alertmanagers": _QUIET.format("Alertmanager"),
    "SshAccount": _SSH,
}
# What bounds a run, in this order, wherever it stands in a signature.
_BOUNDS = ("max_recipients", "max_parallel", "max_changes", "limit", "rows")
_LINE = re.compile(r"(?P<name>[a-z_]+): (?P<text>\S.*)")
# Places in a form; what has the same one stays in the order of the signature.
_ABOUT, _DRY_RUN, _BOUND, _REST, _ANSWER, _TICKET, _HIDDEN = range(7)


def all_workflows() -> dict[str, Workflow]:
    """Return every runbook of the pack by its name."""
    for module in pkgutil.walk_packages(workflows.__path__, "workflows."):
        importlib.import_module(module.name)
    return {
        name: known
        for name, known in sorted(registered().items())
        if known.function.__module__.partition(".")[0] in ("workflows", "searches", "verbs")
    }


def actions() -> dict[str, str]:
    """Return the text of each action's YAML by the action's name."""
    return {
        name: written(name, described(known), form(known), timeout(known))
        for name, known in all_workflows().items()
    }


def described(known: Workflow) -> str:
    """Return what an action is described by: a search also by the properties it knows."""
    subject, _, verb = known.name.partition(".")
    if verb != "search" or subject not in names():
        return known.summary
    properties = ", ".join(prop.name for prop in resource(subject).properties)
    return f"{known.summary.removesuffix('.')}: {properties}."


def form(known: Workflow) -> dict[str, Given]:
    """Return the parameters of an action in the order of its form."""
    own = dict(_own(known))
    places = {name: place for name, (place, _) in own.items()}
    given = {**{name: given for name, (_, given) in own.items()}, **common(known)}
    return dict(sorted(given.items(), key=lambda entry: _place(entry[0], entry[1], places)))


def _place(name: str, given: Given, own: Mapping[str, int]) -> tuple[int, int]:
    if given.get("immutable"):
        return _HIDDEN, 0
    if name in _BOUNDS:
        return _BOUND, _BOUNDS.index(name)
    if name in own:
        return own[name], 0
    if name == "dry_run":
        return _DRY_RUN, 0
    return (_ANSWER if name in READING else _TICKET), 0


def _own(known: Workflow) -> Iterator[tuple[str, tuple[int, Given]]]:
    """Return a runbook's own parameters: where each stands and what the form says of it."""
    kinds = typing.get_type_hints(known.function, include_extras=True)
    _context, *rest = inspect.signature(known.function).parameters.values()
    said = _said_in(known.function)
    for parameter in rest:
        is_how = parameter.kind is parameter.KEYWORD_ONLY
        place = _REST if is_how else _ABOUT
        name, kind = parameter.name.removesuffix("_"), kinds[parameter.name]
        if isinstance(kind, type) and issubclass(kind, ParameterGroup):
            for field, given in _grouped(kind, said):
                # Without what is required nothing is said yet of what the runbook is about.
                yield field, (_ABOUT if given.get("required") else place, given)
        else:
            needed = name in known.required_accounts
            yield name, (place, _given(name, kind, parameter.default, said, needed=needed))


def _grouped(kind: type[ParameterGroup], said: Mapping[str, str]) -> Iterator[tuple[str, Given]]:
    for base in reversed(kind.__mro__):
        if base is not ParameterGroup and issubclass(base, ParameterGroup):
            said = {**_said_in(base), **said}
    for name, parameter in fields_of(kind).items():
        yield name, _given(name, parameter.annotation, parameter.default, said)


def _said_in(documented: Any) -> dict[str, str]:
    """Return the descriptions of parameters in a docstring: its lines ``name: text``."""
    found: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(documented) or "").splitlines()[1:]:
        if entry := _LINE.fullmatch(line):
            name = entry["name"]
            found[name] = entry["text"]
        elif name and line.startswith("    "):
            found[name] += f" {line.strip()}"
        else:
            name = ""
    return found


def _given(
    name: str, kind: Any, default: Any, said: Mapping[str, str], *, needed: bool = False
) -> Given:
    """Return what the form says of one parameter."""
    plain, told = _unwrapped(kind)
    account = _ACCOUNTS.get(getattr(plain, "__name__", ""))
    description = said.get(name) or told.get("description") or account
    if not description:
        raise SystemExit(f"{name} has no description: neither its type nor the docstring has one.")
    given: Given = {"description": description, **_type(plain)}
    if account:
        return {**given, **({"required": True} if needed else {}), **told.get("extra", {})}
    given |= {key: told[key] for key in ("minimum", "maximum") if key in told}
    if default is inspect.Parameter.empty:
        return {**given, "required": True}
    if default is None:
        return given
    return {**given, "default": _in_days(default) if isinstance(default, Duration) else default}


def _in_days(length: Duration) -> str:
    """Return a duration as forms have it: ``30d``, which few would write as ``4w2d``."""
    days, rest = divmod(length, 86400)
    return f"{days:.0f}d" if days and not rest else str(length)


def _unwrapped(kind: Any) -> tuple[Any, dict[str, Any]]:
    """Return a type without ``None`` and annotations, and what the annotations say."""
    if typing.get_origin(kind) is typing.Annotated:
        inner, *notes = typing.get_args(kind)
        plain, told = _unwrapped(inner)
        for note in notes:
            if isinstance(note, Meta):
                bounds = {"minimum": note.ge, "maximum": note.le}
                more = {"description": note.description, "extra": note.extra, **bounds}
                told |= {key: value for key, value in more.items() if value is not None}
        return plain, told
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (inner,) = (one for one in typing.get_args(kind) if one is not types.NoneType)
        return _unwrapped(inner)
    return kind, {}


def _type(kind: Any) -> Given:
    if hasattr(kind, "each") or typing.get_origin(kind) is list:
        return {"type": "array", "items": {"type": "string"}}
    if typing.get_origin(kind) is typing.Literal:
        return {"type": "string", "enum": list(typing.get_args(kind))}
    return {"type": "string" if hasattr(kind, "account_kind") else _KINDS[kind]}
