"""Chat aliases against the actions behind them, against each other and against the docs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

TOP = Path(__file__).parents[2]
FILES = sorted((TOP / "aliases").glob("*.yaml"))
ALIASES = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
# What StackStorm lets stand in an alias; it refuses anything else.
KEYS = {"name", "pack", "description", "enabled", "action_ref", "formats", "ack", "result"}
KEYS |= {"extra", "immutable_parameters"}
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list}
# What is said in chat, the alias that it is for, and what the action then gets.
SAID: list[tuple[str, str, dict[str, Any]]] = [
    ("who owns 192.0.2.7", "owner_of", {"any": "192.0.2.7"}),
    ("whose is fa:16:3e:00:00:01", "owner_of", {"any": "fa:16:3e:00:00:01"}),
    ("empty hypervisors", "empty_hypervisors", {}),
    ("empty hosts", "empty_hypervisors", {}),
    ("capacity", "capacity", {}),
    ("servers on cmp-1", "servers_on", {"hypervisor": "cmp-1"}),
    ("show server web-1", "show_server", {"server": "web-1"}),
    ("search servers status = ERROR", "search_servers", {"where": "status = ERROR"}),
    (
        'search servers (status any_in (SHUTOFF, ERROR) and name ~ "^web")',
        "search_servers",
        {"where": '(status any_in (SHUTOFF, ERROR) and name ~ "^web")'},
    ),
    ("search floating ips port_id is null", "search_floating_ips", {"where": "port_id is null"}),
    ("count servers by host, status", "count_servers", {"group_by": "host, status"}),
    ("hypervisors", "hypervisors", {}),
    ("drain status", "drain_status", {}),
    ("show run 1f2e3d4c", "show_run", {"run": "1f2e3d4c"}),
    ("maintenance status", "maintenance_status", {}),
]


@pytest.fixture(params=ALIASES)
def alias(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ALIASES[request.param]


def parameters_of(alias: dict[str, Any]) -> dict[str, Any]:
    action = TOP / "actions" / f"{alias['action_ref'].removeprefix('openstack_ops.')}.yaml"
    return yaml.safe_load(action.read_text())["parameters"]


def representations(alias: dict[str, Any]) -> list[str]:
    return [text for form in alias["formats"] for text in form["representation"]]


def named(text: str) -> set[str]:
    """Return the parameters in a format."""
    return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text))


def matched(text: str, said: str) -> dict[str, str] | None:
    """Return what a format makes of a line of chat, None if it is not for it."""
    # As StackStorm does it: a value may stand in quotation marks, which are not part of it.
    value = r"""["']?(?P<\1>(?:(?<=').+?(?=')|(?<=").+?(?=")|.+?))["']?"""
    pattern = re.sub(r"\{\{\s*(\w+)\s*\}\}", value, text)
    found = re.fullmatch(rf"\s*{pattern}\s*", said, re.DOTALL)
    return found.groupdict() if found else None


def test_an_alias_is_what_stackstorm_takes(alias: dict[str, Any]) -> None:
    assert set(alias) <= KEYS
    assert ALIASES[alias["name"]] is alias, "it is called as its file"
    assert alias["pack"] == "openstack_ops"
    assert alias["description"].endswith(".")
    assert alias["formats"]
    for form in alias["formats"]:
        assert set(form) == {"display", "representation"}
        assert form["representation"]


def test_an_alias_fits_its_action(alias: dict[str, Any]) -> None:
    known = parameters_of(alias)
    fixed = alias.get("immutable_parameters", {})
    required = {name for name, given in known.items() if given.get("required")}
    for text in representations(alias):
        for name in named(text) | set(fixed):
            assert not known[name].get("immutable"), name
        assert not named(text) & set(fixed), "StackStorm refuses a fixed one that is given"
        assert required <= named(text) | set(fixed)
    for name, value in fixed.items():
        assert type(value) is TYPES[known[name]["type"]], name
        assert value in known[name].get("enum", [value])


def test_aliases_only_read(alias: dict[str, Any]) -> None:
    # Chat runs as the bot: nobody could tell who asked for a change.
    assert "dry_run" not in parameters_of(alias)
    assert alias["action_ref"] not in {
        f"openstack_ops.run.{x}" for x in ("apply", "resume", "cancel")
    }


@pytest.mark.parametrize(("said", "name", "given"), SAID, ids=[said for said, _, _ in SAID])
def test_what_is_said_is_for_one_alias(said: str, name: str, given: dict[str, Any]) -> None:
    found = {
        other: values
        for other, alias in ALIASES.items()
        for text in representations(alias)
        if (values := matched(text, said)) is not None
    }
    assert found == {name: given}


@pytest.mark.parametrize("change", [str.upper, str.title, str.swapcase])
@pytest.mark.parametrize(("said", "name", "given"), SAID, ids=[said for said, _, _ in SAID])
def test_phrases_do_not_depend_on_case(
    said: str, name: str, given: dict[str, Any], change: Callable[[str], str]
) -> None:
    value = next(iter(given.values()), "")
    phrase = change(said.removesuffix(value)) + value
    found = {
        other: values
        for other, alias in ALIASES.items()
        for text in representations(alias)
        if (values := matched(text, phrase)) is not None
    }
    assert found == {name: given}


def test_a_format_is_what_python_and_javascript_understand(alias: dict[str, Any]) -> None:
    """StackStorm compiles it in Python, its chat bot in JavaScript: neither's groups are used."""
    for text in representations(alias):
        plain = re.sub(r"\{\{.*?\}\}", "", text)
        assert re.fullmatch(r"(?: |\[([a-z])([A-Z])\])+", plain), text
        pairs = re.findall(r"\[(.)(.)\]", plain)
        assert all(small.upper() == large for small, large in pairs)


def test_every_alias_is_said_here_and_stands_in_the_docs() -> None:
    assert {name for _, name, _ in SAID} == set(ALIASES)
    page = (TOP / "docs" / "OPERATING.md").read_text()
    section = page.split("\n## In chat\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(
        (form["display"], alias["action_ref"].removeprefix("openstack_ops."))
        for alias in ALIASES.values()
        for form in alias["formats"]
    )


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (
            {"result": {"summary": "2 servers", "text": "NAME\nweb\n"}},
            "```\n2 servers\nNAME\nweb\n\n```",
        ),
        ({"result": {"summary": "Not found.", "text": "x" * 9000}}, "x..."),
        ({"result": {"summary": "No a.", "text": "No a.\n"}}, "```\nNo a.\n\n```"),
        ({"result": {"summary": "x" * 1999 + "…", "text": "x" * 9000}}, "x..."),
        (
            {"result": {"summary": "Drain: done", "text": "Drain: done\n\nSTATE\n"}},
            "```\nDrain: done\n\nSTATE",
        ),
        (
            {"result": {"summary": "``````<!here>", "text": "NAME\n```@all\n"}},
            "```\n''''''<!here>\nNAME\n'''@all\n\n```",
        ),
        ({"result": "None", "stderr": "Traceback"}, "failed: see execution 4711."),
        ({"error": "timeout"}, "failed: see execution 4711."),
    ],
)
def test_an_answer_is_shown_whatever_it_is(
    alias: dict[str, Any], result: dict[str, Any], shown: str
) -> None:
    execution = {"id": "4711", "status": "failed", "result": result}
    template = Environment(undefined=StrictUndefined).from_string(alias["result"]["format"])
    answer = template.render(execution=execution)
    assert shown in answer
    assert answer.count("```") in (0, 2), "a name leaves the fence, and what it says is obeyed"
    assert len(answer) < 4000
    inner = result.get("result")
    if isinstance(inner, dict) and "```" not in inner["summary"] and len(inner["summary"]) < 400:
        assert answer.count(inner["summary"]) == 1, "an error is its own text, too"
