"""From the words of the command line to the parameters of a workflow."""

import json

import pytest

from common.casts import cast
from common.errors import NotFound, Refused, UserError
from local_runner.actions import Action, Catalogue, Parameter
from local_runner.arguments import parameters_for

ARRAY_OF_TEXT = {"type": "array", "items": {"type": "string"}}
ARRAY_OF_NUMBERS = {"type": "array", "items": {"type": "integer"}}


def action_with(**parameters):
    parameters.setdefault("workflow", {"type": "string", "immutable": True, "default": "toy.move"})
    known = {name: Parameter(name, schema) for name, schema in parameters.items()}
    return Action("toy.move", "Move toys.", True, known)


def made(*words, user="ann", **parameters):
    return parameters_for(action_with(**parameters), words, user)


def reasons(*words, **parameters):
    with pytest.raises(Refused) as refused:
        made(*words, **parameters)
    return refused.value.reasons


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "3", "3"),
        ({"type": "string"}, "", ""),
        ({"type": "string"}, "a=b,c", "a=b,c"),
        ({}, "anything", "anything"),
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, "-3", -3),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "2", 2.0),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "FALSE", False),
        ({"type": "boolean"}, "1", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "array"}, "a,b", ["a", "b"]),
        ({"type": "array"}, "a, b", ["a", "b"]),
        ({"type": "array"}, '["a, b", "c"]', ["a, b", "c"]),
        ({"type": "array"}, "51", [51]),
        ({"type": "array"}, "1,2", ["1", "2"]),
        ({"type": "array"}, "true", ["true"]),
        ({"type": "array"}, "", []),
        (ARRAY_OF_TEXT, "51", ["51"]),
        (ARRAY_OF_NUMBERS, "1,2", [1, 2]),
        (ARRAY_OF_NUMBERS, "[1, 2]", [1, 2]),
        ({"type": "object"}, "a=1,b=x=y", {"a": "1", "b": "x=y"}),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "object"}, "", {}),
    ],
)
def test_words_are_cast(schema, text, value):
    found = cast(text, schema)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "text", "reason"),
    [
        ({"type": "integer"}, "3.5", "whole number"),
        ({"type": "integer"}, "", "whole number"),
        ({"type": "number"}, "nan", "must be a number"),
        ({"type": "number"}, "many", "must be a number"),
        ({"type": "boolean"}, "yes", "true or false"),
        ({"type": "boolean"}, "2", "true or false"),
        ({"type": "object"}, "a", "key=value"),
        ({"type": "object"}, "=a", "key=value"),
        ({"type": "object"}, '{"a": ', "JSON"),
        (ARRAY_OF_NUMBERS, "1,x", "every item must be a whole number"),
    ],
)
def test_words_that_cannot_be_cast_say_what_is_wanted(schema, text, reason):
    with pytest.raises(ValueError, match=reason):
        cast(text, schema)


def test_defaults_stand_in_and_what_has_none_is_none():
    shelf, colour = {"type": "string"}, {"type": "string", "default": "red"}
    assert made(shelf=shelf, colour=colour) == {"shelf": None, "colour": "red"}
    assert made("shelf=a", "colour=blue", shelf=shelf, colour=colour) == {
        "shelf": "a",
        "colour": "blue",
    }


def test_a_default_satisfies_required_as_in_stackstorm():
    assert made(shelf={"type": "string", "required": True, "default": "a"}) == {"shelf": "a"}


def test_nested_defaults_are_filled():
    schema = {
        "type": "object",
        "properties": {"size": {"type": "integer", "default": 2}, "name": {"type": "string"}},
    }
    assert made('box={"name": "x"}', box=schema) == {"box": {"name": "x", "size": 2}}
    boxes = {"type": "array", "items": schema}
    assert made('boxes=[{"size": 1}, {}]', boxes=boxes) == {"boxes": [{"size": 1}, {"size": 2}]}


def test_everything_missing_is_told_at_once():
    needed = {"type": "string", "required": True}
    assert reasons(shelf=needed, reason=needed) == ["required and not given: shelf, reason"]


def test_everything_wrong_is_told_at_once():
    found = reasons(
        "shlf=a",
        "workflow=x",
        "size=big",
        "junk",
        "colour=gren",
        shelf={"type": "string"},
        size={"type": "integer", "required": True},
        colour={"type": "string", "enum": ["red", "green"]},
    )
    assert found == [
        "there is no parameter 'shlf' (did you mean shelf?)",
        "workflow is fixed by the action and cannot be given",
        "size must be a whole number, not 'big'",
        "'junk' is not of the form key=value",
        "colour is one of red, green (did you mean green?), not 'gren'",
    ]


