"""Rules and policies against triggers, actions, examples and each other."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from engine.parameters import bind
from local_runner.actions import Catalogue
from local_runner.arguments import parameters_from
from local_runner.validation import Parameter, invalid
from rules.files import Rule, parameters, read_rule
from rules.matching import mismatch, path_of
from rules.templates import is_expression
from sensors_page import event_examples
from workflow_api.workflow import workflow_named

TOP = Path(__file__).parents[2]
RULES = {path.stem: read_rule(path) for path in sorted((TOP / "rules").glob("*.yaml"))}
POLICIES = [yaml.safe_load(path.read_text()) for path in sorted((TOP / "policies").glob("*.yaml"))]
PACK = "openstack_ops."
SERVER = "0b7f3c1e-8a52-4f6d-9c3b-2e1d0f9a8b7c"
TIMER = {"executed_at": "2026-11-28 03:30:00.004211+00:00", "schedule": {}}
TICK: dict[str, Any] = {"executed_at": {}, "schedule": {}}
# What StackStorm's own triggers take, what their payload has, and an example of it.
CORE: dict[str, tuple[set[str], dict[str, Any], dict[str, Any]]] = {
    "core.st2.IntervalTimer": ({"unit", "delta", "timezone"}, TICK, TIMER),
    "core.st2.CronTimer": (
        {"timezone", "year", "month", "day", "week", "day_of_week", "hour", "minute", "second"},
        TICK,
        TIMER,
    ),
    "core.st2.webhook": (
        {"url"},
        {"headers": {}, "body": {}},
        {"headers": {}, "body": {"server": SERVER, "cloud": "prod", "request": "chg-000471"}},
    ),
}
# By the rule: what in its trigger's example makes it fit, and what of that makes it not fit.
FITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "agent_back_mail": ({"state": "UP", "before": "DOWN"}, {"before": "OUT"}),
    "agent_down_mail": ({}, {"state": "OUT"}),
    "capacity_short_mail": ({}, {"state": "ENOUGH"}),
    "router_gateway_mail": ({}, {"change": "gone"}),
    "server_resize_confirm": ({"state": "UNCONFIRMED_RESIZE"}, {"run": "1f2e3d4c"}),
    "server_stuck_mail": ({"state": "STUCK"}, {"state": "ERROR"}),
    "cloud_back_mail": ({"change": "changed", "state": "UP", "before": "DOWN"}, {"state": "DOWN"}),
    "cloud_down_mail": ({}, {"change": "gone"}),
    "hypervisor_back_mail": ({"state": "RUNNING", "before": "DOWN"}, {"before": "EMPTY"}),
    "hypervisor_down_mail": ({"state": "DOWN", "change": "still"}, {"state": "RUNNING"}),
    "hypervisor_due_maintain": ({"state": "PENDING_MAINTENANCE"}, {"run": "1f2e3d4c"}),
    "hypervisor_parked_return": (
        {"facts": {"disabled_reason": "parked by run 1f2e: patch"}},
        {"facts": {"disabled_reason": "bad disk"}},
    ),
    "hypervisor_rebooted_return": (
        {"state": "REBOOTED"},
        {"facts": {"status": "enabled", "disabled_reason": None}},
    ),
    "server_migrate_webhook": ({}, {"body": {"server": "web-1", "cloud": "prod", "request": "1"}}),
}
# What may stand in an expression: ids, the cloud's own name, the time; never what users write.
SAFE = r"trigger\.(id|subject_id|cloud|executed_at\[:\d+\]|body\.(server|cloud|request))"


@pytest.fixture(params=RULES)
def rule(request: pytest.FixtureRequest) -> Rule:
    return RULES[request.param]


def schema_of(trigger: str) -> dict[str, Any]:
    """Return the payload's properties."""
    if trigger in CORE:
        return CORE[trigger][1]
    path = TOP / "triggers" / f"{trigger.removeprefix(PACK)}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())["payload_schema"]["properties"]
    return found


def example_of(trigger: str, **other: Any) -> dict[str, Any]:
    """Return the trigger's example payload with other values; of facts only some are others."""
    own = CORE[trigger][2] if trigger in CORE else event_examples()[trigger.removeprefix(PACK)]
    inner = {"facts": {**own["facts"], **other["facts"]}} if "facts" in other else {}
    return {**own, **other, **inner}


def action_of(rule: Rule) -> Any:
    return Catalogue().action(rule.action.ref)


def call(rule: Rule, payload: Any) -> dict[str, Any]:
    types = {name: parameter.type for name, parameter in action_of(rule).parameters.items()}
    return parameters(rule, payload, types)


