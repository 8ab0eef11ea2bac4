"""Rules as StackStorm's engine takes them: operators, keys, expressions, types."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from common.errors import UserError
from rules.files import Call, Rule, Trigger, parameters, read_rule, unregistrable
from rules.matching import mismatch
from rules.operators import OPERATORS

CASES = yaml.safe_load((Path(__file__).parents[1] / "data" / "rule_operators.yaml").read_text())
OTHER = {"other": 5}


def _apart(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return a case as a payload, the criteria about it, and whether they fit."""
    criterion = {key: one for key, one in case.items() if key not in ("value", "fits")}
    payload = {**OTHER, **({"x": case["value"]} if "value" in case else {})}
    return payload, {"trigger.x": criterion}, case["fits"]


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{c.get('type')}" for n, c in enumerate(CASES)])
def test_an_operator_answers_as_stackstorms(case: dict[str, Any]) -> None:
    payload, criteria, fits = _apart(case)
    assert (mismatch(criteria, payload) is None) is fits


def _real() -> bool:
    """Whether StackStorm's own rule engine is here, and not what stands in for parts of it."""
    try:
        return importlib.util.find_spec("st2reactor.rules.filter") is not None
    except (ImportError, ValueError):
        return False


@pytest.fixture
def stackstorm(monkeypatch: pytest.MonkeyPatch) -> None:
    """StackStorm's own rule engine, without its database."""
    cfg = importlib.import_module("oslo_config.cfg")
    cfg.CONF.register_opts([cfg.StrOpt("user", default="st2")], group="system_user")
    filters = importlib.import_module("st2reactor.rules.filter")
    monkeypatch.setattr(filters.RuleFilter, "_create_rule_enforcement", lambda *a, **more: None)
    params = importlib.import_module("st2common.util.param")
    monkeypatch.setattr(params, "get_config", lambda *args: {})


@pytest.mark.usefixtures("stackstorm")
@pytest.mark.parametrize("case", CASES if _real() else [])
def test_stackstorms_own_engine_answers_the_same(case: dict[str, Any]) -> None:
    engine = importlib.import_module("st2reactor.rules.filter")
    payload, criteria, fits = _apart(case)
    rule = SimpleNamespace(enabled=True, criteria=criteria, ref="test.rule", id="1", uid="1")
    instance = SimpleNamespace(payload=payload, id="1")
    assert bool(engine.RuleFilter(instance, {"name": "test"}, rule).filter()) is fits


def test_every_operator_has_a_case_that_fits_and_one_that_does_not() -> None:
    tried = {(case.get("type"), case["fits"]) for case in CASES}
    names: dict[int, set[str]] = {}
    for name, operator in OPERATORS.items():
        names.setdefault(id(operator), set()).add(name)
    for same in names.values():
        assert {fits for name, fits in tried if name in same} == {True, False}, same


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trigger.facts.servers", 3),
        ("trigger['facts']['servers']", 3),
        ("trigger.'facts'.servers#second", 3),
        ("trigger.list[1]", "b"),
        ("trigger.list[7]", None),
        ("trigger.facts.servers.more", None),
        ("trigger.nothing.more", None),
        ("trigger.body.x-y", 1),
    ],
)
def test_a_key_is_a_path(key: str, value: Any) -> None:
    payload = {"facts": {"servers": 3}, "list": ["a", "b"], "body": {"x-y": 1}}
    criterion = {"type": "nexists" if value is None else "equals", "pattern": value or "x"}
    assert mismatch({key: criterion}, payload) is None


@pytest.mark.parametrize("key", ["trigger..x", "trigger.list[*].x", "trigger.*", "$.x y"])
def test_what_else_jsonpath_has_is_refused(key: str) -> None:
    with pytest.raises(UserError, match="only a path"):
        mismatch({key: {"type": "exists", "pattern": True}}, {"x": 1})


def test_all_criteria_have_to_fit_and_none_fits_an_empty_payload() -> None:
    fits, fails = ({"type": "eq", "pattern": one} for one in (1, 2))
    assert mismatch({"trigger.x": fits, "trigger.x#2": fits}, {"x": 1}) is None
    assert mismatch({"trigger.x": fits, "trigger.x#2": fails}, {"x": 1}) == "trigger.x#2"
    assert mismatch({}, {}) is None
    assert mismatch({"trigger.x": {"type": "nexists", "pattern": True}}, {}) is not None
    with pytest.raises(UserError, match="no operator 'like'"):
        mismatch({"trigger.x": {"type": "like", "pattern": 1}}, {"x": 1})


