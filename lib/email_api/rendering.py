"""Notices' templates: checked when they are compiled, and rendered so that nothing gets out."""

from __future__ import annotations

import datetime
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from accounts.mail_config import Organisation
from common.errors import UserError
from common.text import clean, listed, shorten
from email_api.active import active_content
from email_api.bounds import LONGEST, bounded
from email_api.environment import PARTS, Loader, environment, is_html
from email_api.remote import remote_content
from email_api.styles import look
from email_api.tables import KEEP, LINE, Rows, folded, rows_of
from email_api.variables import RESERVED, Schema

# How an HTML part calls the logo that travels in the same message: its Content-ID.
LOGO = "logo"
# Terminal columns.
_LONGEST_SUBJECT = 150


class Templates:
    """The three templates of a notice, which compile and use no variable that is not there."""

    def __init__(self, name: str, schema: Schema, directories: tuple[Path, ...]) -> None:
        self.name, self._schema = name, schema
        self._environment, self._loader = environment(directories), Loader(directories)
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
        if is_html(template) and not all(name and is_html(name) for name in referenced):
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
        if is_html(template) and (loaded := remote_content(source)):
            line, what = loaded
            raise UserError(
                f"Notice {self.name}: {path}, line {line}: {shorten(clean(what), 80)!r} would be "
                "loaded from elsewhere when the mail is read.",
                advice="Leave it out, or make it a link. The organisation's logo travels with each "
                "mail.",
            )
        links = [name for name, one in self._schema.variables.items() if one.type == "link"]
        if is_html(template) and (active := active_content(source, links)):
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
        title = shorten(" ".join(clean(self._made(subject, given)).split()), _LONGEST_SUBJECT)
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
