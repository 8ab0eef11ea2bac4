"""What is generated from runbooks and tables is what stands in the repository."""

from __future__ import annotations

import re

import pytest
import yaml

from action_files import actions, all_workflows
from generate import TOP, pages
from query_api.execution.paths import resolve
from query_api.language import conditions
from query_api.language.operator_names import ARITY
from query_api.language.where import parse
from query_api.resources import names, resource
from query_page import _SAYS
from searches.searching import EXAMPLES

all_workflows()  # which fills the examples


def test_no_difference() -> None:
    differ = [path.name for path, text in pages().items() if path.read_text() != text]
    assert differ == [], "run `make generate`"


def test_every_action_is_generated_and_no_other_is_there() -> None:
    assert {path.stem for path in (TOP / "actions").glob("*.yaml")} == set(actions())
    asking = {f"{name}.{verb}" for name in EXAMPLES for verb in ("search", "list")}
    assert asking | {"query.run", "email.campaign.retry_failed"} < set(actions())


@pytest.mark.parametrize("name", sorted(actions()))
def test_a_runbook_is_found_by_its_full_name(name: str) -> None:
    """In its subject's module or package, or in the table of verbs that its subject registers."""
    subject = name.partition(".")[0]
    at = TOP / "lib" / "workflows" / subject
    modules = [at.with_suffix(".py"), *at.glob("*.py"), *(TOP / "lib/verbs").glob("*.py")]
    whole = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\w)")
    assert any(whole.search(module.read_text()) for module in modules if module.exists())


def test_query_run_knows_every_resource() -> None:
    action = yaml.safe_load((TOP / "actions" / "query.run.yaml").read_text())
    assert action["parameters"]["resource"]["enum"] == names()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_search_is_described_by_its_properties(name: str) -> None:
    action = yaml.safe_load((TOP / "actions" / f"{name}.search.yaml").read_text())
    listed = action["description"].removesuffix(".").partition(": ")[2].split(", ")
    assert listed == [prop.name for prop in resource(name).properties]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_of_the_resource(name: str) -> None:
    for test in conditions.tests(parse(EXAMPLES[name].where)):
        assert resolve(resource(name), test.path)


def test_every_operator_is_explained() -> None:
    assert list(_SAYS) == list(ARITY)


def test_the_page_has_every_resource_property_and_link() -> None:
    page = (TOP / "docs" / "QUERY.md").read_text()
    assert "<!-- resources" not in page
    for name in names():
        section = page.split(f"\n### {name}\n")[1].split("\n### ")[0]
        for prop in resource(name).properties:
            assert f"\n| `{prop.name}` | {prop.kind}" in section, prop.name
        for link in resource(name).links:
            assert f"\n| `{link.name}` | " in section, link.name
