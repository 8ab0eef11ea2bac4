"""README and docs tell the truth of today: every action, key, file and target is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.version import VERSION
from query_api.resources import names, resource

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
PACK = yaml.safe_load((TOP / "pack.yaml").read_text())
ACTIONS = {path.stem for path in (TOP / "actions").glob("*.yaml")}
SUBJECTS = "|".join(sorted({name.partition(".")[0] for name in ACTIONS}))
SOURCES = [
    path
    for folder in ("lib", "actions", "aliases")
    for path in sorted((TOP / folder).rglob("*"))
    # The names that steps once had are told to nobody either.
    if path.suffix in (".py", ".yaml", ".j2") and path.name != "former_steps.py"
]
DOCS = [*sorted(TOP.glob("*.md")), *sorted((TOP / "docs").glob("*.md"))]
CONFIGURATION = (TOP / "docs" / "CONFIGURATION.md").read_text()
# The first cells of its tables.
KEYS = re.findall(r"^\| `([^`]+)` \|", CONFIGURATION, re.MULTILINE)


def keys(properties: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, given in properties.items():
        if given["type"] == "array" and given["items"]["type"] == "object":
            found.append(f"{prefix}{name}[]")
            found += keys(given["items"]["properties"], f"{prefix}{name}[].")
        elif isinstance(each := given.get("additionalProperties"), dict) and "properties" in each:
            found += keys(each["properties"], f"{prefix}{name}.<name>.")
        elif given.get("properties"):
            inner = keys(given["properties"], f"{prefix}{name}.")
            found += inner if prefix + name != "clouds[].auth" else [prefix + name, *inner]
        else:
            found.append(prefix + name)
    return found


def test_every_configuration_key_has_a_row() -> None:
    schema = yaml.safe_load((TOP / "config.schema.yaml").read_text())
    assert re.findall(r"^## (\w+)$", CONFIGURATION, re.MULTILINE) == list(schema)
    of_sensors = schema["sensors"]["properties"]
    sensors = [f"sensors.{name}" for name, given in of_sensors.items() if "properties" in given]
    groups = ("limits.timeouts", "organisation.colours", *sensors)
    # A list of others is a section of the page or has a row more, as a map of others has.
    assert [key for key in keys(schema) if not key.endswith("[]")] == [
        key for key in KEYS if key not in groups and not key.endswith("[]")
    ]


def test_the_readme_leads_to_every_action() -> None:
    table = README.split("\n## Actions\n")[1].split("\n## ")[0]
    subjects = re.findall(r"^\| \[(\w+)\]\(docs/ACTIONS.md#\1\) \| (.*) \|$", table, re.MULTILINE)
    linked = {
        f"{subject}.{verb}": anchor
        for subject, verbs in subjects
        for verb, anchor in re.findall(r"\[([\w.]+)\]\(docs/ACTIONS.md#(\w+)\)", verbs)
    }
    assert linked == {name: anchor_of(name) for name in ACTIONS}


def test_the_readme_is_read_to_its_end() -> None:
    assert len(README.splitlines()) <= 200


def found(pattern: str, page: Path) -> list[Any]:
    return re.findall(pattern, page.read_text(), re.MULTILINE)


LINK = r"\]\((?!https?:)([^)#]+)"
ANCHOR = r"\]\((?!https?:)([^)#]*)#([^)]+)\)"
TARGET = r"`make ([a-z-]+)"
ACTION = rf"`(?:openstack_ops\.)?((?:{SUBJECTS})\.[a-z_]+)`"


@pytest.mark.parametrize(
    ("pattern", "least"), [(LINK, 100), (ANCHOR, 400), (TARGET, 20), (ACTION, 200)]
)
def test_there_is_much_to_look_at(pattern: str, least: int) -> None:
    """A page that has none of a kind passes below: not all of them may."""
    assert sum(len(found(pattern, page)) for page in DOCS) >= least


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in found(LINK, page):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_to_headings(page: Path) -> None:
    for target, anchor in found(ANCHOR, page):
        there = page.parent / target if target else page
        headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
        assert [anchor_of(heading) for heading in headings].count(anchor) == 1, (target, anchor)


def anchor_of(heading: str) -> str:
    """Return what GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    makefile = (TOP / "Makefile").read_text()
    for target in found(TARGET, page):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_actions_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    # The author's guide builds some of its own.
    built = re.findall(r'^(?:@workflow\(|    name=)"([a-z_.]+)"', text, re.MULTILINE)
    for name in found(ACTION, page):
        assert name in built or is_known(name), name


