"""``./runbook`` on a terminal: progress, Ctrl-C and shell completion."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from local_runner.app import main
from support.runs import new_state

BOXES = Path(__file__).parents[1] / "support/boxes.py"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def action_yaml(name: str, **parameters: object) -> str:
    fixed = {"type": "string", "immutable": True, "default": name}
    shelf = {"type": "string", "required": True, "position": 0}
    return json.dumps(
        {"name": name, "parameters": {"workflow": fixed, "shelf": shelf, **parameters}}
    )


@pytest.fixture
def actions(tmp_path, monkeypatch):
    """Return a folder of toy actions, in a home with a configuration."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENSTACK_OPS_CONFIG", str(tmp_path / "config.yaml"))
    state = new_state(tmp_path / "state.db")
    config = {"clouds": [{"name": "devcloud"}, {"name": "prod"}], "state_url": state}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    folder = tmp_path / "actions"
    folder.mkdir()
    (folder / "box.list.yaml").write_text(action_yaml("box.list"))
    (folder / "box.open.yaml").write_text(
        action_yaml(
            "box.open",
            boxes={"type": "array", "default": ["a", "b", "c"]},
            seconds={"type": "number", "default": 0},
            cloud={"type": "string"},
            dry_run={"type": "boolean", "default": True},
        )
    )
    return folder


def complete(actions, *words, shell="bash"):
    """Return what a shell would offer for the last of ``words``."""
    asked = {"_RUNBOOK_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    else:
        asked |= {
            "_TYPER_COMPLETE_ARGS": " ".join(words),
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(shown):
        for name, value in asked.items():
            patch.setenv(name, value)
        main([], actions=actions)
    return [line.partition("\t")[0] for line in shown.getvalue().split("\n") if line]


def command(actions, *words):
    return [sys.executable, str(BOXES), str(actions), *words]


def environment():
    return {**os.environ, "TERM": "xterm"}


def test_completion(actions):
    assert complete(actions, "runbook", "run", "box.") == ["box.list", "box.open"]
    assert complete(actions, "runbook", "list", "") == ["box"]
    run = ("runbook", "run", "box.open")
    assert complete(actions, *run, "s") == ["shelf=", "seconds="]
    assert complete(actions, *run, "dry") == ["dry_run=true", "dry_run=false"]
    assert complete(actions, *run, "clo") == ["cloud=devcloud", "cloud=prod"]
    # Bash breaks words at `=`.
    assert complete(actions, *run, "cloud", "=") == ["devcloud", "prod"]
    assert complete(actions, *run, "cloud", "=", "p") == ["prod"]
    assert "cloud=" not in complete(actions, *run, "cloud", "=", "prod", "")
    assert complete(actions, *run, "sh") == ["shelf=", "shelf=..."]
    assert complete(actions, *run, "workflow", "=") == []
    assert complete(actions, *run, "cloud=p", shell="fish") == ["cloud=prod"]
    assert complete(actions, *run, "sh", shell="fish") == ["shelf="]


@pytest.mark.long
def test_completion_of_the_command_itself(actions):
    asked = {
        "_RUNBOOK_COMPLETE": "complete_bash",
        "COMP_WORDS": "runbook\nrun\nb",
        "COMP_CWORD": "2",
    }
    variables = {**environment(), **asked}
    shown = subprocess.run(command(actions), env=variables, capture_output=True, check=True)
    assert shown.stdout.split() == [b"box.list", b"box.open"]


class Terminal:
    """The command on a terminal of 80 columns."""

    def __init__(self, *words, **variables):
        self.fd, screen = pty.openpty()
        self.process = subprocess.Popen(
            words,
            env={**environment(), "COLUMNS": "80", **variables},
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            # Only what a terminal controls gets a signal when Ctrl-C is pressed there.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(screen)
        self.seen = ""

    def until(self, text, seconds=60):
        """Read until ``text`` was shown (``None``: until the end)."""
        end = time.monotonic() + seconds
        while text is None or text not in self.seen:
            assert time.monotonic() < end, f"{text!r} was not shown: {self.seen[-2000:]}"
            try:
                got = os.read(self.fd, 65536)
            except OSError:  # the other side is closed
                got = b""
            if not got:
                assert text is None, f"{text!r} was not shown: {self.seen[-2000:]}"
                return
            self.seen += got.decode(errors="replace")

    def press(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """Return the exit code."""
        self.until(None)
        os.close(self.fd)
        return self.process.wait()


@pytest.mark.long
def test_progress_on_a_terminal(actions):
    words = ("run", "box.open", "shelf=a", "dry_run=0", "boxes=a,broken", "seconds=0.4")
    terminal = Terminal(*command(actions, *words))
    code, plain = terminal.end(), ESCAPES.sub("", terminal.seen)
    assert code == 1
    assert "0 of 2 steps" in plain
    assert re.search(r"done   open a on a: a \[red\]toy \(0\.\ds\)", plain)
    assert re.search(r"failed open broken on a: \[bold\]x\[/bold\] red \(0\.\ds\)", plain)
    assert "STATE" not in plain  # the steps have just been seen
    assert "\x1b[31mred" not in terminal.seen
    assert "\x1b[1;31mOpen a: failed" in terminal.seen


@pytest.mark.long
def test_a_table_is_as_wide_as_the_terminal_and_colours_can_be_off(actions):
    words = command(actions, "run", "box.list", "shelf=a")
    terminal = Terminal(*words, NO_COLOR="1")
    assert terminal.end() == 0
    assert max(len(line) for line in ESCAPES.sub("", terminal.seen).splitlines()) <= 80
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.seen)


@pytest.mark.long
def test_ctrl_c_lets_running_steps_finish(actions):
    words = ("run", "box.open", "shelf=a", "dry_run=0", "seconds=2")
    terminal = Terminal(*command(actions, *words))
    terminal.until("open a on a")
    terminal.press(b"\x03")
    terminal.until("Ctrl-C again leaves running steps")
    assert terminal.end() == 3
    plain = ESCAPES.sub("", terminal.seen)
    assert "done   open a on a" in plain
    assert "left     open c on a: it was not started" in plain
    assert "run.resume run=" in plain
    assert "Traceback" not in plain


@pytest.mark.long
def test_a_second_ctrl_c_leaves_running_steps(actions):
    words = ("run", "box.open", "shelf=a", "dry_run=0", "seconds=600")
    terminal = Terminal(*command(actions, *words))
    terminal.until("open a on a")
    terminal.press(b"\x03")
    terminal.until("Ctrl-C again leaves running steps")
    terminal.press(b"\x03")
    assert terminal.end() == 3
    assert "Running steps are left" in terminal.seen
    assert "Traceback" not in terminal.seen


@pytest.mark.long
def test_a_lost_connection_is_a_stop_and_not_a_death(actions):
    words = ("run", "box.open", "shelf=a", "dry_run=0", "seconds=3")
    run = subprocess.Popen(
        command(actions, *words),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        # These tests may themselves run under nohup, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert run.stdout is not None
    assert any("start" in line for line in iter(run.stdout.readline, "")), "it ended before"
    run.send_signal(signal.SIGHUP)
    said = run.stdout.read()
    assert run.wait(60) == 3
    assert "Stopping: SIGHUP was received; running steps are being finished.\n" in said
