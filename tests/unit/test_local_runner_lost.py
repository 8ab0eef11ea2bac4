"""``./runbook`` whose answer does not arrive: a full disk, a closed stdout, a reader that went."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from support.runs import new_state
from support.sampling import sampled

BOXES = Path(__file__).parents[1] / "support/boxes.py"
FULL, CLOSED = ">/dev/full", ">&-"
# What is asked, and the exit code where its answer arrives.
ASKED = {
    "list": 0,
    "list --json": 0,
    "show box.open": 0,
    "show box.open --json": 0,
    "--help": 0,
    "run box.open --help": 0,
    "run box.list shelf=a": 0,
    "run box.list shelf=a --json": 0,
    "run box.list shelf=a output=csv": 0,
    "run box.open shelf=a dry_run=0": 0,
    "run box.open shelf=a dry_run=0 --json": 0,
    "run box.open shelf=a dry_run=0 boxes=a,broken": 1,
    "run box.shut shelf=a": 2,
}


@pytest.fixture
def ask(tmp_path: Path):
    """Return a function that has a shell run the command with redirections of its streams."""
    home, actions = tmp_path / "home", tmp_path / "actions"
    for folder in (home, actions):
        folder.mkdir()
    config = {"clouds": [{"name": "devcloud"}], "state_url": new_state(tmp_path / "state.db")}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    parameters = {
        "shelf": {"type": "string", "required": True},
        "boxes": {"type": "array", "default": ["a", "b"]},
        "dry_run": {"type": "boolean", "default": True},
        "output": {"type": "string", "default": "text"},
    }
    for name, own in (
        ("box.list", ("shelf", "output")),
        ("box.open", ("shelf", "boxes", "dry_run")),
    ):
        fixed = {"workflow": {"type": "string", "immutable": True, "default": name}}
        action = {"name": name, "parameters": {**fixed, **{n: parameters[n] for n in own}}}
        (actions / f"{name}.yaml").write_text(json.dumps(action))
    variables = {**os.environ, "HOME": str(home), "TERM": "xterm"}
    variables["OPENSTACK_OPS_CONFIG"] = str(tmp_path / "config.yaml")

    def run(words: str, streams: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(BOXES), str(actions), *shlex.split(words)]
        return subprocess.run(
            ["bash", "-c", f"{shlex.join(command)} {streams}"],
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def ended(tmp_path: Path) -> list[str]:
    with sqlite3.connect(tmp_path / "state.db") as store:
        return [state for (state,) in store.execute("SELECT state FROM runs")]


@pytest.mark.long
@pytest.mark.parametrize(("words", "streams"), sampled(list(product(ASKED, (FULL, CLOSED))), 5))
def test_a_lost_answer_is_a_failure_and_says_so(ask, words: str, streams: str) -> None:
    done = ask(words, streams)
    assert done.returncode == (ASKED[words] or 1)
    assert "Traceback" not in done.stderr
    assert "Internal error" not in done.stderr
    if ASKED[words] != 2:  # a refusal is said on stderr, where it arrived
        *progress, line = done.stderr.splitlines()
        assert not progress or "--json" in words
        why = "No space left on device" if streams == FULL else "Bad file descriptor"
        assert line.startswith(f"runbook: The answer could not be written: {why}.")


@pytest.mark.long
def test_a_lost_answer_of_an_action_is_told_on_stderr(ask, tmp_path: Path) -> None:
    done = ask("run box.open shelf=a dry_run=0", FULL)
    assert "The action itself ended with: " in done.stderr
    assert "2 of 2 steps done" in done.stderr
    assert ended(tmp_path) == ["succeeded"]


@pytest.mark.long
@pytest.mark.parametrize("streams", [f"{FULL} 2{FULL}", f"{CLOSED} 2{CLOSED}", "<&- >&- 2>&-"])
def test_nobody_to_tell_at_all_is_a_failure_and_what_was_asked_is_done(
    ask, tmp_path: Path, streams: str
) -> None:
    done = ask("run box.open shelf=a dry_run=0", streams)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert ended(tmp_path) == ["succeeded"]
    with sqlite3.connect(tmp_path / "state.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.long
@pytest.mark.parametrize("words", ["list", "show box.open", "run box.open shelf=a dry_run=0"])
def test_a_reader_that_goes_away_ends_nothing_and_is_not_complained_of(
    ask, tmp_path: Path, words: str
) -> None:
    done = ask(words, "| true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (1, "")
    assert ended(tmp_path) == (["succeeded"] if words.startswith("run") else [])


@pytest.mark.long
@pytest.mark.parametrize("words", ["run box.list shelf=a output=csv", "list"])
def test_a_lost_remark_is_no_lost_answer(ask, words: str) -> None:
    done = ask(words, f"2{FULL}")
    assert done.returncode == 0
    assert done.stdout
