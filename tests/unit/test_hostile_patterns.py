"""No pattern that a person, a chat or a cloud can give hangs an action, whichever it reaches.

Nor does what a condition compares with make a service fail that could not look it up.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.dispatch import dispatch
from query_api.resources import resource
from support.action_files import NAMES, action
from support.audit_cloud import AuditCloud
from support.fake_cloud_http import Answer
from support.hostile import plain_call
from support.runs import Silent, folder, new_state

pytestmark = pytest.mark.usefixtures("versions_asked_once")

TEXT = "a" * 28 + "!"
# Each takes an engine that goes back over a text more than a minute for that text.
ENDLESS = ["(a+)+$", "(a|a)*$", "^(([a-z])+.)+[A-Z]([a-z])+$"]
SHELL = ["*a" * 200 + "b"]
KINDS = "server flavor image volume network router port floatingip security_group user project"
# Seconds for one call. A few milliseconds is what it takes on a machine with nothing else to do.
PATIENCE = 10
SEARCHED = [name for name in NAMES if "where" in action(name)["parameters"]]
ALIASES = [
    yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "aliases").glob("*.yaml"))
]


@pytest.fixture(scope="module")
def cloud() -> Iterator[AuditCloud]:
    """A cloud of one thing each, whose id every pattern is matched with."""
    thing = {"id": TEXT, "name": TEXT}
    with AuditCloud(**{kind: [dict(thing)] for kind in KINDS.split()}) as cloud:
        groups = Answer({"server_groups": [thing]})
        cloud.route("GET /compute/v2.1/os-server-groups", lambda request: groups, first=True)
        aggregates = Answer({"aggregates": [{**thing, "id": 1, "hosts": []}]})
        cloud.route("GET /compute/v2.1/os-aggregates", lambda request: aggregates, first=True)
        snapshots = Answer({"snapshots": [thing]})
        cloud.route("GET /volume/v3/snapshots/detail", lambda request: snapshots, first=True)
        yield cloud


@pytest.fixture(scope="module")
def config(cloud: AuditCloud) -> dict[str, Any]:
    account = {"name": "m", "host": "127.0.0.1", "port": 9, "sender": "c@example.org"}
    state = new_state(folder() / "state.db")
    return cloud.config(state_url=state, smtp_accounts=[{**account, "security": "none"}])


def key(name: str) -> str:
    """Return the property that has the text: the ids of aggregates are numbers."""
    return "name" if name.startswith("aggregate.") else "id"


def conditions(key: str) -> Iterator[str]:
    for pattern in ENDLESS:
        yield f'{key} ~ "{pattern}"'
        yield f'not {key} !~ "{pattern}"'
    for pattern in SHELL:
        yield f'{key} glob "{pattern}"'


def test_much_takes_a_condition() -> None:
    assert len(SEARCHED) >= 15, SEARCHED


@pytest.mark.parametrize("name", SEARCHED)
def test_no_condition_hangs_an_action(name: str, config: dict[str, Any]) -> None:
    for condition in conditions(key(name)):
        answered(name, {**plain_call(name), "where": condition}, config)


@pytest.mark.parametrize("name", [name for name in SEARCHED if name.endswith(".search")])
def test_the_patterns_are_matched_with_that_text(name: str, config: dict[str, Any]) -> None:
    if name == "hypervisor.search":
        pytest.skip("this cloud has none")
    result = answered(name, {"where": f'{key(name)} ~ "^a+!$"', "allow_partial": True}, config)
    assert len(result["rows"]) == 1, result["summary"]


@pytest.mark.long
@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias["name"])
def test_nothing_that_is_said_in_chat_hangs(alias: dict[str, Any], config: dict[str, Any]) -> None:
    fixed = alias.get("immutable_parameters", {})
    for form in alias["formats"]:
        for text in form["representation"]:
            names = re.findall(r"\{\{\s*(\w+)\s*\}\}", text)
            if not names:
                continue
            for said in [*ENDLESS[:1], *SHELL, *conditions("id")]:
                given = dict.fromkeys(names, said)
                answered(alias["action_ref"].partition(".")[2], {**given, **fixed}, config)


def test_a_chat_reaches_a_pattern(config: dict[str, Any]) -> None:
    (alias,) = (alias for alias in ALIASES if alias["name"] == "search_servers")
    (text,) = alias["formats"][0]["representation"]
    pattern = text.replace("{{ where }}", "(?P<where>.+)")
    found = re.fullmatch(pattern, 'search servers (name ~ "^a+!$")', re.DOTALL)
    assert found
    result = answered(alias["action_ref"].partition(".")[2], found.groupdict(), config)
    assert [row["name"] for row in result["rows"]] == [TEXT]


def answered(name: str, call: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    ended, result = dispatch(name, call, config, reporter=Silent())
    took = time.monotonic() - began
    assert took < PATIENCE, f"{name} {call}: {took:.1f} s"
    assert ended in ("done", "failed", "refused"), result["summary"]
    assert "Internal error" not in result["text"], result["summary"]
    return result


ODD = {"emoji": "\N{ROCKET}", "long": "x" * 30_000}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "kind"),
    [*product((name for name in SEARCHED if name.endswith(".search")), ODD)],
)
def test_what_no_service_can_look_up_in_a_condition_is_looked_for_here(
    name: str, kind: str, config: dict[str, Any], cloud: AuditCloud
) -> None:
    """Asked for it, a service fails, or something on the way refuses the address."""
    value, known, asked = ODD[kind], resource(name.partition(".")[0]), 0
    for prop in known.properties:
        for operator in prop.filters:
            condition = f'{prop.name} {operator} ("{value}")'
            cloud.requests.clear()
            answered(name, {"where": condition, "allow_partial": True}, config)
            asked += len(cloud.requests) > 0
            sent = [text for one in cloud.requests for text in one.query.values()]
            assert not [text for text in sent if value[:300] in text], condition
    by_no_text = ("aggregate.search", "flavor.search", "hypervisor.search", "server_group.search")
    assert asked or name in by_no_text
