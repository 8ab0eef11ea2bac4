"""Trigger types: each has a payload schema, and an example payload that is valid by it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from observers.observer import names, observer

TOP = Path(__file__).parents[2]
TRIGGERS = {
    path.stem: yaml.safe_load(path.read_text()) for path in (TOP / "triggers").glob("*.yaml")
}
EXAMPLES: dict[str, Any] = yaml.safe_load((TOP / "tests" / "data" / "events.yaml").read_text())


def check(name: str, payload: Any) -> None:
    # StackStorm's schemas mark required properties one by one, as JSON schema draft 3 does.
    jsonschema.Draft3Validator(TRIGGERS[name]["payload_schema"]).validate(payload)


def test_there_are_fewer_than_the_web_ui_lists() -> None:
    assert len(TRIGGERS) < 40


def test_each_trigger_has_an_example_and_nothing_else_has() -> None:
    assert EXAMPLES.keys() == TRIGGERS.keys()


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_a_schema_is_one_and_its_example_is_valid(name: str) -> None:
    jsonschema.Draft3Validator.check_schema(TRIGGERS[name]["payload_schema"])
    check(name, EXAMPLES[name])


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_what_lacks_a_key_or_has_another_is_not_valid(name: str) -> None:
    properties = TRIGGERS[name]["payload_schema"]["properties"]
    required = [key for key, given in properties.items() if given.get("required")]
    assert required
    for key in required:
        with pytest.raises(jsonschema.ValidationError):
            check(name, {word: value for word, value in EXAMPLES[name].items() if word != key})
    with pytest.raises(jsonschema.ValidationError):
        check(name, {**EXAMPLES[name], "no_such_key": 1})


@pytest.mark.parametrize("name", names())
def test_an_example_shows_all_facts_and_other_states_are_not_valid(name: str) -> None:
    facts = TRIGGERS[name]["payload_schema"]["properties"]["facts"]["properties"]
    assert EXAMPLES[name]["facts"].keys() == facts.keys()
    of, payload = observer(name), copy.deepcopy(EXAMPLES[name])
    for state in of.states:
        check(name, {**payload, "state": state, "facts": None})
    with pytest.raises(jsonschema.ValidationError):
        check(name, {**payload, "state": "NO_SUCH_STATE"})
