"""`make runbook` writes what is sound, and fails its test until it is filled in; none is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from new_runbook import module_of, refusal
from skeletons import MARK
from support.pack_copy import TOP, PackCopy
from support.sampling import sampled

#: Where a skeleton is written to; docs/ and tools/ speak of its mark.
FILLED = ("lib", "actions", "tests/unit", "tests/data")


@pytest.fixture
def copy(tmp_path: Path) -> PackCopy:
    """A copy of the pack in which a runbook can be added."""
    return PackCopy(tmp_path / "openstack_ops")


#: Runbooks about what the query knows, each looked up by its table, and whether it has marks.
OF_RESOURCES = {
    "server.clean_up": True,
    "hypervisor.polish": False,
    "volume.scrub": True,
    "volume_snapshot.check": True,
    "image.certify": True,
    "flavor.audit": True,
    "project.freeze": True,
    "aggregate.ship": True,
    "server_group.mark": False,
    "network.close": True,
    "port.trunk_of": True,
    "router.park": True,
    "security_group.close": True,
    "floating_ip.move": True,
    "user.nudge": True,
}


@pytest.mark.long
def test_skeletons_of_resources_look_them_up_by_their_tables(copy: PackCopy) -> None:
    """They import, have types, and draw their plan; only what they do is left to their author."""
    modules, tests = set(), []
    copy.done("tools/new_runbook.py", *OF_RESOURCES)
    for name, has_marks in OF_RESOURCES.items():
        subject, _, verb = name.partition(".")
        module = module_of(subject, verb, copy.top)
        text = module.read_text().partition(f"# -- {name} ")[2]
        assert "class " not in text
        assert f"def find_{subject}(" not in text
        assert ("protected(" in text) is has_marks, name
        modules.add(str(module.relative_to(copy.top)))
        tests.append(f"tests/unit/test_workflows_{name.replace('.', '_')}.py")
    copy.done("-m", "black", "--check", *modules, *tests)
    copy.done("-m", "ruff", "check", *modules, *tests)
    copy.done("-m", "mypy", *modules)
    tried = copy.run("-m", "pytest", "-q", "-k", "the_plan_changes_nothing", *tests)
    assert f"{len(tests)} passed" in tried.stdout, tried.stdout


# A known subject in a package, one in a module, and a new one.
@pytest.mark.long
@pytest.mark.parametrize(
    "name", sampled(["hypervisor.polish", "volume.extend_much", "fire_drill.hold"], 1)
)
def test_a_skeleton_is_sound_and_its_test_fails_until_it_is_filled_in(
    copy: PackCopy, name: str
) -> None:
    copy.done("tools/new_runbook.py", name)
    module, test = name.partition(".")[0], f"tests/unit/test_workflows_{name.replace('.', '_')}.py"
    copy.done("tools/generate.py", "--check")
    copy.done("-m", "black", "--check", "lib/workflows", test)
    copy.done("-m", "ruff", "check", "lib/workflows", test)
    copy.done("-c", f"import workflows.{module}")
    assert copy.read(f"actions/{name}.yaml")
    newest = copy.read("CHANGES.md").split("\n## ")[1]
    assert newest.splitlines()[-1].startswith(f"- `{name}`: {MARK}")
    assert copy.run("tools/new_runbook.py", name).returncode == 2, "a second time"

    tried = copy.run("-m", "pytest", "-q", test)

    assert tried.returncode == 1, tried.stdout
    assert f"NotImplementedError: {MARK}" in tried.stdout


@pytest.mark.long
def test_runbooks_of_one_subject_stand_side_by_side(copy: PackCopy) -> None:
    """What a skeleton brings along for its subject is brought once."""
    before = copy.read("CHANGES.md")
    for name in ("fire_drill.hold", "fire_drill.announce"):
        copy.done("tools/new_runbook.py", name)
    text = copy.read("lib/workflows/fire_drill.py")
    assert (text.count("class FireDrill("), text.count("\n@workflow(")) == (1, 2)
    copy.done("-m", "ruff", "check", "lib/workflows")
    after = copy.read("CHANGES.md")
    added = [line for line in after.splitlines(keepends=True) if MARK in line]
    for line in added:
        after = after.replace(line, "")
    assert (len(added), after) == (2, before)


@pytest.mark.long
@pytest.mark.parametrize("name", ["server.clean_up", "fire_drill.hold"])
def test_a_skeleton_has_types(copy: PackCopy, name: str) -> None:
    copy.done("tools/new_runbook.py", name)
    subject, _, verb = name.partition(".")
    copy.done("-m", "mypy", str(module_of(subject, verb, copy.top).relative_to(copy.top)))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "Say which runbook"),
        ("server", "'server' is not of the form subject.verb"),
        ("Server.stop", "'Server.stop' is not of the form subject.verb"),
        ("server.power-cycle", "is not of the form subject.verb"),
        ("email.campaign.stop", "is not of the form subject.verb"),
        ("server.stop; true", "is not of the form subject.verb"),
        ("server.stop", "There is a runbook server.stop already"),
        ("server.import", "'import' is a word of Python's own"),
        ("server.verbs", "There is lib/workflows/server/verbs.py already"),
        (f"server.{'x' * 60}", "is longer than 50 letters"),
    ],
)
def test_what_cannot_be_a_runbook_is_refused_in_a_sentence(name: str, why: str) -> None:
    assert why in refusal(name, TOP)


@pytest.mark.long
def test_nothing_waits_to_be_filled_in() -> None:
    paths = [path for folder in FILLED for path in (TOP / folder).rglob("*")]
    paths = [
        path for path in [*paths, TOP / "CHANGES.md"] if path.suffix in (".py", ".yaml", ".md")
    ]
    assert len(paths) > 300
    waiting = {
        f"{path.relative_to(TOP)}:{number}": line.strip()
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"\b{MARK}\b", line)
    }
    assert waiting == {}
