"""The demo, with commands that only say what they were asked: what it prints can be typed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
STAND_IN = f"""#!{sys.executable}
import sys
print('{{"rows": [{{"id": "run-1"}}]}}' if "--json" in sys.argv else "asked: " + repr(sys.argv[1:]))
"""


@pytest.mark.long
def test_it_goes_through_in_a_folder_with_a_space_and_prints_what_can_be_typed(
    tmp_path: Path,
) -> None:
    clone = tmp_path / "a clone"
    (clone / "devcloud").mkdir(parents=True)
    shutil.copy(REPOSITORY / "devcloud" / "demo", clone / "devcloud" / "demo")
    for command in ("runbook", "devcloud/seed"):
        (clone / command).write_text(STAND_IN)
        (clone / command).chmod(0o755)
    config = str(clone / "it's mine.yaml")
    ended = subprocess.run(
        [clone / "devcloud" / "demo"],
        env={**os.environ, "OPENSTACK_OPS_CONFIG": config},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "asked: ['run', 'run.show', 'run=run-1']" in ended.stdout
    (export,) = [line for line in ended.stdout.splitlines() if "export" in line]
    assert shlex.split(export) == ["export", f"OPENSTACK_OPS_CONFIG={config}"]
    shown = [shlex.split(line[2:]) for line in ended.stdout.splitlines() if line[:2] == "$ "]
    assert ["hypervisor=cmp-1", "reason=demo: new memory", "dry_run=false"] in [
        words[-3:] for words in shown
    ]
