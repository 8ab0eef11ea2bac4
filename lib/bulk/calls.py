"""From rows to calls: the parameters of each, of the types that the action takes."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bulk.mapping import Missing, Source, paths
from common.casts import cast
from common.duration import Duration
from common.errors import UserError
from common.text import clean, listed, near
from workflow_api.workflow import Workflow, workflow_named

_KINDS = {int: "integer", float: "number", bool: "boolean", str: "string", Duration: "string"}
_TAKEN = frozenset({"dry_run", "max_changes", "ticket", "trigger_id", "requested_by", "deadline"})
# What may be shown of a file's column: whatever else stands in its first line is none's name.
_SHOWABLE = re.compile(r"[\w .\-/()%#]{1,40}")


class Row(msgspec.Struct, frozen=True):
    """One row of what was asked: its number, what it is called, and its values by column."""

    number: int
    what: str
    values: Mapping[str, Any]


class RowCall(msgspec.Struct, frozen=True):
    """One call of the action: its row and its parameters, as an operator would give them.

    ``given`` are the row's own values of those parameters that now hold an id for a name.
    """

    row: Row
    parameters: dict[str, Any]
    group: str = ""
    given: Mapping[str, Any] = {}

    @property
    def key(self) -> str:
        """What tells the call from every other, as text."""
        return json.dumps(self.parameters, sort_keys=True, ensure_ascii=False, default=str)

    @property
    def about(self) -> dict[str, Any]:
        """What the report says of the row."""
        return {"row": self.row.number, "parameters": {**self.parameters, **self.given}}


class CallSpec(msgspec.Struct, frozen=True):
    """What is known before anything is read: the action, its sources, the column of groups."""

    action: Workflow
    given: Mapping[str, Source]
    per: tuple[str, int] | None

    @property
    def columns(self) -> list[str]:
        """The columns that were named."""
        return [*paths(self.given.values()), *([self.per[0]] if self.per else [])]

    def group_of(self, row: Row) -> str:
        """Return what a row's runs are counted among."""
        value = row.values.get(self.per[0]) if self.per else None
        return "" if value is None else clean(value)


class Rows(msgspec.Struct, frozen=True):
    """What was asked row by row: ``what`` the rows are, their calls, and those that give none."""

    what: str
    calls: list[RowCall]
    gaps: list[tuple[Row, str]] = []
    notes: list[str] = []


def calls_of(
    spec: CallSpec, sources: Mapping[str, Source], rows: Iterable[Row]
) -> tuple[list[RowCall], list[tuple[Row, str]]]:
    """Return the calls of rows, each once, and the rows that give none, with why."""
    calls: dict[str, RowCall] = {}
    wrong = []
    for row in rows:
        try:
            call = RowCall(row, parameters_of(spec.action, sources, row.values), spec.group_of(row))
        except UserError as error:
            wrong.append((row, error.message))
            continue
        if (first := calls.setdefault(call.key, call)) is not call:
            wrong.append((row, f"it asks for the same as row {first.row.number}"))
    return list(calls.values()), wrong


def action_named(name: str) -> Workflow:
    """Return the workflow that may be run for many rows; raises UserError."""
    if name == "bulk.run" or name.startswith("run."):
        raise UserError(f"{name} cannot be run for many rows.", advice="Name the action itself.")
    action = workflow_named(name)
    if not action.changes:
        raise UserError(
            f"{name} changes nothing: it reads.", advice="Ask for many things with query.run."
        )
    return action


def sources_of(
    action: Workflow, given: Mapping[str, Source], implied: Mapping[str, str]
) -> dict[str, Source]:
    """Return where each parameter comes from: as ``given``, or from the column ``implied``.

    Raises UserError for a parameter that the action does not have or that is required and has no
    source, with all of them at once.
    """
    known = [*action.accounts, *action.parameters]
    wrong = []
    for name in given:
        if name in _TAKEN and name not in action.types:
            wrong.append(f"{name} is given once for all rows, not by set")
        elif name not in known:
            likely = near(name, known)
            more = f"; did you mean {' or '.join(likely)}" if likely else ""
            wrong.append(f"{action.name} has no parameter {name!r}{more}")
    sources = {name: Source(column=column) for name, column in implied.items() if name in known}
    sources |= given
    wrong += [
        f"{name} has no column: {action.name} needs it"
        for name, parameter in action.parameters.items()
        if parameter.default is parameter.empty and name not in sources
    ]
    if wrong:
        takes = f"{action.name} takes {listed(known, 30)}."
        raise UserError(f"set does not fit: {'; '.join(wrong)}.", advice=takes)
    return sources


def parameters_of(
    action: Workflow, sources: Mapping[str, Source], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters that a row gives; what is empty in it is left out.

    Raises UserError with all that is wrong with it.
    """
    found: dict[str, Any] = {}
    wrong = []
    for name, source in sources.items():
        try:
            value = source.value(row)
            if value not in (None, "", []):
                found[name] = _typed(action, name, value)
            elif _is_needed(action, name):
                wrong.append(f"{name} is empty, and {action.name} needs it")
        except Missing as error:
            wrong.append(f"{name}: {error.message}".rstrip("."))
        except ValueError as error:
            wrong.append(f"{name} {clean(error)}")
    if wrong:
        raise UserError("; ".join(wrong))
    return found


def _is_needed(action: Workflow, name: str) -> bool:
    if name in action.accounts:
        return name in action.required_accounts
    parameter = action.parameters[name]
    return parameter.default is parameter.empty


def _typed(action: Workflow, name: str, value: Any) -> Any:
    kind = "string" if name in action.accounts else _schema_type(action.types[name])
    if isinstance(value, str):
        return cast(value.strip() if kind != "string" else value, {"type": kind})
    if kind == "string" and not isinstance(value, (list, dict)):
        return json.dumps(value) if isinstance(value, (bool, float, int)) else str(value)
    if kind == "array" and not isinstance(value, list):
        return [value]
    if isinstance(value, list) and kind != "array":
        raise ValueError("takes one value, and the column has a list")
    return value


def _schema_type(kind: Any) -> str:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _schema_type(typing.get_args(kind)[0])
    if origin is typing.Literal:
        return _KINDS.get(type(typing.get_args(kind)[0]), "string")
    if origin is list:
        return "array"
    inner = [argument for argument in typing.get_args(kind) if argument is not type(None)]
    if inner and origin is not None and origin is not dict:
        return _schema_type(inner[0])
    return "object" if kind is dict or origin is dict else _KINDS.get(kind, "string")


def showable(columns: Iterable[str]) -> str:
    """Return the names of a file's columns, as far as they can be names of columns."""
    names = [name for name in columns if _SHOWABLE.fullmatch(name)]
    return listed(names, 20) if names else "none that is a name"
