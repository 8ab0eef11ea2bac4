"""docs/ACTIONS.md, and the README's table of actions: every action by subject, with its example."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from action_files import all_workflows, described, form
from common_parameters import common
from examples import example, typed
from pages import cell, code, filled, link, table
from workflow_api.workflow import RunRequest, Workflow

Given = Mapping[str, Any]
_BY_HAND = Path(__file__).with_name("actions_page.md")
_COMMON = ("dry_run", "max_changes", "ticket", "trigger_id", "output", "output_file")
_WIDTH = 100


def actions_page() -> str:
    """Return the whole page."""
    subjects = list(by_subject())
    contents = "".join(
        f"- {link(subject, subject)}: {_verbs(known)}\n" for subject, known in subjects
    )
    made = {
        "contents": "".join(contents),
        "common": table("parameter", "values", "default", "what it is", rows=_all_common()),
        "actions": "\n".join(_subject(subject, known) for subject, known in subjects),
    }
    on_runs = ", ".join(code(one.name) for one in all_workflows().values() if _is_on_runs(one))
    return filled(_BY_HAND.read_text().replace("<!-- on_runs -->", on_runs), made)


def readme_rows() -> str:
    """Return the README's table: a row for each subject, its verbs linked to their sections."""
    rows = (
        f"| {link(subject, subject, page='docs/ACTIONS.md')} | "
        f"{_verbs(known, page='docs/ACTIONS.md')} |"
        for subject, known in by_subject()
    )
    return table("subject", "actions", rows=rows)


def by_subject() -> Iterator[tuple[str, list[Workflow]]]:
    """Yield each subject with its runbooks, in the order of their names."""
    for subject, known in groupby(all_workflows().values(), lambda one: one.name.split(".")[0]):
        yield subject, list(known)


def _verbs(known: list[Workflow], page: str = "") -> str:
    return ", ".join(link(one.name.partition(".")[2], one.name, page=page) for one in known)


def _all_common() -> Iterator[str]:
    """Yield a row for each common parameter, as an action has it that is dry by default."""
    every = all_workflows()
    given = {**common(every["hypervisor.drain"]), **common(every["query.run"])}
    yield from (_row(name, given[name]) for name in _COMMON)


def _subject(subject: str, known: list[Workflow]) -> str:
    return f"## {subject}\n\n" + "\n".join(map(_action, known))


def _action(known: Workflow) -> str:
    rows = [_row(name, given) for name, given in own_parameters(known).items()]
    parts = [f"### {known.name}", described(known)]
    if rows:
        parts.append(table("parameter", "values", "default", "what it is", rows=rows).rstrip())
    parts.append("```console\n" + "\n".join(commands(known.name)) + "\n```")
    if note := _note(known):
        parts.append(note)
    return "\n\n".join(parts) + "\n"


def own_parameters(known: Workflow) -> dict[str, Any]:
    """Return what an action's table has: what can be given, but for what many actions have."""
    return {
        name: given
        for name, given in form(known).items()
        if name not in _COMMON and not given.get("immutable")
    }


def commands(name: str) -> Iterator[str]:
    """Yield the example of an action as it is typed, without StackStorm and with it."""
    words = typed(example(name))
    yield _command(["./runbook", "run", name, *words])
    yield _command(["st2", "run", f"openstack_ops.{name}", *words])


def _command(words: list[str]) -> str:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > _WIDTH:
            lines[-1] += "\\"
            lines.append("    ")
        lines[-1] += f"{word} "
    return "\n".join(lines).rstrip()


def _is_on_runs(known: Workflow) -> bool:
    return typing.get_type_hints(known.function)["return"] is RunRequest


def _note(known: Workflow) -> str:
    """Return the sentence on what an action does by default; none for one that only reads."""
    does = "sends" if known.name.startswith("email.") else "changes"
    if known.changes and known.one_object:
        return f"**Acts at once**: `dry_run=true` shows the plan and {does} nothing."
    if known.changes:
        return f"**Dry by default**: it shows the plan and {does} nothing; `dry_run=false` acts."
    if _is_on_runs(known):
        which = "that run" if "run" in known.parameters else "runs that are due"
        return f"**Acts at once** on {which}; there is no dry run of it."
    return ""


def _row(name: str, given: Given) -> str:
    default = "required" if given.get("required") else _default(given.get("default"))
    return f"| `{name}` | {_values(given)} | {default} | {cell(given['description'])} |"


def _values(given: Given) -> str:
    if "enum" in given:
        return ", ".join(map(code, given["enum"]))
    if given["type"] == "array":
        return "list of texts"
    if given["type"] == "boolean":
        return "`true`, `false`"
    bounds = {"from": given.get("minimum"), "to": given.get("maximum")}
    kind = {"string": "text", "integer": "whole number"}[given["type"]]
    return kind + "".join(f" {word} {at}" for word, at in bounds.items() if at is not None)


def _default(value: Any) -> str:
    """Return a default as it would be typed; nothing where there is none."""
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return code(str(value).lower())
    return ", ".join(map(code, value)) if isinstance(value, list) else code(value)
