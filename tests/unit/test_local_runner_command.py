"""The ``./runbook`` command: what it prints and how it ends."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local_runner.actions import Catalogue
from local_runner.app import main
from local_runner.arguments import parameters_for
from workflow_api import Attempt, Context, Plan, StepFailed, Table, step, workflow

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "[bold]x[/bold] \x1b[31mred\x07"


@step("test_local_runner_command.move", "move {toy} off {shelf}", key="{toy}")
def move(attempt: Attempt, toy: str, shelf: str, seconds: float) -> dict:
    """Take a toy off its shelf; the broken one cannot be moved."""
    attempt.wait(seconds)
    if toy == "broken":
        raise StepFailed(HOSTILE)
    return {"said": "to the [red]box"}


@workflow("shop.list")
def list_toys(ctx: Context, shelf: str, wide: bool = False) -> Table:
    """List the toys of a shelf."""
    if shelf == "bug":
        raise ZeroDivisionError("toys/0")
    row = {"name": HOSTILE, "shelf": shelf, "about": "word " * 40 if wide else ""}
    return Table(("name", "shelf", "about"), [row], summary="1 toy", good=shelf != "bad")


@workflow("shop.move")
def move_toys(ctx: Context, shelf: str, toys: list[str], seconds: float = 0.0) -> Plan:
    """Move toys off a shelf."""
    plan = Plan(f"Clear {shelf}")
    moves = [{"toy": toy, "shelf": shelf, "seconds": seconds} for toy in toys]
    plan.each(move, moves, at_most=2)
    return plan


def action_yaml(name: str, **parameters: object) -> str:
    fixed = {
        "workflow": {"type": "string", "immutable": True, "default": name},
        "deadline": {"type": "string", "immutable": True, "default": "{{ timeout }}"},
        "env": {"immutable": True, "default": {}},
    }
    about = {"name": name, "description": f"What {name} does.", "runner_type": "python-script"}
    return json.dumps({**about, "parameters": {**parameters, **fixed}})


@pytest.fixture
def actions(tmp_path, monkeypatch):
    """Return a folder of toy actions, in a home with a configuration."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("OPENSTACK_OPS_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text("clouds: [{name: devcloud}, {name: prod}]\n")
    folder = tmp_path / "actions"
    folder.mkdir()
    shelf = {"type": "string", "required": True, "position": 0, "description": "The shelf."}
    output = {"type": "string", "enum": ["text", "csv"], "default": "text"}
    (folder / "shop.list.yaml").write_text(
        action_yaml("shop.list", shelf=shelf, wide={"type": "boolean"}, output=output)
    )
    (folder / "shop.move.yaml").write_text(
        action_yaml(
            "shop.move",
            shelf=shelf,
            toys={"type": "array", "items": {"type": "string"}, "default": ["a", "b", "c"]},
            seconds={"type": "number", "default": 0, "minimum": 0},
            cloud={"type": "string"},
            dry_run={"type": "boolean", "default": True},
        )
    )
    return folder