@pytest.mark.parametrize(
    ("criterion", "says"),
    [
        ({"type": "exists"}, "no pattern"),
        ({"type": "equals", "pattern": None}, "no pattern"),
        ({"pattern": 1}, "no operator"),
        ({"type": "EQUALS", "pattern": 1}, "no operator 'EQUALS'"),
        ({"type": "search", "pattern": {}, "condition": "all"}, ""),
        ({"type": "exists", "pattern": False}, ""),
    ],
)
def test_what_stackstorm_does_not_register(criterion: dict[str, Any], says: str) -> None:
    assert (says in unregistrable({"trigger.x": criterion})) is True
    assert bool(unregistrable({"trigger.x": criterion})) is bool(says)


def _given(value: Any, type: str, payload: Any) -> Any:
    rule = Rule("r", "p", "d", Trigger("t"), Call("a", {"x": value}))
    return parameters(rule, payload, {"x": type})["x"]


PAYLOAD = {
    "id": "e1",
    "n": 3,
    "yes": True,
    "list": ["a", "b"],
    "none": None,
    "at": "2026-11-28T04:34:10Z",
}
RENDERED = [
    ("{{ trigger.id }}-drain", "string", "e1-drain"),
    ("{{ trigger.n }}", "integer", 3),
    ("{{ trigger.n }}", "number", 3.0),
    ("{{ trigger.n }}", "string", "3"),
    ("{{ trigger.yes }}", "boolean", True),
    ("false", "boolean", False),
    ("{{ trigger.list }}", "array", ["a", "b"]),
    ("{{ trigger.list | to_complex }}", "array", ["a", "b"]),
    (["{{ trigger.id }}", "x"], "array", ["e1", "x"]),
    ({"a": "{{ trigger.n }}"}, "object", {"a": "3"}),
    ("{{ trigger.none }}", "string", "None"),
    ("{{ trigger.none | use_none }}", "string", None),
    ("{{ trigger.at[:10] }}", "string", "2026-11-28"),
    (None, "string", None),
    (7, "integer", 7),
    ("as it is", "string", "as it is"),
]


@pytest.mark.parametrize(("value", "type", "made"), RENDERED)
def test_parameters_are_rendered_and_of_their_type(value: Any, type: str, made: Any) -> None:
    found = _given(value, type, PAYLOAD)
    assert (found, found.__class__) == (made, made.__class__)


@pytest.mark.usefixtures("stackstorm")
@pytest.mark.parametrize(("value", "type", "made"), RENDERED if _real() else [])
def test_stackstorm_renders_the_same(value: Any, type: str, made: Any) -> None:
    params = importlib.import_module("st2common.util.param")
    context = {"user": "st2", "pack": "p"}
    schema = {"x": {"type": type}}
    found = params.render_live_params({}, schema, {"x": value}, context, {"trigger": PAYLOAD})["x"]
    assert (found, found.__class__) == (made, made.__class__)


def test_what_is_no_jinja_stays_and_is_refused() -> None:
    with pytest.raises(UserError, match="would be an expression"):
        _given("{{ not Jinja", "string", PAYLOAD)


@pytest.mark.parametrize(
    ("value", "type", "says"),
    [
        ("{{ trigger.nothing }}", "string", "has no attribute 'nothing'"),
        ("{{ config_context.x }}", "string", "'config_context' is undefined"),
        ("{{ st2kv.system.x }}", "string", "'st2kv' is undefined"),
        ("{{ trigger.name }}", "string", "would be an expression"),
        (["{{ trigger.name }}"], "array", "would be an expression"),
        ("{{ trigger.__class__.__mro__ }}", "string", "cannot be rendered"),
        ("{{ trigger.id }}", "integer", "invalid literal"),
        ("{{ trigger.id }}", "array", "r: x"),
        (3, "string", "is no text"),
        ("maybe", "boolean", "r: x"),
        ("{{ trigger.id | no_filter }}", "string", "no_filter"),
    ],
)
def test_what_cannot_be_rendered_or_is_not_of_the_type_is_refused(
    value: Any, type: str, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        _given(value, type, {"id": "e1", "name": "{{ st2kv.system.password }}"})


def test_a_file_that_is_no_rule_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    rule = {"name": "odd", "pack": "p", "description": "d", "action": {"ref": "a.b"}}
    path.write_text(yaml.safe_dump(rule))
    with pytest.raises(UserError, match=r"odd\.yaml cannot be read.*trigger"):
        read_rule(path)
    rule |= {"trigger": {"type": "t"}, "criteria": {"trigger.x": {"type": "exists"}}}
    path.write_text(yaml.safe_dump(rule))
    with pytest.raises(UserError, match=r"odd\.yaml: trigger\.x has no pattern"):
        read_rule(path)
