"""Notices' templates: found by name, compiled once, and rendered so that nothing gets out."""

from __future__ import annotations

import datetime
import functools
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes
from markupsafe import Markup

from accounts.mail_config import Organisation
from common.errors import UserError
from common.files import read_regular
from common.text import clean, count, listed, shorten
from email_api.active import active_content
from email_api.bounds import LONGEST, BoundedEnvironment, bounded
from email_api.remote import remote_content
from email_api.styles import inlined, look
from email_api.tables import KEEP, LINE, Rows, folded, rows_of
from email_api.variables import RESERVED, Schema

OURS = Path(__file__).with_name("notices")
# A notice's own templates, in the order in which they are rendered.
PARTS = ("subject.j2", "text.j2", "html.j2")
# How an HTML part calls the logo that travels in the same message: its Content-ID.
LOGO = "logo"
# Terminal columns of a subject, and bytes of a file.
_SUBJECT, _LARGEST_FILE = 150, 2**20
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


class _Loader(jinja2.BaseLoader):
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
        return inlined(source) if _is_html(template) else source, str(path), lambda: True


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


def _is_html(template: str | None) -> bool:
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


class _Environment(BoundedEnvironment):
    """The sandbox, with our filters; what is missing is an error and None is nothing."""

    def __init__(self, directories: Sequence[Path]) -> None:
        super().__init__(
            loader=_Loader(directories),
            undefined=jinja2.StrictUndefined,
            autoescape=_is_html,
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
def environment(directories: tuple[Path, ...]) -> _Environment:
    """Return what finds and compiles the templates of the directories, once in a process."""
    return _Environment(directories)


# -- checking ----------------------------------------------------------------------------------


class Templates:
    """The three templates of a notice, which compile and use no variable that is not there."""

    def __init__(self, name: str, schema: Schema, directories: tuple[Path, ...]) -> None:
        self.name, self._schema = name, schema
        self._environment, self._loader = environment(directories), _Loader(directories)
        known = {*schema.variables, *RESERVED, *self._environment.globals}
        seen: set[str] = set()
        for part in PARTS:
            self._check(f"{name}/{part}", known, seen)
        self._parts = [self._environment.get_template(f"{name}/{part}") for part in PARTS]

    def _check(self, template: str, known: set[str], seen: set[str]) -> None:
        """Look for unknown variables in a template and in those that it names."""
        seen.add(template)
        path: str | None = None
        try:
            source, path, _ = self._loader.get_source(self._environment, template)
            tree = self._environment.parse(source, template, path)
            self._environment.get_template(template)  # an unknown filter shows only here
            unknown = meta.find_undeclared_variables(tree) - known
            referenced = set(meta.find_referenced_templates(tree))
        except (jinja2.TemplateError, RecursionError, MemoryError) as error:
            raise self._fault(error, path or template) from None
        if _is_html(template) and not all(name and _is_html(name) for name in referenced):
            raise UserError(
                f"Notice {self.name}: {path} takes in a template that is plain text, or one that "
                "is known only when it is rendered: its values would not be escaped."
            )
        if setting := tree.find(nodes.ScopedEvalContextModifier):
            raise UserError(
                f"Notice {self.name}: {path}, line {setting.lineno}: escaping cannot be changed."
            )
        if unknown:
            found = next(n for n in tree.find_all(nodes.Name) if n.name in unknown)
            raise UserError(
                f"Notice {self.name}: {path}, line {found.lineno}: the schema has no variable "
                f"{found.name!r}.",
                advice=f"It has {listed(self._schema.variables, 30)}.",
            )
        if _is_html(template) and (loaded := remote_content(source)):
            line, what = loaded
            raise UserError(
                f"Notice {self.name}: {path}, line {line}: {shorten(clean(what), 80)!r} would be "
                "loaded from elsewhere when the mail is read.",
                advice="Leave it out, or make it a link. The organisation's logo travels with each "
                "mail.",
            )
        links = [name for name, one in self._schema.variables.items() if one.type == "link"]
        if _is_html(template) and (active := active_content(source, links)):
            line, what = active
            raise UserError(
                f"Notice {self.name}: {path}, line {line}: {shorten(clean(what), 120)}.",
                advice="Mails have texts, tables and links to https: and mailto: addresses.",
            )
        for name in sorted(filter(None, referenced - seen)):
            if name not in seen:
                self._check(name, known, seen)

    def render(self, values: Mapping[str, Any], organisation: Organisation, now: (
        datetime.datetime | None
    ),) -> tuple[str, str, str]:  # fmt: skip
        """Return subject, text and HTML; UserError names file and line of what is wrong."""
        now = now or datetime.datetime.now(datetime.timezone.utc)  # the same in both parts
        variables = self._schema.variables
        given: dict[str, Any] = {}
        for name, value in values.items():
            kind = variables[name].type
            if value is not None and kind == "rows":
                value = rows_of(variables[name], value, now)
            elif value is not None and kind == "table":
                value = Rows(value["rows"], value["columns"], units=value["units"],
                             group_by=value["group_by"], now=now)  # fmt: skip
            given[name] = value
        colours = organisation.colours
        given["organisation"] = organisation
        given["look"] = look(colours.accent, colours.background)
        given["logo"] = f"cid:{LOGO}" if organisation.logo else ""
        given["title"] = ""
        subject, text, html = self._parts
        title = shorten(" ".join(clean(self._made(subject, given)).split()), _SUBJECT)
        if not title:
            raise UserError(f"Notice {self.name} has no subject: {subject.filename} makes none.")
        given["title"] = title
        return title, finished(self._made(text, given)), self._made(html, given)

    def _made(self, template: jinja2.Template, given: Mapping[str, Any]) -> str:
        try:
            with bounded():
                made = template.render(given)
        except Exception as error:  # a template is a program of somebody else
            raise self._fault(error, str(template.filename)) from None
        if len(made) > LONGEST:
            raise UserError(
                f"Notice {self.name}: {template.filename} makes {len(made)} characters, which is "
                "more than a mail should have."
            )
        return made

    def _fault(self, error: Exception, path: str) -> UserError:
        """Return what is told of a template that is broken or breaks."""
        line = 0
        if isinstance(error, jinja2.TemplateSyntaxError):
            path, line = error.filename or path, error.lineno
        elif isinstance(error, jinja2.TemplateNotFound):
            return UserError(f"Notice {self.name}: there is no template {error.name!r}.")
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith(".j2"):
                path, line = frame.filename, frame.lineno or 0
        place = f"{path}, line {line}" if line else path
        what = clean(error).rstrip(".") or type(error).__name__
        return UserError(f"Notice {self.name}: {place}: {what}.")


# -- plain text --------------------------------------------------------------------------------


def finished(text: str) -> str:
    """Return a plain text whose long lines are folded, with no more than one empty line at once."""
    lines: list[str] = []
    for line in _folded(text):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"


def _folded(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line.startswith(KEEP) or line == "-- ":  # what a signature follows
            yield line.removeprefix(KEEP)
        elif len(line) <= LINE:
            yield line.rstrip()
        else:
            indent = "  " if line.startswith("- ") else ""
            first, *others = folded(line.strip(), LINE - len(indent))
            yield first
            yield from (indent + part for part in others)