@pytest.mark.parametrize(
    ("schema", "text", "reason"),
    [
        ({"type": "integer", "minimum": 1}, "0", "x must be at least 1, not 0"),
        ({"type": "integer", "maximum": 9}, "10", "x must be at most 9, not 10"),
        ({"type": "string", "pattern": "^a"}, "b", "x must match ^a, not 'b'"),
        ({"type": "array", "minItems": 1}, "", "x needs at least 1 item, not []"),
        (ARRAY_OF_TEXT, "[1]", "x[0] must be a string, not 1"),
        ({"type": "integer", "enum": [1, 2]}, "3", "x is one of 1, 2, not 3"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "required": True}}},
            "b=1",
            "x: 'a' is a required property",
        ),
    ],
)
def test_values_are_checked_as_stackstorm_checks_them(schema, text, reason):
    assert reasons(f"x={text}", x=schema) == [reason]


def test_a_secret_is_not_shown_when_it_is_wrong():
    for schema in ({"type": "integer"}, {"type": "string", "enum": ["a"]}):
        (reason,) = reasons("key=hunter2", key={**schema, "secret": True})
        assert "hunter2" not in reason


def test_arrays_may_be_given_in_parts_and_nothing_else_twice():
    assert made("toys=a", "toys=b,c", toys=ARRAY_OF_TEXT) == {"toys": ["a", "b", "c"]}
    assert reasons("shelf=a", "shelf=b", shelf={"type": "string"}) == ["shelf is given twice"]


def test_a_value_may_come_from_a_file(tmp_path):
    file = tmp_path / "reason.txt"
    file.write_text("two\nlines")
    assert made(f"@reason={file}", reason={"type": "string"}) == {"reason": "two\nlines"}
    (reason,) = reasons(f"@reason={file}.not", reason={"type": "string", "required": True})
    assert "No such file" in reason


IDENTITY = {
    "requested_by": {
        "type": "string",
        "immutable": True,
        "default": "{{ action_context.user }}",
    },
    "deadline": {"type": "string", "immutable": True, "default": "{{ timeout }}"},
    "timeout": {"type": "integer", "default": 3600},
}


def test_the_two_identity_defaults_are_filled():
    assert made(user="bob", **IDENTITY) == {"requested_by": "bob", "deadline": None}
    assert made("timeout=60", **IDENTITY) == {"requested_by": "ann", "deadline": "60"}


def test_other_expressions_are_refused():
    assert reasons(x={"type": "string", "default": "{{ config_context.x }}"}) == [
        "x has a default in the YAML that only StackStorm can fill: give it"
    ]
    assert made("x={{ literally }}", x={"type": "string"}) == {"x": "{{ literally }}"}


def test_the_runners_own_parameters_are_not_passed_on():
    assert made("log_level=INFO", "debug=true", "env=A=1") == {}
    (reason,) = reasons("log_level=LOUD")
    assert reason.startswith("log_level is one of")
    assert reasons("env=A=1", env={"immutable": True, "default": {}}) == [
        "env is fixed by the action and cannot be given"
    ]
    assert reasons("timeout=-1") == ["timeout must be at least 0, not -1"]


def test_a_disabled_action_is_refused():
    with pytest.raises(UserError, match="disabled"):
        parameters_for(Action("a.b", "", False, {}), [], "ann")


@pytest.fixture
def catalogue(tmp_path):
    for name in ("toy.move", "toy.list", "box.move"):
        yaml = {"name": name, "parameters": {"shelf": {"type": "string"}}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(yaml))
    return Catalogue(tmp_path)


def test_actions_are_found_by_name_with_or_without_the_pack(catalogue):
    assert catalogue.action("toy.move").name == "toy.move"
    assert catalogue.action("openstack_ops.toy.move").name == "toy.move"
    (catalogue.folder / "toy.move.yaml").rename(catalogue.folder / "other.yaml")
    assert catalogue.action("toy.move").name == "toy.move"


def test_an_unknown_action_is_answered_with_near_names(catalogue):
    for wanted, meant in (("toy.mvoe", "toy.move"), ("list", "toy.list")):
        with pytest.raises(NotFound) as missing:
            catalogue.action(wanted)
        assert meant in missing.value.near
    with pytest.raises(NotFound):
        catalogue.action("../toy.move")


def test_a_broken_yaml_hides_no_other(catalogue):
    (catalogue.folder / "broken.yaml").write_text("name: [")
    (catalogue.folder / "empty.yaml").write_text("")
    assert [action.name for action in catalogue.all()] == ["box.move", "toy.list", "toy.move"]
    assert len(catalogue.problems) == 2


def test_an_action_without_a_workflow_is_stackstorms(catalogue):
    with pytest.raises(UserError, match="only StackStorm runs it"):
        _ = catalogue.action("toy.move").workflow
