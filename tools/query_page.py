"""docs/QUERY.md: what is written by hand in query_page.md, and the resources from their tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from common.text import listed
from pages import filled, table
from query_api.language.operator_names import ALIASES, ARITY
from query_api.language.operators import NEGATIVE, POSITIVE, fitting
from query_api.language.schema import Kind, Listing, Property, Resource
from query_api.resources import names, resource
from query_api.wire.narrowing import MOST_SINGLE
from searches.searching import EXAMPLES

_BY_HAND = Path(__file__).with_name("query_page.md")
_SAYS = {
    "equal_to": "is the value",
    "not_equal_to": "is not the value",
    "any_in": "is one of the values",
    "not_any_in": "is none of the values",
    "greater_than": "is more, or later, than the value",
    "less_than": "is less, or earlier, than the value",
    "greater_or_equal": "is not less than the value",
    "less_or_equal": "is not more than the value",
    "older_than": "is longer ago than a duration, or earlier than a time",
    "younger_than": "is less long ago than a duration, or later than a time",
    "matches_regex": "holds what the regular expression matches, anywhere; `^` and `$` are yours",
    "not_matches_regex": "holds nothing that it matches",
    "contains": "holds the text; for a list: has it as an element",
    "starts_with": "begins with the text",
    "glob": "is wholly what the shell pattern says (`*`, `?`, `[a-z]`), in its case",
    "is_null": "is missing, or an empty list or map",
    "not_null": "is there",
    "in_cidr": "is an address in the range",
    "has_key": "has the key",
    "has_tag": "has the tag",
}
_KINDS: dict[Kind, str] = {
    "text": "words; case counts, but where the service writes them in one case",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "time": "UTC, `2026-01-02T03:04:05Z`; without a zone it is UTC, a date is its midnight",
    "address": "an IP address, however it is written",
    "texts": "a list of words; passes if one of them does",
    "addresses": "a list of addresses; passes if one of them does",
    "map": "keys and values; `metadata.owner` is the text under a key",
}


def page() -> str:
    """Return the whole page."""
    made = {
        "one_by_one": _one_by_one(),
        "operators": _operators(),
        "kinds": _kinds(),
        "contents": _contents(),
        "resources": "\n".join(_resource(resource(name)) for name in names()),
    }
    text = filled(_BY_HAND.read_text(), made)
    return text.replace("<!-- most_single -->", f"{MOST_SINGLE:,}")


def _one_by_one() -> str:
    """Return what is not read in one listing: which resources, and which of their properties."""
    lines = []
    for of in map(resource, names()):
        number = "a request" if len(of.listings) == 1 else f"{len(of.listings)} requests"
        said = [f"{number} for each `{name}`" for name in of.needs]
        for name, source in of.sources.items():
            if " for each " in source.cost:
                of_it = listed((f"`{prop}`" for prop in _from(of, name)), 3)
                said.append(f"{of_it}: {source.cost}")
        if said:
            lines.append(f"- [`{of.name}`](#{of.name}): {'; '.join(said)}")
    return "\n".join(lines) + "\n"


def _operators() -> str:
    also: dict[str, list[str]] = {}
    for alias, name in ALIASES.items():
        also.setdefault(name, []).append(f"`{alias}`")
    takes = {"none": "nothing", "one": "one value", "many": "`(A, B)`"}
    rows = [
        f"| `{name}` | {' '.join(also.get(name, []))} | {takes[arity]} | {_SAYS[name]} |"
        for name, arity in ARITY.items()
    ]
    return table("operator", "also", "takes", "passes if the property", rows=rows)


def _kinds() -> str:
    rows = []
    for kind, says in _KINDS.items():
        fits = [name for name in fitting(kind) if name in POSITIVE or name in NEGATIVE]
        rows.append(f"| {kind} | {says} | {_listed(fits)} |")
    return table("kind", "what it is", "operators that fit", rows=rows)


def _contents() -> str:
    rows = []
    for name in names():
        of = resource(name)
        rows.append(f"| [`{name}`](#{name}) | {of.about} |")
    return table("resource", "what it is", rows=rows)


def _resource(of: Resource) -> str:
    parts = [f"### {of.name}\n\n{of.about} {_read(of)}\n"]
    if of.name in EXAMPLES:
        asked = EXAMPLES[of.name]
        parts.append(
            "```console\n"
            f'./runbook run {of.name}.search where="{asked.where}"\n'
            f'./runbook run {of.name}.search group_by="{asked.group_by}" aggregate=count\n'
            "```\n"
        )
    parts.append(f"Shown unless columns are selected: {_listed(of.default)}.\n")
    parts += _costs(of)
    parts.append(
        table("property", "kind", "what it is", "narrowed by", rows=map(_property, of.properties))
    )
    if of.links:
        parts.append(table("link", "leads to", "by", rows=_links(of)))
    return "\n".join(parts)


def _read(of: Resource) -> str:
    found = list(dict.fromkeys(map(_listing, of.listings)))
    return f"Read from {' and '.join(found)}."


def _listing(one: Listing) -> str:
    params = "&".join(f"{name}={value}" for name, value in one.params.items())
    path = f"`GET {one.path}{'?' if params else ''}{params}`"
    if not one.microversion:
        return f"{one.service}, {path}"
    better = f", better {one.better}" if one.better else ""
    return f"{one.service} (from {one.microversion} on{better}), {path}"


def _costs(of: Resource) -> list[str]:
    lines = []
    each = "A request" if len(of.listings) == 1 else f"{len(of.listings)} requests"
    for name, instead in of.needs.items():
        if instead:
            lines.append(
                f"- {each} for each `{name}` that a condition (`{name} = ...`) or a link gives; "
                f"without, for each `{instead}` that there is."
            )
        else:
            lines.append(
                f"- {each} for each `{name}`: a condition must say `{name} = ...` or "
                f"`{name} any_in (...)`, unless a link leads there."
            )
    for name, source in of.sources.items():
        lines.append(f"- {_listed(_from(of, name))}: {source.cost}.")
    for prop in (prop for prop in of.properties if prop.over):
        lines.append(f"- `{prop.name}`: what a join of {_listed(prop.over)} takes.")
    return ["\n".join([*lines, ""])] if lines else []


def _from(of: Resource, source: str) -> list[str]:
    """Return the properties that a source gives."""
    return [prop.name for prop in of.properties if prop.source == source]


def _property(prop: Property) -> str:
    kind = f"{prop.kind}, {prop.unit}" if prop.unit else prop.kind
    return f"| `{prop.name}` | {kind} | {_cell(prop.about)} | {_narrowed(prop)} |"


def _narrowed(prop: Property) -> str:
    """Return the operators that the service is asked with, and by which of its parameters."""
    by_param: dict[str, list[str]] = {}
    for operator, filter_ in prop.filters.items():
        operators = by_param.setdefault(filter_.param, [])
        operators.append(operator)
        # Several values are asked for by the same parameter.
        operators += ["any_in"] * (operator == "equal_to" and "any_in" not in prop.filters)
    return "; ".join(f"{_listed(operators)} as {param}" for param, operators in by_param.items())


def _links(of: Resource) -> list[str]:
    return [
        f"| `{link.name}` | {'several ' if _several(of, link.name) else ''}"
        f"[{link.resource}](#{link.resource}) | its `{link.there}` is this `{link.here}` |"
        for link in of.links
    ]


def _several(of: Resource, name: str) -> bool:
    link = of.link(name)
    assert link is not None
    here = of.property(link.here)
    return link.many or (here is not None and here.kind in ("texts", "addresses"))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
