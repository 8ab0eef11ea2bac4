"""Shell completion of action names, parameter names and simple values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from common.text import shorten
from local_runner.actions import Action, Catalogue, Parameter

VARIABLE = "_RUNBOOK_COMPLETE"
_BASH = "complete_bash"
# A search is described by all of its properties.
_BRIEF = 120


def mend_bash_words() -> None:
    """Undo half of what bash does at ``=``: it hands ``cloud=`` over as two words.

    A cursor right behind the sign then completes an empty word, as bash inserts the answer there.
    """
    if os.environ.get(VARIABLE) != _BASH:
        return
    words = os.environ.get("COMP_WORDS", "").split("\n")
    place = int(os.environ.get("COMP_CWORD", "0"))
    if place < len(words) and words[place] == "=":
        os.environ["COMP_WORDS"] = "\n".join(words[: place + 1])
        os.environ["COMP_CWORD"] = str(place + 1)


def action_names(catalogue: Catalogue, incomplete: str) -> list[tuple[str, str]]:
    """Return the actions that begin with what is typed, with their descriptions."""
    found = [action for action in catalogue.all() if action.name.startswith(incomplete)]
    return [(action.name, shorten(action.description, _BRIEF)) for action in found]


def words(
    catalogue: Catalogue,
    name: str,
    before: Sequence[str],
    incomplete: str,
    clouds: Callable[[], Iterable[str]],
) -> list[tuple[str, str]]:
    """Return what can stand for ``incomplete`` after the words ``before`` of an action."""
    try:
        action = catalogue.action(name)
    except Exception:  # a completion that fails is silent
        return []
    if before and before[-1] == "=":  # bash, inside key=value
        return [(value, "") for value in _values(action, _at(before, -2), clouds)]
    key, equals, _ = incomplete.partition("=")
    if equals:
        return [(f"{key}={value}", "") for value in _values(action, key, clouds)]
    given = {word.partition("=")[0] for word in before}
    offered = [p for p in action.givable if p.name not in given and p.name.startswith(incomplete)]
    if len(offered) == 1:
        # A shell puts a space behind a lone `cloud=`; behind `cloud=devcloud` it is right. Where
        # the values are not known, bash is given a second answer so that it stops at the sign.
        values = _values(action, offered[0].name, clouds)
        if values:
            return [(f"{offered[0].name}={value}", offered[0].description) for value in values]
        if os.environ.get(VARIABLE) == _BASH:
            return [(f"{offered[0].name}=", ""), (f"{offered[0].name}=...", "")]
    return [(f"{p.name}=", p.description) for p in offered]


def _at(before: Sequence[str], place: int) -> str:
    return before[place] if len(before) >= -place else ""


def _values(action: Action, key: str, clouds: Callable[[], Iterable[str]]) -> list[str]:
    parameter: Parameter | None = action.parameters.get(key)
    if parameter is None or parameter.immutable:
        return []
    if key in ("cloud", "clouds"):
        return sorted(clouds())
    return [str(choice) for choice in parameter.choices]


def cloud_names(config: Path | None) -> list[str]:
    """Return the names of the configured clouds; none if that cannot be told."""
    from common.files import read_regular
    from common.strict_yaml import LONGEST, load
    from local_runner.configuration import find

    try:
        values = load(read_regular(find(config), most=LONGEST).decode())
        return [str(entry["name"]) for entry in values["clouds"]]
    except Exception:
        return []