def test_a_rule_says_what_it_will_do_and_is_disabled(rule: Rule) -> None:
    assert RULES[rule.name] is rule, "it is called as its file"
    assert rule.pack == "openstack_ops"
    assert rule.description.endswith(".")
    assert not rule.enabled, "each starts something"


def test_its_trigger_is_there_and_has_what_is_asked_of_it(rule: Rule) -> None:
    properties = schema_of(rule.trigger.type)
    if rule.trigger.type in CORE:
        assert set(rule.trigger.parameters) <= CORE[rule.trigger.type][0]
    else:
        assert not rule.trigger.parameters
    for key in rule.criteria:
        first, *path = path_of(key)
        assert first == "trigger"
        inside: dict[str, Any] | None = properties
        for step in path:
            if inside is None:
                break
            assert step in inside, key
            inside = inside[step].get("properties")


def test_states_and_changes_are_those_that_there_are(rule: Rule) -> None:
    properties = schema_of(rule.trigger.type)
    for key, criterion in rule.criteria.items():
        known = properties.get(str(path_of(key)[1]), {}).get("enum")
        if known and criterion["type"] in ("equals", "inside", "ninside"):
            pattern = criterion["pattern"]
            assert {*(pattern if isinstance(pattern, list) else [pattern])} <= {*known}, key


def test_its_action_takes_what_it_gives(rule: Rule) -> None:
    action = action_of(rule)
    for name in rule.action.parameters:
        assert not action.parameters[name].immutable, name
    required = {name for name, given in action.parameters.items() if given.required}
    assert required <= set(rule.action.parameters)


def test_only_ids_go_into_parameters(rule: Rule) -> None:
    for name, value in rule.action.parameters.items():
        for expression in re.findall(r"\{\{(.*?)\}\}", str(value)):
            assert re.fullmatch(rf"\s*{SAFE}\s*", expression), name
        assert is_expression(value) is ("{{" in str(value))


def test_it_starts_its_run_once(rule: Rule) -> None:
    if "trigger_id" in action_of(rule).parameters:
        assert re.fullmatch(
            r"\{\{ trigger\.(id|executed_at\[:10\]|body\.request) \}\}-[a-z]+",
            rule.action.parameters["trigger_id"],
        )


def test_what_acts_on_a_cloud_is_in_dry_run(rule: Rule) -> None:
    action = rule.action.ref.removeprefix(PACK)
    if action not in ("event.report", "report.events", "report.plan", "run.resume_due"):
        assert rule.action.parameters["dry_run"] is True
        assert "In dry run, it only plans" in rule.description


def test_it_fits_its_example_and_calls_what_the_action_takes(rule: Rule) -> None:
    fitting, _ = FITS.get(rule.name, ({}, {}))
    payload = example_of(rule.trigger.type, **fitting)
    shown = {key: Parameter(key, schema) for key, schema in schema_of(rule.trigger.type).items()}
    assert invalid(shown, payload) == []
    assert mismatch(rule.criteria, payload) is None
    given = parameters_from(action_of(rule), call(rule, payload), "st2")
    workflow = workflow_named(action_of(rule).workflow)
    bound = bind(workflow, given, lambda kind, name: SimpleNamespace(name=name or "default"))
    assert not is_expression(bound.plain)


def test_it_does_not_fit_everything(rule: Rule) -> None:
    assert (rule.name in FITS) is bool(rule.criteria)
    if rule.criteria:
        fitting, other = FITS[rule.name]
        payload = example_of(rule.trigger.type, **{**fitting, **other})
        assert mismatch(rule.criteria, payload) is not None


def test_two_rules_on_one_event_start_two_runs() -> None:
    for one, other in itertools.combinations(RULES.values(), 2):
        mine, others = (rule.action.parameters.get("trigger_id") for rule in (one, other))
        if one.trigger.type != other.trigger.type or mine is None or mine != others:
            continue
        for rule, against in ((one, other), (other, one)):
            payload = example_of(rule.trigger.type, **FITS[rule.name][0])
            assert mismatch(against.criteria, payload) is not None, (one.name, other.name)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["name"])
def test_a_policy_is_what_stackstorm_takes(policy: dict[str, Any]) -> None:
    keys = {"name", "pack", "description", "enabled", "resource_ref", "policy_type", "parameters"}
    assert set(policy) == keys
    assert (TOP / "policies" / f"{policy['name']}.yaml").is_file()
    assert policy["pack"] == "openstack_ops"
    action = Catalogue().action(policy["resource_ref"])
    own = {"action.concurrency": set[str](), "action.concurrency.attr": {"attributes"}}
    assert set(policy["parameters"]) == {"action", "threshold"} | own[policy["policy_type"]]
    assert policy["parameters"]["action"] in ("delay", "cancel")
    assert set(policy["parameters"].get("attributes", ())) <= set(action.parameters)