@pytest.fixture
def runbook(actions, capsys):
    """Return a function that runs the command here and returns its code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words, actions=actions)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_list_names_the_actions(runbook):
    code, out, _ = runbook("list")
    assert code == 0
    assert out == "shop.list  What shop.list does.\nshop.move  What shop.move does.\n"
    assert runbook("list", "shop")[1] == out
    code, _, err = runbook("list", "toi")
    assert code == 2
    assert "Did you mean shop?" in err
    assert [one["name"] for one in json.loads(runbook("list", "--json")[1])] == [
        "shop.list",
        "shop.move",
    ]


@pytest.mark.long
def test_show_explains_the_parameters_and_so_does_help(runbook):
    code, out, _ = runbook("show", "shop.move")
    assert code == 0
    assert "shelf*" in out
    assert "./runbook run shop.move shelf=..." in out
    assert "workflow" not in out
    assert "env" not in out
    for flag in ("-h", "--help"):
        assert runbook("run", "shop.move", flag) == (0, out, "")
    shown = json.loads(runbook("show", "shop.move", "--json")[1])
    assert list(shown["parameters"]) == ["shelf", "cloud", "dry_run", "seconds", "toys"]


def test_a_table_is_done_and_its_summary_comes_last(runbook):
    code, out, err = runbook("run", "shop.list", "shelf=a")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "1 toy"
    assert "[bold]x[/bold] red" in out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_table_of_something_bad_fails(runbook):
    assert runbook("run", "shop.list", "shelf=bad")[0] == 1


def test_data_for_programs_stands_alone_on_stdout(runbook):
    code, out, err = runbook("run", "shop.list", "shelf=a", "output=csv")
    assert code == 0
    assert out.splitlines()[0] == "name,shelf,about"
    assert len(out.splitlines()) == 2
    assert err == "1 toy\n"


def test_a_dry_run_shows_the_plan(runbook):
    code, out, _ = runbook("run", "shop.move", "shelf=a")
    assert code == 0
    assert "move b off a" in out
    assert out.splitlines()[-1].startswith("dry run: Clear a: 3 steps")


def test_a_run_shows_its_steps_as_lines_in_a_pipe(runbook):
    code, out, _ = runbook("run", "shop.move", "shelf=a", "dry_run=false")
    assert code == 0
    assert "done   move a off a: to the [red]box" in out
    assert "succeeded: 3 of 3 steps done" in out.splitlines()[-1]


def test_a_run_that_fails_is_1(runbook):
    code, out, _ = runbook("run", "shop.move", "shelf=a", "dry_run=0", "toys=broken")
    assert code == 1
    assert "failed   move broken off a: [bold]x[/bold] red" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "shop.mvoe"], "Did you mean shop.move?"),
        (["run"], "Which action?"),
        (["show"], "Which action?"),
        (["run", "shop.move"], "required and not given: shelf"),
        (["run", "shop.move", "shelf=a", "dry_rum=1"], "did you mean dry_run?"),
        (["shop.move"], "./runbook run shop.move"),
        (["lst"], "No such command"),
        (["run", "shop.move", "--jso"], "--json"),
        (["run", "shop.move", "shelf=a", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
)
def test_bad_input_is_2_and_says_what_to_do(runbook, words, said):
    code, out, err = runbook(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_several_reasons_are_a_list(runbook):
    _, _, err = runbook("run", "shop.move", "seconds=-1", "toys={")
    assert err.splitlines()[0].startswith("  - required and not given: shelf")
    assert err.splitlines()[-1] == "shop.move is refused. See: ./runbook show shop.move"


def test_json_is_the_whole_of_stdout(runbook):
    code, out, err = runbook("run", "shop.move", "shelf=a", "dry_run=0", "--json")
    assert code == 0
    assert json.loads(out)["schema"] == 1
    assert len(json.loads(out)["changed"]) == 3
    assert "done   move a off a" in err
    code, out, _ = runbook("run", "shop.move", "--json")
    assert code == 2
    assert json.loads(out)["failed"][0]["why"] == "required and not given: shelf"
    code, out, _ = runbook("run", "toy.nothing", "--json")
    assert code == 2
    assert "toy.nothing" in json.loads(out)["summary"]


def test_a_bug_is_told_with_the_place_of_its_traceback(runbook):
    code, out, _ = runbook("run", "shop.list", "shelf=bug")
    log = Path.home() / ".local/state/openstack_ops/log"
    assert code == 1
    assert "Traceback" not in out
    assert out.splitlines()[-1] == f"The log is {log}."
    assert "ZeroDivisionError" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_bug_of_the_command_itself_is_told_too(actions, capsys, monkeypatch):
    monkeypatch.setattr("local_runner.actions.Catalogue.all", lambda self: 1 / 0)
    assert main(["list"], actions=actions) == 1
    err = capsys.readouterr().err
    assert "Internal error" in err
    assert "Traceback" not in err


@pytest.mark.long
def test_every_action_of_the_pack_can_be_called():
    catalogue = Catalogue()
    actions = catalogue.all()
    assert actions
    assert catalogue.problems == []
    for action in actions:
        words = [
            f"{p.name}={p.choices[0] if p.choices else 1}" for p in action.givable if p.required
        ]
        assert action.workflow not in parameters_for(action, words, "ann").values()
        assert action.workflow == action.name


@pytest.mark.long
def test_the_script_works_from_anywhere_and_through_a_link(tmp_path):
    link = tmp_path / "runbook"
    link.symlink_to(ROOT / "runbook")
    done = subprocess.run(
        [sys.executable, link, "--help"], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "without StackStorm" in done.stdout


def test_the_script_says_what_is_missing(tmp_path):
    copy = tmp_path / "runbook"
    copy.write_text((ROOT / "runbook").read_text())
    done = subprocess.run(
        [sys.executable, "-I", "-S", copy, "list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "`make venv`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
