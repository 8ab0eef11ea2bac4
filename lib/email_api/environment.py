"""Where templates are found and what they may call: a sandbox with filters of our own."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from markupsafe import Markup

from common.errors import UserError
from common.files import read_regular
from common.text import clean, count, listed
from email_api.bounds import BoundedEnvironment
from email_api.styles import inlined
from email_api.tables import Rows

OURS = Path(__file__).with_name("notices")
# A notice's own templates, in the order in which they are rendered.
PARTS = ("subject.j2", "text.j2", "html.j2")
# Bytes of a file.
_LARGEST_FILE = 2**20
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


class Loader(jinja2.BaseLoader):
    """Finds a template in the directories, first one first; ``ours/`` begins with the pack's."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        path = find(template, self._directories)
        if path is None:
            raise jinja2.TemplateNotFound(template)
        source = read(path)
        return inlined(source) if is_html(template) else source, str(path), lambda: True


def find(name: str, directories: Sequence[Path]) -> Path | None:
    """Return the first file of that relative name; UserError if a link leads it elsewhere."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part for part in parts):
        return None
    if parts[0] == "ours":
        parts, directories = parts[1:], [OURS]
    for directory in directories:
        path = directory.joinpath(*parts)
        if path.is_file():
            if not path.resolve().is_relative_to(directory.resolve()):
                raise UserError(f"{path} is a link that leads out of {directory}.")
            return path
    return None


def read(path: Path) -> str:
    """Return the text of a template or schema; UserError names what cannot be read."""
    try:
        return read_regular(path, most=_LARGEST_FILE).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {clean(error)}.") from None


def is_html(template: str | None) -> bool:
    """Say whether a template's values are escaped: all but those that are known to be plain."""
    return not str(template).endswith(("text.j2", "subject.j2"))


# -- what templates may call -------------------------------------------------------------------


@jinja2.pass_eval_context
def _table(context: nodes.EvalContext, rows: Rows) -> str:
    return Markup(rows.html()) if context.autoescape else rows.text()  # noqa: S704 - it is escaped


@jinja2.pass_eval_context
def _paragraphs(context: nodes.EvalContext, lines: Sequence[str] | None) -> str:
    if not context.autoescape:
        return "\n\n".join(lines or ())
    paragraph = Markup(inlined("<p>{}</p>"))  # noqa: S704 - a constant
    return Markup("\n").join(paragraph.format(line) for line in lines or ())


def _counted(things: Any, noun: str, plural: str = "") -> str:
    return count(things if isinstance(things, int) else len(things), noun, plural)


def _verb(things: Any, one: str, many: str) -> str:
    """Return the word that agrees with a number of things: ``is`` or ``are``."""
    return one if (things if isinstance(things, int) else len(things)) == 1 else many


def _day(value: str) -> str:
    """Return ``2026-11-21`` or a time on it as ``21 November 2026``; times as they are in UTC."""
    when = _utc(value) if len(value) > 10 else datetime.datetime.fromisoformat(value)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def _moment(value: str) -> str:
    """Return a time as ``21 November 2026, 22:00 UTC``."""
    return f"{_day(value)}, {_utc(value):%H:%M} UTC"


def _utc(value: str) -> datetime.datetime:
    text = re.sub(r"\.\d+", "", value).replace("Z", "+00:00")
    when = datetime.datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)\Z", r"\1:\2", text))
    return when.astimezone(datetime.timezone.utc) if when.tzinfo else when


def _web(address: str) -> str:
    """Return where a link to a mail or web address leads; nothing if it is neither."""
    if re.match(r"https?://\S+\Z", address):
        return address
    return f"mailto:{address}" if re.match(r"[^\s@?&%]+@[^\s@?&%]+\Z", address) else ""


class Environment(BoundedEnvironment):
    """The sandbox, with our filters; what is missing is an error and None is nothing."""

    def __init__(self, directories: Sequence[Path]) -> None:
        super().__init__(
            loader=Loader(directories),
            undefined=jinja2.StrictUndefined,
            autoescape=is_html,
            finalize=lambda value: "" if value is None else value,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=-1,
            auto_reload=False,
        )
        del self.filters["safe"]
        # Nothing in a mail needs Jinja's own functions, and some of them can be kept busy for ever.
        self.globals = {"namespace": self.globals["namespace"]}
        self.filters.update(
            table=_table, paragraphs=_paragraphs, counted=_counted, verb=_verb, listed=listed,
            day=_day, moment=_moment, web=_web,
        )  # fmt: skip
        self.bound_filters()


@functools.lru_cache(8)
def environment(directories: tuple[Path, ...]) -> Environment:
    """Return what finds and compiles the templates of the directories, once in a process."""
    return Environment(directories)
