"""docs/MAIL_TEMPLATES.md: what is written by hand in mail_page.md, and the notices' variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

import yaml

from email_api.environment import OURS
from email_api.notices import names, notice
from email_api.variables import Column, Kind, Variable
from pages import filled, table

_BY_HAND = Path(__file__).with_name("mail_page.md")
_SAYS = {
    "text": "words in one line",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "date": "a day, `2026-12-31`",
    "time": "`2026-12-31T22:00:00Z`; without a zone it is UTC",
    "link": "an address that begins with `https://`, `http://` or `mailto:`",
    "choice": "one of the words in its `choices`",
    "texts": "a list of texts",
    "prose": "sentences: a text whose lines are paragraphs, or a list of them",
    "rows": "a list of mappings with the keys in its `columns`",
    "table": "rows of any columns: `columns`, `rows`, and perhaps `units` and `group_by`",
}


def mail_page() -> str:
    """Return the whole page."""
    made = {
        "types": "".join(f"| `{kind}` | {_SAYS[kind]} |\n" for kind in kinds()),
        "common": _variables({name: notice("test").schema.variables[name] for name in common()}),
        "notices": "\n".join(_section(name) for name in names()),
    }
    return filled(_BY_HAND.read_text(), made)


def kinds() -> list[str]:
    """Return the types of variables."""
    return list(get_args(Kind))


def common() -> list[str]:
    """Return the names of the variables that every notice has."""
    return list(yaml.safe_load((OURS / "common.yaml").read_text())["variables"])


def _section(name: str) -> str:
    schema = notice(name).schema
    own = {name: spec for name, spec in schema.variables.items() if name not in common()}
    return f"### {name}\n\n{schema.about}\n\n{_variables(own)}"


def _variables(variables: Mapping[str, Variable]) -> str:
    rows = _rows(variables.items())
    return table("variable", "type", "is", rows=rows)


def _rows(variables: Iterable[tuple[str, Variable | Column]], above: str = "") -> Iterable[str]:
    for name, spec in variables:
        kind = (
            f"{spec.type}, optional" if isinstance(spec, Variable) and spec.optional else spec.type
        )
        about = spec.about + (f" (one of {', '.join(spec.choices)})" if spec.choices else "")
        if isinstance(spec, Column) and spec.unit:
            kind += f", {spec.unit}"
        yield f"| `{above}{name}` | {kind} | {about} |"
        if isinstance(spec, Variable):
            yield from _rows(spec.columns.items(), f"{name}[].")
