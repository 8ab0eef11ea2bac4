"""A runbook about what there are runbooks about already: three files, and the tests know it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skeletons import MARK
from support.example_things import ON_CLOUD
from support.pack_copy import PackCopy

NAME = "volume.scrub"
MODULE, TEST = "lib/workflows/volume/scrub.py", "tests/unit/test_workflows_volume_scrub.py"
# What its author writes instead of what the skeleton says.
WRITTEN = {
    rf'    raise NotImplementedError\("{MARK}: look.*': """\
    found = things.look(cloud, "volume", volume)
    return {"said": "scrubbed"} if found and "scrubbed" in found.metadata else None
""",
    rf'    raise NotImplementedError\("{MARK}: send.*': """\
    change.set_volume_metadata(cloud, volume, {"scrubbed": "yes"})
    return {"said": "scrubbed"}
""",
    rf" *# {MARK}: what the cloud would refuse.*": """\
        "" if found.status == "available" else f"it is {found.status}",
""",
    rf"{MARK}: what is sent.*": 'Mark the volume as scrubbed."""\n',
    rf"{MARK}: what it does.*": 'Mark a volume as scrubbed."""\n',
    r"from query_api.lookups import things": """\
from openstack_api import volume as change
from query_api.lookups import things
""",
}
# The tests that go through all actions.
THROUGH_ALL = (
    "tests/contract/test_actions.py",
    "tests/contract/test_examples.py",
    "tests/contract/test_generated.py",
    "tests/contract/test_web_form.py",
    "tests/unit/test_form_defaults.py",
    "tests/unit/test_hostile_input.py",
)


@pytest.fixture
def pack(tmp_path: Path) -> PackCopy:
    """A copy of the pack with the new runbook."""
    pack = PackCopy(tmp_path / "openstack_ops")
    pack.done("tools/new_runbook.py", NAME)
    text = pack.read(MODULE)
    for there, instead in WRITTEN.items():
        text, times = re.subn(rf"{there}\n", lambda _, new=instead: new, text)
        assert times == 1, there
    pack.write(MODULE, text)
    sent = '{"metadata": {"scrubbed": "yes"}}'
    pack.write(TEST, re.sub(rf'"{MARK}: the requests.*"', sent, pack.read(TEST)))
    changes = re.sub(rf"{MARK} what it does.*", "marks a volume.", pack.read("CHANGES.md"))
    pack.write("CHANGES.md", changes)
    pack.done("-m", "ruff", "check", "--quiet", "--select", "I", "--fix", MODULE)
    pack.done("-m", "black", "--quiet", MODULE, TEST)
    pack.done("tools/generate.py")
    return pack


@pytest.mark.long
def test_a_runbook_over_a_known_kind_touches_three_files_and_passes_all_tests(
    pack: PackCopy,
) -> None:
    generated = {f"actions/{NAME}.yaml", "docs/ACTIONS.md", "README.md"}
    by_hand = {MODULE, "tests/data/examples.yaml", "CHANGES.md"}
    assert pack.differences() - {TEST} - generated == by_hand
    assert MARK not in pack.read(MODULE) + pack.read(TEST)
    pack.done("-m", "pytest", "-q", TEST)
    asked = ("-m", "long or not long", "-k", f"{NAME} or not [")
    tried = pack.done("-m", "pytest", "-q", "-rA", *asked, *THROUGH_ALL)
    for test in (
        "an_action",
        "the_defaults_of_a_form_are_not_refused",
        "an_example_is_not_refused",
    ):
        assert f"::test_{test}[{NAME}]" in tried, tried
    # On a real cloud its example is about a volume that is made for it.
    assert NAME.partition(".")[0] in ON_CLOUD
