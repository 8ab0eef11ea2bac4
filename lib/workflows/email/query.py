"""email.query: what any query finds, told to its owners with any notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from campaigns.options import OwnerOptions
from campaigns.owner_mail import mail_workflow, owner_mail
from searches.searching import ALL, Selection, question
from workflow_api import Context, ParameterGroup, Plan, UserError, clean, listed
from workflow_api.parameters import Name, RowLimit, Where

if TYPE_CHECKING:
    from owners.owners import OwnerResolver, Row
    from query_api.execution.query import Query

_LABELS = ("id", "name")
# The notice that says nothing but what it is given.
_OWN_WORDS = "query"


class QueryMail(ParameterGroup, frozen=True, kw_only=True):
    """What else a mail about a query says, and to whom.

    variables: Other variables of the notice, as YAML or JSON.
    owner_column: The column with the owner's address, as user.email, in place of owner.
    """

    rows: RowLimit | None = None
    variables: str | None = None
    owner_column: str | None = None


@mail_workflow("email.query")
def query(
    ctx: Context,
    cloud: Cloud,
    resource: Name,
    where: Where | None = None,
    subject: str | None = None,
    text: str | None = None,
    notice: Name = _OWN_WORDS,
    *,
    smtp: SmtpAccount,
    mail: QueryMail,
    selection: Selection,
    options: OwnerOptions,
) -> Plan:
    """Tell owners which of their resources a query finds, in your own words or with any notice.

    resource: The resource to query, such as server or volume.
    subject: The subject of the mail; if empty, Your servers, or whatever the resource is.
    text: What the mail says, each line a paragraph; if empty, that these are the reader's.
    notice: The notice to send; query has only the subject and the text.
    select: The columns that readers see, also renamed, as since=updated_at; a few if empty.
    """
    from owners.owners import label, readers
    from owners.resolvers import owner_resolver

    names = _names(selection.select)
    columns = msgspec.structs.replace(selection, select=list(names.values()))
    asked = question(resource, where=where, selection=columns, limit=mail.rows)
    plural = asked.resource.plural.replace("_", " ")
    fixed = _variables(mail.variables)
    words = {"subject": subject, "sentences": text, **fixed}
    common = {name: value for name, value in words.items() if value is not None}
    if notice == _OWN_WORDS:
        unsaid = {"subject": f"Your {plural}", "sentences": f"These {plural} are yours."}
        common = {**unsaid, **common}
    into, is_table = _row_variable(smtp, notice, common)
    resolver = owner_resolver(asked.resource, cloud, options.owner, mail.owner_column)
    options = options.about_query(asked).about(variables=fixed)
    if mail.owner_column:  # then it does not matter whose they are otherwise
        options = options.about(owner=None)
    answer = _with_owners(asked, resolver).run([cloud])
    shown = _shown(asked, names) or {column.name: column.name for column in answer.columns}
    table = answer.table()
    units = {name: table.units[path] for name, path in shown.items() if path in table.units}
    headings = [name for name, path in shown.items() if path in table.group_by]

    def content(rows: Sequence[Row]) -> Mapping[str, Any]:
        cells = [{name: row[path] for name, path in shown.items()} for row in rows]
        if not is_table:
            return {into: cells}
        return {into: {"columns": list(shown), "rows": cells, "units": units, "group_by": headings}}

    return owner_mail(
        ctx,
        cloud,
        smtp,
        options,
        readers(answer.dicts(), resolver, cloud.config.email.local_domains, unread=answer.unread),
        notice=notice,
        title=f"Tell the owners of {plural}: {clean(subject or notice)}",
        content=content,
        common=common,
        reasons=[*answer.reasons, *resolver.reasons],
        label=label,
    )


def _names(select: Sequence[str]) -> dict[str, str]:
    """Return what is selected as paths by the names they are shown by: ``since=updated_at``."""
    found = {}
    for word in select:
        name, is_named, path = word.partition("=")
        found[name.strip()] = path.strip() if is_named else name.strip()
    return found


def _shown(asked: Query, names: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that readers see, as paths by their names; nothing for all there are."""
    if asked.aggregates:
        return {}
    groups = [group.path for group in asked.groups]
    selected = {path: path for path in asked.selected or asked.resource.default}
    if names and ALL not in names.values():
        selected = dict(names)
    return {
        **{path: path for path in groups if path not in selected.values()},
        **selected,
        **{path: path for path in asked.appended},
    }


def _with_owners(asked: Query, resolver: OwnerResolver) -> Query:
    """Return the query with whatever says who the owners of a row are.

    Raises UserError if its rows are groups that have several owners.
    """
    if asked.aggregates:
        groups = {group.path for group in asked.groups}
        if missing := [column for column in resolver.columns if column not in groups]:
            raise UserError(
                f"A group has one owner only if group_by has {listed(missing)}.",
                advice="Add them, or leave aggregate out.",
            )
        return asked
    labels = [name for name in _LABELS if asked.resource.property(name)]
    visible = asked.selected or asked.resource.default
    return msgspec.structs.replace(
        asked, selected=tuple(dict.fromkeys((*visible, *labels, *resolver.columns)))
    )


def _variables(text: str | None) -> dict[str, Any]:
    """Return the variables of a notice that are the same for all, from YAML or JSON."""
    if not text or not text.strip():
        return {}
    from email_api.yaml_text import Unreadable, plain_yaml

    form = "variables is YAML or JSON with names and values, as '{older_than: 30 days}'"
    try:
        read = plain_yaml(text)
    except Unreadable as wrong:
        place = f", line {wrong.line}" if wrong.line else ""
        raise UserError(f"{form}{place}: {wrong.why.rstrip('.')}.") from None
    if not isinstance(read, dict):
        raise UserError(f"{form}.")
    return read


def _row_variable(smtp: SmtpAccount, name: str, given: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the variable of a notice that takes the rows, and whether any columns suit it.

    Raises UserError if the notice has none, or several.
    """
    from email_api.notices import notice

    templates = smtp.config.email.templates
    known = notice(name, [templates] if templates else []).schema.variables
    found = [one for one, spec in known.items() if spec.type in ("table", "rows")]
    found = [one for one in found if one not in given]
    if len(found) != 1:
        told = f"has several: {listed(found)}" if found else "has none"
        raise UserError(
            f"The rows go into a variable of the notice that is a table or rows, and {name} {told}."
        )
    return found[0], known[found[0]].type == "table"
