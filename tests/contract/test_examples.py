"""Every action has one example, which can be typed as docs/ACTIONS.md has it and is understood."""

from __future__ import annotations

import re
import shlex

import pytest

from action_files import all_workflows
from actions_page import own_parameters
from examples import all_examples, example, typed
from local_runner.actions import ACTIONS, read_action
from local_runner.arguments import parameters_for
from support.action_files import NAMES, action
from support.st2_runner import TOP

PAGE = (TOP / "docs" / "ACTIONS.md").read_text()
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))


def test_every_action_has_an_example_and_a_section() -> None:
    assert list(all_examples()) == NAMES
    assert list(SECTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_of_the_action(name: str) -> None:
    """Its own parameters only: all that are required, none that many actions have."""
    own = own_parameters(all_workflows()[name])
    assert set(example(name)) <= set(own)
    assert {parameter for parameter, given in own.items() if given.get("required")} <= set(
        example(name)
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_says_to_type_is_the_example(name: str) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", SECTIONS[name], re.DOTALL)
    mine, stackstorms = block.replace("\\\n", "").splitlines()
    _runbook, _run, called, *words = shlex.split(mine)
    assert called == name
    assert shlex.split(stackstorms) == ["st2", "run", f"openstack_ops.{name}", *words]
    understood = parameters_for(read_action(ACTIONS / f"{name}.yaml"), words, "ann")
    assert {parameter: understood[parameter] for parameter in example(name)} == example(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_section_has_every_parameter(name: str) -> None:
    own = own_parameters(all_workflows()[name])
    assert re.findall(r"^\| `(\w+)` \|", SECTIONS[name], re.MULTILINE) == list(own)
    hidden = {n for n, given in action(name)["parameters"].items() if given.get("immutable")}
    assert not hidden & set(own)


@pytest.mark.parametrize("name", NAMES)
def test_a_section_says_what_an_action_does_by_default(name: str) -> None:
    form = action(name)["parameters"]
    by_default = form["dry_run"]["default"] if "dry_run" in form else None
    says = {True: "**Dry by default**", False: "**Acts at once**: `dry_run=true`", None: ""}
    assert says[by_default] in SECTIONS[name]
    if by_default is None and name not in ("run.apply", "run.cancel", "run.resume", "run.settle"):
        assert "**" not in SECTIONS[name]


@pytest.mark.parametrize(
    "value", ["a b", "it's", "a,b", "$HOME", "a=b", "*", True, ["a", "b"], ["a, b", "c"]]
)
def test_a_value_is_typed_so_that_it_is_understood(value: object) -> None:
    name = "select" if isinstance(value, list) else "explain" if value is True else "where"
    (word,) = shlex.split(" ".join(typed({name: value})))
    assert parameters_for(read_action(ACTIONS / "server.search.yaml"), [word], "ann")[name] == value
