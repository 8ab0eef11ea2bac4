"""Every action YAML against the function behind it, and against what makes a good web form."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from common.duration import Duration, End
from common.errors import UserError
from common.table import FORMS
from engine.parameters import ALWAYS, CHANGING, READING, bind
from query_api.resources import names
from workflow_api.plan import Plan
from workflow_api.workflow import RunRequest, Workflow, workflow_named

# There is one lock of operations: it needs no name.
ONLY_ONE = {"ops"}
ACTIONS = Path(__file__).parents[2] / "actions"
FILES = sorted(ACTIONS.glob("*.yaml"))
RUNNER = {"timeout", "env", "debug", "log_level", "content_version"}
HIDDEN = {"env": {}, "debug": False, "content_version": ""}
JSON_TYPE = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Duration: "string",
    End: "string",
}


@cache  # a dozen checks look at each, and none changes it
def action(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def answer_of(workflow: Workflow) -> type:
    return typing.get_type_hints(workflow.function)["return"]


def common_of(workflow: Workflow) -> frozenset[str]:
    own = {Plan: CHANGING, RunRequest: frozenset()}.get(answer_of(workflow), READING)
    return own | ALWAYS | {"workflow"}


def plain_type(kind: object) -> tuple[str, list | None]:
    """Return the JSON type and the enum of an annotation."""
    if typing.get_origin(kind) is typing.Annotated:
        return plain_type(typing.get_args(kind)[0])
    options = [a for a in typing.get_args(kind) if a is not type(None)]
    if typing.get_origin(kind) is typing.Literal:
        return "string", list(options)
    if typing.get_origin(kind) is list:
        return "array", None
    if options:
        (inner,) = options
        return plain_type(inner)
    return JSON_TYPE[kind], None


CHECKS: list[Callable[[Path], None]] = []


def check(function: Callable[[Path], None]) -> Callable[[Path], None]:
    """Have every action looked at by this, too."""
    CHECKS.append(function)
    return function


def test_there_are_actions() -> None:
    assert len(FILES) >= 14


@check
def name_workflow_and_file_agree(path: Path) -> None:
    data = action(path)
    assert data["name"] == path.stem
    assert data["parameters"]["workflow"]["default"] == path.stem
    assert data["parameters"]["workflow"]["immutable"] is True
    assert data["runner_type"] == "python-script"
    assert (ACTIONS / data["entry_point"]).is_file()
    assert workflow_named(path.stem).name == path.stem


@check
def description_is_the_function_s(path: Path) -> None:
    said, summary = action(path)["description"], workflow_named(path.stem).summary
    if is_search(path):  # it goes on with the properties that there are
        assert said.startswith(summary.removesuffix(".") + ": ")
    else:
        assert said == summary


def is_search(path: Path) -> bool:
    subject, _, verb = path.stem.partition(".")
    return verb == "search" and subject in names()


@check
def parameters_are_the_function_s(path: Path) -> None:
    workflow = workflow_named(path.stem)
    parameters = set(action(path)["parameters"])
    expected = set(workflow.parameters) | set(workflow.accounts) | common_of(workflow) | RUNNER
    assert parameters == expected


@check
def types_enums_defaults_and_required_agree(path: Path) -> None:
    workflow, parameters = workflow_named(path.stem), action(path)["parameters"]
    for name, parameter in workflow.parameters.items():
        given = parameters[name]
        kind, enum = plain_type(workflow.types[name])
        assert given["type"] == kind, name
        assert given.get("enum") == enum, name
        if parameter.default is inspect.Parameter.empty:
            assert given["required"] is True, name
            assert "default" not in given, name
        else:
            default = parameter.default
            default = str(default) if isinstance(default, Duration) else default
            same = given.get("default") == default
            if kind == "string" and isinstance(parameter.default, Duration):
                same = Duration.parse(given["default"]) == parameter.default
            assert same, name
            assert "required" not in given, name
    for name, kind in workflow.accounts.items():
        several = hasattr(kind, "each")
        assert parameters[name]["type"] == ("array" if several else "string")
        assert parameters[name].get("items") == ({"type": "string"} if several else None)
        # The configuration has a default account, which stands for one of a type alone.
        assert parameters[name].get("required", False) == (name in workflow.required_accounts)


@check
def the_binding_keeps_the_bounds_of_the_form(path: Path) -> None:
    """Whatever has checked the form before, or has not: nothing beyond a bound gets in."""
    workflow, parameters = workflow_named(path.stem), action(path)["parameters"]
    asked = dict.fromkeys(workflow.required_accounts, "x") | examples().get(path.stem, {})
    for name in workflow.parameters:
        low, high = (parameters[name].get(bound) for bound in ("minimum", "maximum"))
        for value, words in ((low, ("least", "from")), (high, ("most", "from"))):
            if value is None:
                continue
            beyond = value + (1 if value == high else -1)
            with pytest.raises(UserError, match=rf"{name} is (at )?({'|'.join(words)}) ") as told:
                bind(workflow, {**asked, name: beyond}, lambda kind, name: Named())
            assert f"not {beyond}" in str(told.value)
            bind(workflow, {**asked, name: value}, lambda kind, name: Named())


class Named:
    """Stands for an account of any type."""

    name = "x"


@cache
def examples() -> dict[str, dict[str, object]]:
    data = ACTIONS.parent / "tests" / "data" / "examples.yaml"
    return dict(yaml.safe_load(data.read_text()))


@check
def what_holds_sentences_is_one_text(path: Path) -> None:
    # The web form and `st2 run` split arrays at commas.
    parameters = action(path)["parameters"]
    for name in {"where", "group_by", "aggregate", "follow", "join"} & set(parameters):
        assert parameters[name]["type"] == "string", name
    arrays = {name for name, given in parameters.items() if given.get("type") == "array"}
    if "sort_by" in parameters:
        # Addresses have no commas here: they are written without names.
        assert arrays - {"clouds", "cc", "bcc"} == {"select", "sort_by"}


@check
def defaults_are_in_their_enums(path: Path) -> None:
    for name, given in action(path)["parameters"].items():
        if "enum" in given and "default" in given:
            assert given["default"] in given["enum"], name


@check
def output_offers_every_form(path: Path) -> None:
    output = action(path)["parameters"].get("output")
    if output:
        assert output["enum"] == list(FORMS)


@check
def bulk_runbooks_are_dry_by_default(path: Path) -> None:
    dry_run = action(path)["parameters"].get("dry_run")
    if dry_run:
        one_object = workflow_named(path.stem).one_object
        assert dry_run["default"] is not one_object
        # The object has to be named: nothing else stands in for it.
        subject = path.stem.partition(".")[0]
        about = "name" if path.stem.endswith(".create") else subject
        if one_object and subject not in ONLY_ONE:
            assert action(path)["parameters"][about]["required"]
        # A tick that is not there is easily overlooked.
        assert dry_run["description"].startswith("On " if dry_run["default"] else "Off ")


@check
def what_a_dry_run_is_about_stands_before_it_and_all_else_after_it(path: Path) -> None:
    parameters = action(path)["parameters"]
    visible = [name for name, given in parameters.items() if is_visible(given)]
    if "dry_run" in visible:
        at = visible.index("dry_run")
        required = [name for name in visible if parameters[name].get("required")]
        assert set(required) <= set(visible[:at])
        assert at <= 8, "it is at once on the screen"
        bounds = ("max_recipients", "max_parallel", "max_changes", "limit", "rows")
        mine = [name for name in bounds if name in visible]
        assert visible[at + 1 : at + 1 + len(mine)] == mine
        assert visible[-2:] == ["ticket", "trigger_id"]
    clouds = [name for name in visible if name.startswith("cloud")]
    assert visible[: len(clouds)] == clouds or path.stem == "owner.find"


def is_visible(given: dict) -> bool:
    return "position" in given and not given.get("immutable")


@check
def form_is_in_order_and_nothing_of_the_runner_is_in_the_way(path: Path) -> None:
    parameters = action(path)["parameters"]
    own = {name: given for name, given in parameters.items() if name not in RUNNER}
    # The web form takes a position of 0 for none.
    assert [given["position"] for given in own.values()] == list(range(1, len(own) + 1))
    for name, default in HIDDEN.items():
        # StackStorm lets an action override just these attributes of a runner's parameter.
        assert parameters[name] == {"immutable": True, "default": default}
    assert parameters["log_level"].items() >= {"default": "INFO", "enum": ["INFO"]}.items()
    assert set(parameters["log_level"]) == {"description", "default", "enum"}
    assert set(parameters["timeout"]) == {"description", "default"}
    assert parameters["timeout"]["default"] > 0


@check
def descriptions_are_one_sentence(path: Path) -> None:
    data = action(path)
    for given in [data, *data["parameters"].values()]:
        if given.get("immutable") and "description" not in given:
            continue
        text = given["description"]
        assert text.endswith("."), text
        assert ". " not in text, text
        assert len(text) <= 110 or (given is data and is_search(path)), text


@check
def what_stands_for_one_another_says_so(path: Path) -> None:
    parameters = action(path)["parameters"]
    if {"projects", "all_projects"} <= set(parameters):
        assert "all projects if empty" in parameters["projects"]["description"]
        assert "also meant if projects is empty" in parameters["all_projects"]["description"]
        assert "give one of the two" in parameters["all_projects"]["description"]
    if {"notice", "window"} <= set(parameters):  # one choice in the one needs the other
        assert "work needs it" in parameters["window"]["description"]


@check
def what_is_named_or_given_by_id_is_looked_at_as_a_name(path: Path) -> None:
    """Or a line end, an emoji or 60,000 letters would reach a service, or the store."""
    known = workflow_named(path.stem)
    for name, given in action(path)["parameters"].items():
        if re.search(r"\bby (its |exact |host )*(names?|ids?|key)\b", given.get("description", "")):
            assert name in known.names, (
                f"{path.stem} looks {name} up by name or id, so its type has to say that it is a "
                "name: write `ServerName` or another type of lib/workflow_api/parameters.py, or "
                "`Name` (`Names` for a list), instead of `str`"
            )


@check
def only_identity_is_jinja(path: Path) -> None:
    jinja = {
        name: given["default"]
        for name, given in action(path)["parameters"].items()
        if "{{" in str(given.get("default", ""))
    }
    assert jinja == {"requested_by": "{{ action_context.user }}", "deadline": "{{ timeout }}"}
    for name in jinja:
        given = action(path)["parameters"][name]
        assert given["immutable"] is True
        assert given["type"] == "string", "StackStorm refuses Jinja in an immutable integer"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_action(path: Path) -> None:
    for check_it in CHECKS:
        check_it(path)


def test_every_workflow_has_an_action() -> None:
    modules = [p.stem for p in (ACTIONS.parent / "lib" / "workflows").iterdir()]
    subjects = {path.stem.partition(".")[0] for path in FILES}
    assert subjects <= set(modules)
    for path in FILES:
        workflow_named(path.stem)
    known = sys.modules["workflow_api.workflow"]._workflows
    registered = {name for name in known if name.partition(".")[0] in subjects}
    assert registered == {path.stem for path in FILES}
