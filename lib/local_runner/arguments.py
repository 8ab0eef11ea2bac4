"""From ``key=value`` words to the parameters of a workflow, as StackStorm would make them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from common.casts import cast
from common.errors import Refused, UserError
from common.files import at_home, read_regular
from common.text import clean, near
from local_runner.actions import RUNNER_PARAMETERS, Action, Parameter
from local_runner.validation import invalid, with_defaults

# The only two StackStorm expressions that the pack's YAMLs hold (and they are fixed values).
USER = "{{ action_context.user }}"
TIMEOUT = "{{ timeout }}"


def parameters_for(action: Action, words: Sequence[str], user: str) -> dict[str, Any]:
    """Return what ``action``'s workflow gets when it is called with ``words`` by ``user``.

    Raises UserError with everything that is wrong with the words, at once.
    """
    known = _known(action)
    given, wrong = _given(known, words)
    return _checked(action, given, wrong, _tried(words), user)


def parameters_from(action: Action, given: Mapping[str, Any], user: str) -> dict[str, Any]:
    """Return what ``action``'s workflow gets when it is called with typed values by ``user``.

    A value of None is not given. Raises UserError as :func:`parameters_for`.
    """
    known = _known(action)
    wrong = [_unknown(name, known) for name in given if name not in known]
    wrong += [_fixed(name) for name in given if name in known and known[name].immutable]
    values = {name: value for name, value in given.items() if value is not None}
    mine = {name: value for name, value in values.items() if name in known}
    return _checked(action, mine, wrong, values.keys(), user)


def _fixed(name: str) -> str:
    return f"{name} is fixed by the action and cannot be given"


def _checked(
    action: Action, given: Mapping[str, Any], wrong: list[str], tried: Collection[str], user: str
) -> dict[str, Any]:
    """Return all parameters, with defaults; ``tried`` were given, if with no good value."""
    if not action.enabled:
        raise UserError(f"{action.name} is disabled in its YAML.")
    known = _known(action)
    missing = [p.name for p in known.values() if p.required and p.name not in tried]
    if missing:
        wrong.append(f"required and not given: {', '.join(missing)}")
    values = {
        name: with_defaults(given.get(name, parameter.default), parameter.schema)
        for name, parameter in known.items()
        if not parameter.immutable and (name in given or not parameter.is_runners)
    }
    wrong += invalid(known, values)
    fixed = {p.name: p.default for p in known.values() if p.immutable}
    values.update(_rendered(fixed, user, values.get("timeout")))
    wrong += [
        f"{name} has a default in the YAML that only StackStorm can fill"
        + ("" if known[name].immutable else ": give it")
        for name, value in values.items()
        if name not in given and isinstance(value, str) and "{{" in value
    ]
    if wrong:
        advice = f"See: ./runbook show {action.name}"
        raise Refused(action.name, wrong, advice=advice)
    return {name: value for name, value in values.items() if _is_passed_on(known[name])}


def _is_passed_on(parameter: Parameter) -> bool:
    """Whether the workflow sees it; ``workflow`` is for the dispatcher, the rest the runner's."""
    return not parameter.is_runners and parameter.name != "workflow"


def _known(action: Action) -> dict[str, Parameter]:
    """Return the action's parameters and those of the runner that it does not redeclare."""
    runners = {name: Parameter(name, schema) for name, schema in RUNNER_PARAMETERS.items()}
    return {**runners, **action.parameters}


def _tried(words: Iterable[str]) -> set[str]:
    """Return the names of the words, so that a value that is no good is not also missing."""
    return {word.partition("=")[0].removeprefix("@") for word in words if "=" in word}


def _given(
    known: Mapping[str, Parameter], words: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values that words give and what is wrong with the others."""
    given: dict[str, Any] = {}
    wrong = []
    for word in words:
        name, equals, text = word.partition("=")
        from_file, name = name.startswith("@"), name.removeprefix("@")
        if not equals:
            wrong.append(f"{clean(word)!r} is not of the form key=value")
            continue
        parameter = known.get(name)
        if parameter is None:
            wrong.append(_unknown(name, known))
        elif parameter.immutable:
            wrong.append(_fixed(name))
        elif name in given and parameter.type != "array":
            wrong.append(f"{name} is given twice")
        else:
            try:
                value = cast(_content(text) if from_file else text, parameter.schema)
            except ValueError as error:
                shown = "" if parameter.secret or from_file else f", not {clean(text)!r}"
                wrong.append(f"{name} {error}{shown}")
            else:
                given[name] = given[name] + value if name in given else value
    return given, wrong


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    givable = [p.name for p in known.values() if not p.immutable]
    found = near(name, givable)
    meant = f" (did you mean {' or '.join(found)}?)" if found else ""
    return f"there is no parameter {clean(name)!r}{meant}"


def _content(path: str) -> str:
    """Return the text of a file, given as ``@parameter=path``."""
    try:
        return read_regular(at_home(path)).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"cannot be read from {clean(path)}: {reason}") from None


def _rendered(fixed: Mapping[str, Any], user: str, timeout: int | None) -> dict[str, Any]:
    """Return the fixed values with the two expressions filled.

    Nobody kills a local run after the YAML's timeout, so only a timeout that was given counts.
    """
    deadline = None if timeout is None else str(timeout)
    meanings = {USER: user, TIMEOUT: deadline}
    return {
        name: meanings.get(value, value) if isinstance(value, str) else value
        for name, value in fixed.items()
    }
