"""Showing actions and results to a person. All text is hostile: nothing is read as markup."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.text import clean, shorten
from local_runner.actions import Action, Parameter
from local_runner.screen import clean_lines, console, is_terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {"done": "bold green", "failed": "bold red", "interrupted": "bold yellow"}
_REFUSED = "bold yellow"
# A search is described by all of its properties.
_BRIEF = 120


def show_actions(actions: Sequence[Action]) -> None:
    """Print one line an action; a pipe gets them as long as they are described in a sentence."""
    if not is_terminal(sys.stdout):
        size = max((len(action.name) for action in actions), default=0)
        for action in actions:
            sys.stdout.write(f"{action.name:<{size}}  {_brief(action)}".rstrip() + "\n")
        return
    from rich.text import Text

    table = _grid()
    for action in actions:
        table.add_row(Text(action.name, "bold"), Text(_brief(action)))
    console(sys.stdout).print(table)


def _brief(action: Action) -> str:
    return shorten(_about(action), _BRIEF)


def _about(action: Action) -> str:
    return action.description + ("" if action.enabled else " (disabled)")


def show_action(action: Action) -> None:
    """Print an action's parameters and a command line that has what is required."""
    from rich.text import Text

    screen = console(sys.stdout)
    screen.print(Text(action.name, "bold"), Text(_about(action)), sep="  ")
    table = _grid()
    for parameter in action.givable:
        name = Text(parameter.name + ("*" * parameter.required), "bold" * parameter.required)
        table.add_row(name, Text(parameter.type or "any", "dim"), Text(_explained(parameter)))
    screen.print()
    screen.print(table, soft_wrap=False)
    screen.print()
    words = "".join(f" {p.name}=..." for p in action.givable if p.required)
    if words:
        screen.print("* required")
    screen.print(f"./runbook run {action.name}{words}")


def _explained(parameter: Parameter) -> str:
    parts = [parameter.description.rstrip(".")]
    if parameter.choices and parameter.type != "boolean":
        parts.append(f"One of {', '.join(clean(choice) for choice in parameter.choices)}")
    for key, words in (("minimum", "At least"), ("maximum", "At most")):
        if key in parameter.schema:
            parts.append(f"{words} {parameter.schema[key]}")
    if parameter.default not in (None, "", [], {}) and not parameter.is_runners:
        shown = "hidden" if parameter.secret else _value(parameter.default)
        parts.append(f"Default {shown}")
    return "".join(f"{part}. " for part in parts if part).strip()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):
        import json

        return clean(json.dumps(value))
    return shlex.quote(clean(value))


def as_data(action: Action) -> dict[str, Any]:
    """Return an action as plain data, with the parameters that a caller may give."""
    return {
        "name": action.name,
        "description": action.description,
        "enabled": action.enabled,
        "parameters": {p.name: dict(p.schema) for p in action.givable},
    }


def show_result(
    kind: str,
    result: Mapping[str, Any],
    *,
    exact: bool = False,
    note: str = "",
) -> None:
    """Print a result: its text, then its summary in bold, coloured by how it ended.

    ``exact`` says that the text is data for a program (CSV and the like). ``note`` is printed
    last.
    """
    on_terminal = is_terminal(sys.stdout)
    answers, remarks = console(sys.stdout), console(sys.stderr)
    if kind == "refused":
        _show_refusal(remarks, result, note)
        return
    text = _body(result)
    if exact and not on_terminal:
        sys.stdout.write(result["text"])
        sys.stdout.flush()
        answers = remarks
    elif text.strip():
        answers.out(clean_lines(text.rstrip("\n")) + "\n", highlight=False)
    _show_last(answers, kind, result["summary"], note)


def _body(result: Mapping[str, Any]) -> str:
    """Return the text without the summary, which is shown last."""
    return str(result["text"]).removeprefix(result["summary"]).lstrip("\n")


def _show_refusal(screen: Console, result: Mapping[str, Any], note: str) -> None:
    """Print several reasons as a list, with what they are about and the advice below."""
    summary = str(result["summary"])
    reasons = [str(entry["why"]) for entry in result["failed"]]
    joined = "; ".join(reasons)
    if len(reasons) > 1 and joined in summary:
        before, _, after = summary.partition(joined)
        for reason in reasons:
            screen.out(f"  - {clean(reason)}", highlight=False)
        summary = f"{before.strip().rstrip(':')}. {after.lstrip('. ')}".strip()
    _show_last(screen, "refused", summary, note)


def _show_last(screen: Console, kind: str, summary: str, note: str) -> None:
    from rich.text import Text

    # Several lines where it points at a word.
    screen.print(Text(clean_lines(summary), _STYLES.get(kind, _REFUSED)))
    if note:
        screen.print(Text(clean(note)))


def _grid() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    return table
