"""docs/CONFIGURATION.md: every key of the schema, and the parts of the example configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pages import cell, code, filled, table

_TOP = Path(__file__).resolve().parents[1]
_BY_HAND = Path(__file__).with_name("configuration_page.md")
_KINDS = {
    "string": "text",
    "integer": "whole number",
    "object": "map",
    "array": "list of texts",
    "boolean": "`true`, `false`",
}
Given = Mapping[str, Any]


def configuration_page() -> str:
    """Return the whole page."""
    schema = yaml.safe_load((_TOP / "config.schema.yaml").read_text())
    parts = _parts((_TOP / "openstack_ops.yaml.example").read_text())
    sections = (_section(key, given, parts) for key, given in schema.items())
    return filled(_BY_HAND.read_text(), {"keys": "\n".join(sections)})


def keys(properties: Given, above: str = "") -> Iterator[tuple[str, Given]]:
    """Yield each key below some properties of the schema by its full name, depth first."""
    for name, given in properties.items():
        is_list = given["type"] == "array" and given["items"]["type"] == "object"
        inner = given["items"] if is_list else given
        each = given.get("additionalProperties")
        is_map = isinstance(each, dict) and "properties" in each
        full = f"{above}{name}{'[]' * is_list}{'.<name>' * is_map}"
        yield full, given
        inner = each if is_map else inner
        yield from keys(inner.get("properties", {}), f"{full}.")


def _section(key: str, given: Given, parts: Mapping[str, str]) -> str:
    of_it = list(keys({key: given}))
    written = [f"## {key}"]
    if inner := of_it[1:]:  # the key itself is the section
        written.append(_linked(given["description"]))
    rows = [_row(name, one) for name, one in inner or of_it]
    written.append(table("key", "type", "default", "what it is", rows=rows).rstrip())
    if example := parts.get(key):
        written.append(f"```yaml\n{example}```")
    return "\n\n".join(written) + "\n"


def _row(name: str, given: Given) -> str:
    description = _linked(cell(given["description"]))
    return f"| `{name}` | {_kind(given)} | {_default(given)} | {description} |"


def _linked(text: str) -> str:
    """Return a description with links to the pages that it names, which are beside this one."""
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def _kind(given: Given) -> str:
    kind = _KINDS[given["type"]]
    if given["type"] == "array" and given["items"]["type"] == "object":
        kind = "list"
    if "enum" in given:
        kind = ", ".join(map(code, given["enum"]))
    bounds = {"from": given.get("minimum"), "to": given.get("maximum")}
    kind += "".join(f" {word} {at}" for word, at in bounds.items() if at is not None)
    return f"{kind}, **secret**" if given.get("secret") else kind


def _default(given: Given) -> str:
    if given.get("required"):
        return "required"
    default = given.get("default")
    if default in (None, "", []):
        return ""
    if isinstance(default, bool):  # as YAML writes it
        default = str(default).lower()
    return ", ".join(map(code, default)) if isinstance(default, list) else code(default)


def _parts(example: str) -> dict[str, str]:
    """Return the lines of the example by top-level key, with the comments right above each."""
    found: dict[str, str] = {}
    comments, key = "", ""
    for line in example.splitlines(keepends=True):
        if not line.strip():
            comments = ""
        elif line[0] == "#":
            comments += line
        elif line[0].isalpha():
            key = line.partition(":")[0]
            found[key], comments = comments + line, ""
        elif key:
            found[key] += line
    return found
