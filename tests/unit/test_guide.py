"""The author's guide: who follows it has a runbook, and every block of it runs."""

from __future__ import annotations

import re
import shlex

import pytest

import workflow_api
from support.guide import GUIDE, MODULE, NAME, TEST, blocks, followed, program
from support.pack_copy import TOP, PackCopy

#: What an author writes: the subject's module, the tests' data, a line for operators.
BY_HAND = {MODULE, TEST, "tests/data/examples.yaml", "CHANGES.md"}
GENERATED = {f"actions/{NAME}.yaml", "docs/ACTIONS.md"}
#: Some of the tests that go through all actions.
ENUMERATING = (
    "tests/contract/test_actions.py",
    "tests/contract/test_examples.py",
    "tests/contract/test_generated.py",
    "tests/contract/test_skeletons.py",
    "tests/unit/test_form_defaults.py",
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> PackCopy:
    """A pack in which somebody has followed the guide."""
    return followed(tmp_path_factory.mktemp("packs") / "openstack_ops")


@pytest.mark.long
def test_an_author_writes_in_three_places(pack: PackCopy) -> None:
    differ = pack.differences()
    assert differ >= BY_HAND | GENERATED
    assert differ <= BY_HAND | GENERATED | {"README.md"}


@pytest.mark.long
def test_the_blocks_to_be_tried_run(pack: PackCopy) -> None:
    pack.write("guide.py", program())
    pack.done("guide.py")
    (pack.top / "guide.py").unlink()


@pytest.mark.long
def test_its_test_passes(pack: PackCopy) -> None:
    assert "12 passed" in pack.done("-m", "pytest", "-q", TEST)


@pytest.mark.long
def test_tests_of_all_actions_take_it_by_themselves(pack: PackCopy) -> None:
    chosen = f"{NAME.split('.')[1]} or no_difference or waits_to_be_filled_in"
    done = pack.done("-m", "pytest", "-q", "-k", chosen, *ENUMERATING)
    assert re.search(r"\b(\d+) passed", done)


@pytest.mark.long
def test_it_is_formatted(pack: PackCopy) -> None:
    pack.done("-m", "black", "--check", MODULE, TEST)
    pack.done("-m", "ruff", "check", MODULE, TEST)


@pytest.mark.long
def test_it_has_types(pack: PackCopy) -> None:
    pack.done("-m", "mypy", MODULE)


@pytest.mark.long
def test_the_tests_that_are_typed_pass(pack: PackCopy) -> None:
    said = [line for block in blocks("console") for line in block.text.splitlines()]
    tests = [
        shlex.split(line)[1:] for line in said if line.startswith(".venv/bin/python -m pytest")
    ]
    assert len(tests) == 2
    for command in tests:
        assert " passed" in pack.done(*command)


def test_it_speaks_of_nothing_that_is_not_there() -> None:
    page = GUIDE.read_text()
    code = "\n".join(block.text for block in blocks("python"))
    imported = re.findall(r"^from workflow_api import (\([^)]*\)|.+)$", code, re.MULTILINE)
    names = {name.strip() for part in imported for name in part.strip("()").split(",")}
    assert names - {""} <= set(workflow_api.__all__)
    folders = "lib|tests|tools|docs|workflow_api"
    for named in re.findall(rf"`((?:{folders})/[\w/]+\.\w+)`", page):
        places = [TOP / named, TOP / "lib" / named]
        assert named in (MODULE, TEST) or any(place.is_file() for place in places), named


def test_every_block_is_of_a_kind_that_is_run() -> None:
    kinds = re.findall(r"^```(\w+.*)$", GUIDE.read_text(), re.MULTILINE)
    assert set(kinds) == {
        "python",
        f"python {MODULE}",
        f"python {TEST}",
        "text CHANGES.md",
        "console",
    }
    said = [line for block in blocks("console") for line in block.text.splitlines()]
    targets = re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert f"make runbook NAME={NAME}" in said
    for line in said:
        if line.startswith("make "):
            assert line.split()[1] in targets
        for path in re.findall(r"(?:tests|tools)/\S+", line.replace("PYTHONPATH=lib:tests", "")):
            assert path == TEST or (TOP / path).exists(), path