def test_actions_that_are_named_to_people_exist() -> None:
    """Whatever an operator can be told, by a message, a form, a mail or in chat."""
    named = re.compile(rf"(?<![\w./<-])((?:{SUBJECTS})(?:\.[a-z_]+)+)")
    assert sum(len(named.findall(text)) for path in SOURCES for text in texts(path)) > 100
    unknown = [
        f"{path.relative_to(TOP)}: {name} in {text!r:.200}"
        for path in SOURCES
        for text in texts(path)
        for name in named.findall(text)
        if not is_known(name)
    ]
    assert unknown == []


def texts(path: Path) -> list[str]:
    """Return every string literal of a module, those inside f-strings too; else all of a file."""
    if path.suffix != ".py":
        return [path.read_text()]
    nodes = list(ast.walk(ast.parse(path.read_text())))
    # The name of a step stands in stored plans, and nobody is told of it as of an action.
    names_of_steps = [
        node.args[0]
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "step" and node.args
    ]
    literals = [n for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [str(n.value) for n in literals if n not in names_of_steps]


def is_known(name: str) -> bool:
    """Return whether there is an action of that name, or something else of the same form.

    That is a file, a path to a property of another resource, or a key of the configuration.
    """
    if name in ACTIONS or {name, f"{name}[]"} & set(KEYS) or name.endswith(".py"):
        return True
    link, rest = name.split(".", 1)
    if link not in names():
        return False
    linked = resource(link)
    return linked.property(rest) is not None or rest in {one.name for one in linked.links}


def test_versions_agree() -> None:
    assert PACK["version"] == VERSION
    assert f"## {VERSION}\n" in (TOP / "CHANGES.md").read_text()


def test_pack_is_as_the_exchange_wants_it() -> None:
    assert PACK["ref"] == PACK["name"] == "openstack_ops"
    assert re.fullmatch(r"[a-z0-9_]+", PACK["ref"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", PACK["version"])
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", PACK["email"])
    assert PACK["author"]
    assert PACK["keywords"]
    assert PACK["python_versions"] == ["3"]
    assert PACK["stackstorm_version"] == ">=3.9.0"
    assert "Apache License" in (TOP / "LICENSE").read_text()


def test_icon_is_64_by_64() -> None:
    icon = (TOP / "icon.png").read_bytes()
    assert icon[:8] == b"\x89PNG\r\n\x1a\n"
    # The size stands in the header chunk (PNG specification, 11.2.2).
    assert (int.from_bytes(icon[16:20], "big"), int.from_bytes(icon[20:24], "big")) == (64, 64)


def test_every_yaml_parses() -> None:
    files = [p for p in TOP.glob("*.yaml*") if p.is_file()]
    files += [
        p
        for d in ("actions", "sensors", "rules", "aliases", "policies")
        for p in TOP.glob(f"{d}/*.yaml")
    ]
    assert len(files) > 10
    for path in files:
        assert yaml.safe_load(path.read_text()), path


def test_pack_requirements_hold_nothing_that_breaks_stackstorm() -> None:
    wanted = (TOP / "requirements.txt").read_text()
    names = {
        re.split(r"[<>=!\[ ]", line)[0].lower()
        for line in wanted.splitlines()
        if line[:1] not in ("", "#")
    }
    assert not names & {"jsonschema", "rich", "typer", "pytest"}
    assert {"keystoneauth1", "msgspec", "openstacksdk", "sqlalchemy", "alembic"} <= names
