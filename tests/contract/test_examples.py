"""Every action has an example, and commands that pages show are understood as they are typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

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


def an_example_is_of_the_action(name: str) -> None:
    """Its own parameters only: all that are required, none that many actions have."""
    own = own_parameters(all_workflows()[name])
    assert set(example(name)) <= set(own)
    assert {parameter for parameter, given in own.items() if given.get("required")} <= set(
        example(name)
    )


def what_the_page_says_to_type_is_the_example(name: str) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", SECTIONS[name], re.DOTALL)
    mine, stackstorms = block.replace("\\\n", "").splitlines()
    _runbook, _run, called, *words = shlex.split(mine)
    assert called == name
    assert shlex.split(stackstorms) == ["st2", "run", f"openstack_ops.{name}", *words]
    understood = parameters_for(read_action(ACTIONS / f"{name}.yaml"), words, "ann")
    assert {parameter: understood[parameter] for parameter in example(name)} == example(name)


def a_section_has_every_parameter(name: str) -> None:
    own = own_parameters(all_workflows()[name])
    assert re.findall(r"^\| `(\w+)` \|", SECTIONS[name], re.MULTILINE) == list(own)
    hidden = {n for n, given in action(name)["parameters"].items() if given.get("immutable")}
    assert not hidden & set(own)


# What they change is a run: that has no plan of its own.
OF_RUNS = {"run.apply", "run.cancel", "run.resume", "run.resume_due", "run.settle"}


def a_section_says_what_an_action_does_by_default(name: str) -> None:
    form = action(name)["parameters"]
    by_default = form["dry_run"]["default"] if "dry_run" in form else None
    says = {True: "**Dry by default**", False: "**Acts at once**: `dry_run=true`", None: ""}
    assert says[by_default] in SECTIONS[name]
    if by_default is None and name not in OF_RUNS:
        assert "**" not in SECTIONS[name]


# One test an action: thousands of tests, each of which takes no time, take seconds together.
CHECKS = (
    an_example_is_of_the_action,
    what_the_page_says_to_type_is_the_example,
    a_section_has_every_parameter,
    a_section_says_what_an_action_does_by_default,
)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_and_the_section_of_an_action(name: str) -> None:
    for check in CHECKS:
        check(name)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words behind ``./runbook run`` of each command that a page shows in a block."""
    for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", "").splitlines():
            if command := re.match(r"(?:\$ )?\./runbook run (.*)", line):
                words = shlex.split(command[1], comments=True)
                ends = [n for n, word in enumerate(words) if word in ("|", ">")]
                yield [word for word in words[: min(ends, default=None)] if word != "--json"]


@pytest.mark.parametrize(
    "page",
    [*sorted(TOP.glob("*.md")), *sorted((TOP / "docs").glob("*.md"))],
    ids=lambda page: page.name,
)
def test_commands_that_pages_show_are_understood(page: Path) -> None:
    for name, *words in commands(page):
        words = [word for word in words if "=" in word or word[0] != "-"]
        if not any("<" in word or word.startswith("/") for word in words):  # <id>, a path
            parameters_for(read_action(ACTIONS / f"{name}.yaml"), words, "ann")


def test_commands_are_found() -> None:
    found = {page.name: len(list(commands(page))) for page in (TOP / "docs").glob("*.md")}
    assert found["ACTIONS.md"] == len(NAMES)
    assert found["QUERY.md"] > 10
    assert found["MAIL.md"] > 5
    assert len(list(commands(TOP / "README.md"))) > 6


@pytest.mark.parametrize(
    "value", ["a b", "it's", "a,b", "$HOME", "a=b", "*", True, ["a", "b"], ["a, b", "c"]]
)
def test_a_value_is_typed_so_that_it_is_understood(value: object) -> None:
    name = "select" if isinstance(value, list) else "explain" if value is True else "where"
    (word,) = shlex.split(" ".join(typed({name: value})))
    assert parameters_for(read_action(ACTIONS / "server.search.yaml"), [word], "ann")[name] == value
