"""From the parameters of an action to the arguments of a workflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import msgspec

from common.duration import decoded
from common.errors import UserError
from common.text import clean, listed, near
from engine.bounds import bare, out_of_bounds
from engine.parameter_checks import admit_name, not_given
from workflow_api.ref import as_parameter
from workflow_api.workflow import Workflow, fields_of

# Parameters that mean the same everywhere and are the dispatcher's business, not the runbook's.
READING = frozenset({"output", "output_file"})
CHANGING = frozenset({"dry_run", "max_changes", "ticket", "trigger_id"})
ALWAYS = frozenset({"requested_by", "deadline"})


@dataclass(frozen=True)
class Call:
    """One call of a workflow: its arguments typed, and as plain data that can be stored."""

    workflow: Workflow
    arguments: dict[str, Any]
    accounts: dict[str, str]
    plain: dict[str, Any]

    @property
    def request(self) -> str:
        """What tells this request from another: its workflow and parameters, hashed."""
        data = json.dumps([self.workflow.name, self.plain], sort_keys=True)
        import hashlib

        return hashlib.sha256(data.encode()).hexdigest()


def bind(
    workflow: Workflow,
    parameters: Mapping[str, Any],
    account: Callable[[type, str | list[str] | None], Any],
) -> Call:
    """Turn ``parameters`` into arguments of ``workflow``.

    Accounts are looked up with ``account(type, name)``; the name is a list for a type of several,
    and None if there is none. Raises UserError that names the parameter that is unknown, missing
    or of the wrong type.
    """
    own = CHANGING if workflow.changes else READING
    naming = workflow.names
    given = {
        name: value
        for name, value in parameters.items()
        if not not_given(value, is_name=name in naming)
        and (name in workflow.types or name not in own | ALWAYS)
    }
    known = [*workflow.accounts, *workflow.parameters]
    for name in given:
        if name not in known:
            takes = f"It takes {listed(known)}." if known else "It takes none."
            advice = _guess(name, known) or takes
            raise UserError(f"{workflow.name} has no parameter {name!r}.", advice=advice)
    for name in naming & given.keys():
        admit_name(name, given[name])
    for name in workflow.required_accounts:
        if not given.get(name):
            raise UserError(f"{workflow.name} needs {name}: a name in the configuration.")
    accounts = {
        name: account(kind, _name(workflow, name, kind, given.get(name)))
        for name, kind in workflow.accounts.items()
    }
    values: dict[str, Any] = {}
    for name, parameter in workflow.parameters.items():
        if name in given:
            values[name] = _typed(workflow, name, given[name])
        elif parameter.default is parameter.empty:
            raise UserError(f"{workflow.name} needs {name}.")
        else:
            values[name] = parameter.default
    names = {name: value.name for name, value in accounts.items()}
    plain = {**names, **{name: as_parameter(value) for name, value in values.items()}}
    return Call(workflow, {**accounts, **_arguments(workflow, values)}, names, plain)


def _arguments(workflow: Workflow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the function takes: parameters by its own names, those of a group as one."""
    grouped = {
        argument: {name: values[name] for name in fields_of(kind)}
        for argument, kind in workflow.groups.items()
    }
    spread = {name for fields in grouped.values() for name in fields}
    single = {
        workflow.parameters[name].name: value
        for name, value in values.items()
        if name not in spread
    }
    groups = {name: workflow.groups[name](**fields) for name, fields in grouped.items()}
    return {**single, **groups}


def _name(workflow: Workflow, name: str, kind: Any, value: Any) -> str | list[str] | None:
    if value is None or isinstance(value, str):
        return value or None
    if hasattr(kind, "each"):
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
        raise UserError(f"{workflow.name}: {name} is a list of names in the configuration.")
    raise UserError(f"{workflow.name}: {name} is a name in the configuration, not {value!r:.80}.")


def _typed(workflow: Workflow, name: str, value: Any) -> Any:
    kind = workflow.types[name]
    allowed = _choices(kind)
    if allowed and not any(value == one and type(value) is type(one) for one in allowed):
        words = [str(one) for one in allowed]
        raise UserError(
            f"{workflow.name}: {name} is one of {', '.join(words)}, not {clean(value)!r:.80}.",
            advice=_guess(str(value), words),
        )
    if wrong := out_of_bounds(kind, value):
        raise UserError(f"{workflow.name}: {name} {wrong}.")
    try:
        return msgspec.convert(value, kind, dec_hook=decoded)
    except (msgspec.ValidationError, ValueError) as error:
        raise UserError(f"{workflow.name}: {name}: {clean(error)}.") from None


def _choices(kind: Any) -> list[Any]:
    """Return the values of a Literal, which may be optional; nothing for any other type."""
    plain = bare(kind)
    return list(get_args(plain)) if get_origin(plain) is Literal else []


def _guess(wanted: str, known: Iterable[str]) -> str:
    found = near(wanted, known)
    return f"Did you mean {' or '.join(found)}?" if found else ""
