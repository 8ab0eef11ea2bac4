"""Notices: what a mail says, from a folder with a subject, a text, an HTML part and a schema.

A notice is filled with checked variables and nothing else. A directory of an operator comes
before the pack's own: whole folders, or single files of a folder, replace ours by name.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from common.errors import NotFound, UserError
from common.text import clean, listed, near

if TYPE_CHECKING:
    from accounts.mail_config import Organisation
    from common.table import Table
    from email_api.rendering import Templates
    from email_api.variables import Schema

_OURS = Path(__file__).with_suffix("")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class Rendered(msgspec.Struct, frozen=True):
    """What one reader is told: a subject of one line, and the same in plain text and in HTML.

    If the organisation has a logo, the HTML shows it as the part of the message whose Content-ID
    is ``email_api.rendering.LOGO``.
    """

    subject: str
    text: str
    html: str


class Notice:
    """A notice that is known to be whole: its schema is right and its templates compile."""

    def __init__(self, name: str, schema: Schema, templates: Templates) -> None:
        self.name, self.schema, self._templates = name, schema, templates

    def __repr__(self) -> str:
        return f"<Notice {self.name}>"

    def check(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables cleaned, as plain JSON; UserError names each that is wrong."""
        from email_api.variables import checked

        return checked(self.name, self.schema, variables)

    def render(
        self,
        variables: Mapping[str, Any],
        organisation: Organisation,
        *,
        now: datetime.datetime | None = None,
    ) -> Rendered:
        """Return the notice filled with variables, which are checked again.

        ``now`` (with its zone) is what ages are counted from. Raises UserError that names the
        variable, or the file and line of a template that breaks.
        """
        made = self._templates.render(self.check(variables), organisation, now)
        return Rendered(*made)


def notice(name: str, directories: Sequence[str | Path] = ()) -> Notice:
    """Return the notice called ``name``, first from the directories, then from the pack.

    Raises NotFound with near names, and UserError that names file and line of what is wrong.
    """
    return _notice(name, _existing(directories))


@functools.lru_cache(64)
def _notice(name: str, directories: tuple[Path, ...]) -> Notice:
    from email_api.environment import PARTS, find
    from email_api.rendering import Templates

    known = _names(directories)
    if name not in known:
        raise NotFound("notice", clean(name), near=near(name, known) or known)
    missing = [part for part in PARTS if find(f"{name}/{part}", directories) is None]
    if missing:
        places = listed(str(directory / name) for directory in directories)
        raise UserError(f"Notice {name} has no {listed(missing)} in {places}.")
    schema = _schema(name, directories)
    return Notice(name, schema, Templates(name, schema, directories))


def names(directories: Sequence[str | Path] = ()) -> list[str]:
    """Return the names of all notices: those with a schema."""
    return _names(_existing(directories))


def example(name: str, directories: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Return the variables that a notice is previewed with: its ``example.yaml``."""
    loaded, path = _yaml(f"{name}/example.yaml", _existing(directories))
    if not isinstance(loaded, dict):
        raise UserError(f"{path} is not a mapping of variables to values.")
    return loaded


def as_variable(table: Table) -> dict[str, Any]:
    """Return a table as the value of a variable of type ``table``: plain data."""
    rows = [{column: row[column] for column in table.columns} for row in table.rows]
    return {
        "columns": table.columns,
        "rows": rows,
        "units": table.units,
        "group_by": table.group_by,
    }


def _existing(directories: Sequence[str | Path]) -> tuple[Path, ...]:
    """Return where notices are looked for; UserError for a directory that is not there."""
    paths = [Path(directory) for directory in directories]
    for path in paths:
        if not path.is_dir():
            raise UserError(f"The templates' directory {path} is not there.")
    return (*paths, _OURS)


def _names(directories: tuple[Path, ...]) -> list[str]:
    found = {path.parent.name for place in directories for path in place.glob("*/schema.yaml")}
    return sorted(filter(_NAME.match, found))


def _schema(name: str, directories: tuple[Path, ...]) -> Schema:
    """Return what a notice is filled with: its own variables and those that every notice has."""
    from email_api.variables import Schema

    found = []
    for file in ("common.yaml", f"{name}/schema.yaml"):
        loaded, path = _yaml(file, directories)
        try:
            found.append(msgspec.convert(loaded, Schema))
        except msgspec.ValidationError as error:
            raise UserError(f"{path} is not a notice's schema: {clean(error)}.") from None
        if faults := found[-1].faults():
            raise UserError(f"{path} is not a notice's schema: {'; '.join(faults)}.")
    common, own = found
    return Schema(about=own.about, variables={**common.variables, **own.variables})


def _yaml(name: str, directories: tuple[Path, ...]) -> tuple[Any, Path]:
    from email_api.environment import find, read
    from email_api.yaml_text import Unreadable, plain_yaml

    path = find(name, directories)
    if path is None:
        raise UserError(f"There is no {name} in {listed(map(str, directories))}.")
    try:
        return plain_yaml(read(path)), path
    except Unreadable as wrong:
        place = f"{path}, line {wrong.line}" if wrong.line else str(path)
        raise UserError(f"{place}: {wrong.why.rstrip('.')}.") from None
