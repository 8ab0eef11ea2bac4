"""The dispatcher as StackStorm calls it: another process, with and without lib/ on the path."""

from __future__ import annotations

import json
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples import example
from support.st2_action import DELIMITER
from support.st2_runner import ENTRY, TOP, Execution, command, environment, execute

PASSWORD = "throwaway-s3cret"
KEYS = (
    "summary", "text", "schema", "run", "complete", "truncated", "output_file", "changed",
    "skipped", "failed", "left", "rows",
)  # fmt: skip


def config(**more: Any) -> dict[str, Any]:
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": PASSWORD}
    auth |= {"project_name": "p", "user_domain_id": "default", "project_domain_id": "default"}
    files = {"allowed": ["/"]}
    return {"clouds": [{"name": "dead", "auth": auth}], "files": files, **more}


@pytest.mark.long
@pytest.mark.parametrize("common_libs", [False, True], ids=["no common libs", "common libs"])
def test_finds_lib_by_its_own_place(common_libs: bool) -> None:
    done = execute(
        {"workflow": "server.list", "clouds": ["nope"]}, config(), common_libs=common_libs
    )
    assert done.status is False
    assert "no cloud 'nope'" in done.result["summary"]
    assert done.result["complete"] is False, "a refused request has no answer"
    assert tuple(done.result) == KEYS, "the web UI shows them in this order"
    assert done.stdout == done.result["text"], "once, with its line breaks"


@pytest.mark.long
def test_run_list_succeeds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    tmp_path.chmod(0o2770)
    done = execute({"workflow": "run.list", "limit": 5, "state": None}, config(state_url=url))
    assert done.status is True
    assert done.result["rows"] == []


@pytest.mark.long
def test_dead_cloud_is_an_answer_without_secrets() -> None:
    done = execute({"workflow": "hypervisor.list"}, config())
    assert done.status is False
    assert "no connection" in done.result["summary"]
    assert "auth_url" in done.result["summary"], "it says what to look at"
    for text in (done.stdout, done.stderr):
        assert PASSWORD not in text
        assert "Traceback" not in text


@pytest.mark.long
def test_bug_is_a_failed_result_with_an_id_and_a_clean_log(tmp_path: Path) -> None:
    # A runbook that raises what no runbook should.
    broken = tmp_path / "lib"
    workflows = broken / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "__init__.py").write_text("")
    (workflows / "broken.py").write_text(
        "from workflow_api import Context, Table, workflow\n"
        "@workflow('broken.now')\n"
        "def now(ctx: Context, name: str) -> Table:\n"
        "    raise KeyError(name + ' with " + PASSWORD + "')\n"
    )
    script = tmp_path / "entry.py"
    # The entry point puts lib/ first; the broken module is put before that, as an extension could.
    text = ENTRY.read_text().replace("Path(__file__).resolve().parents[2]", f"Path({str(TOP)!r})")
    first = f"sys.path.insert(0, {str(broken)!r})\nfrom st2common"
    script.write_text(text.replace("from st2common", first, 1))
    done = execute({"workflow": "broken.now", "name": "customer-x"}, config(), entry=script)
    assert done.status is False
    assert done.result["complete"] is False
    number = done.result["summary"].split()[2]
    assert number in done.stdout, "whoever looks at the output sees it, too"
    assert number in done.stderr, "the log has the traceback under the same number"
    assert "KeyError" in done.stderr
    for secret in (PASSWORD, "customer-x"):
        assert secret not in done.stderr
        assert secret not in done.stdout


@pytest.mark.long
def test_nothing_but_a_workflow_is_imported_by_name() -> None:
    names = ["nope.nope", "os.system", "run", "../x.y", "workflows.run"]
    done = execute({"workflow": names[0]}, config())
    assert done.status is False
    assert names[0] in done.result["summary"]
    calls: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in names]
    for name, (kind, summary, _) in imported(calls, ()).items():
        assert kind == "refused"
        assert name in summary


# A workflow that answers with as many rows as it is asked for, of the words that it is given.
_ECHO = """
from workflow_api import Context, Table, workflow

@workflow("echo.words")
def words(ctx: Context, words: list[str], times: int = 1) -> Table:
    ctx.say("asked for " + words[0])
    return Table(("word",), [{"word": word} for word in words] * times)
"""


def echo(tmp_path: Path, *words: str, **more: Any) -> Execution:
    """Execute that workflow."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "echo.py").write_text(_ECHO)
    script = tmp_path / "entry.py"
    text = ENTRY.read_text().replace("Path(__file__).resolve().parents[2]", f"Path({str(TOP)!r})")
    first = f"sys.path.insert(0, {str(tmp_path)!r})\nfrom st2common"
    script.write_text(text.replace("from st2common", first, 1))
    parameters = {"workflow": "echo.words", "words": list(words), **more}
    return execute(parameters, config(), entry=script)


@pytest.mark.long
def test_the_text_stands_once_on_stdout_after_the_progress(tmp_path: Path) -> None:
    done = echo(tmp_path, "w\xeb\u0431", "second", output_file=str(tmp_path / "out.txt"))
    assert done.success
    assert done.stdout == "asked for w\xeb\u0431\n\nWORD\nw\xeb\u0431\nsecond\n"
    assert done.result["output_file"] == str(tmp_path / "out.txt")
    assert done.result["complete"] is True
    assert done.result["truncated"] == {}


@pytest.mark.long
def test_a_long_text_is_cut_on_stdout_and_says_where_the_rest_is(tmp_path: Path) -> None:
    done = echo(tmp_path, "\u00e9" * 100, times=9000, output="text")
    assert done.success
    _progress, _, shown = done.stdout.partition("\n\n")
    *lines, last = shown.splitlines()
    assert 199_000 < len("\n".join(lines).encode()) <= 200_000
    assert set(lines[1:]) == {"\u00e9" * 100}, "whole lines only"
    assert last.startswith("[cut: only 200 kB")
    assert "output_file" in last
    assert done.result["complete"] is False
    assert done.result["truncated"]["rows"] == 9000 - len(done.result["rows"]) > 0
    assert str(done.result["truncated"]["rows"]) in done.result["summary"]


@pytest.mark.long
@pytest.mark.parametrize("streams", [">/dev/full", ">&-", "| true; exit ${PIPESTATUS[0]}"])
def test_a_lost_answer_is_a_failed_execution_and_no_bug(streams: str) -> None:
    words = shlex.join(command({"workflow": "server.list", "clouds": ["nope"]}, config()))
    done = subprocess.run(
        ["bash", "-c", f"{words} {streams}"], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1, "the runner itself could not hand the result on"
    assert "this is a bug" not in done.stderr
    assert "workflow_actions.py" not in done.stderr, "the action itself ended well"


@pytest.mark.long
@pytest.mark.parametrize("more", ["", "%%%%%", "%%%%"], ids=["alone", "before", "after"])
def test_a_name_cannot_end_the_result(tmp_path: Path, more: str) -> None:
    delimiter = DELIMITER.decode()
    done = echo(tmp_path, f"{more}{delimiter}{more}", "next")
    assert done.success, "StackStorm's runner fails on an output with a third delimiter"
    assert [row["word"] for row in done.result["rows"]][1] == "next"
    assert "~=~=~=" in done.result["rows"][0]["word"]


def test_dispatcher_is_a_few_dozen_lines_with_one_class() -> None:
    lines = ENTRY.read_text().splitlines()
    assert len(lines) < 48
    assert sum(line.startswith("class ") for line in lines) == 1


# Each talks to a cloud, or is imported by what does.
_TALKS = (
    *("requests", "urllib3", "chardet", "charset_normalizer", "keystoneauth1", "openstack"),
    "paramiko",
)
# Each takes time to import, and no answer of a cloud needs it.
_HEAVY = ("openstack", "sqlalchemy", "alembic", "jinja2", "yaml")
_IMPORTED = """
import json, sys
sys.path.insert(0, {lib!r})
calls, config, heavy = json.loads({given!r})
from engine.dispatch import dispatch
found = {{}}
for name, parameters in calls:
    before = set(sys.modules)
    kind, result = dispatch(name, parameters, config)
    new = [module for module in heavy if module in sys.modules and module not in before]
    found[name] = [kind, result["summary"], new]
print(json.dumps(found))
"""


def imported(calls: list[tuple[str, dict[str, Any]]], heavy: tuple[str, ...]) -> dict[str, list]:
    """Dispatch in a fresh process; return how each ended, and what each imported first."""
    relay = {"name": "relay", "host": "127.0.0.1", "sender": "cloud@example.org"}
    given = json.dumps([calls, config(smtp_accounts=[relay]), heavy])
    code = _IMPORTED.format(lib=str(TOP / "lib"), given=given)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def refused_calls() -> list[tuple[str, dict[str, Any]]]:
    """Return each action that works on a cloud, with one that the configuration does not have."""
    found: list[tuple[str, dict[str, Any]]] = []
    for path in sorted((TOP / "actions").glob("*.yaml")):
        parameters = yaml.safe_load(path.read_text())["parameters"]
        if "clouds" in parameters:
            found.append((path.stem, {**example(path.stem), "clouds": ["nope"]}))
        elif "cloud" in parameters:
            found.append((path.stem, {**example(path.stem), "cloud": "nope"}))
    return found


@pytest.mark.long
def test_nothing_that_talks_to_a_cloud_is_imported_before_a_cloud_is_asked() -> None:
    calls = refused_calls()
    assert len(calls) > 40
    for name, (kind, summary, new) in imported(calls, _TALKS).items():
        assert (kind, new) == ("refused", []), name
        assert "no cloud 'nope'" in summary, name


@pytest.mark.long
def test_an_answer_of_a_cloud_needs_nothing_heavy() -> None:
    ((kind, _, new),) = imported([("server.list", {})], _HEAVY).values()
    assert (kind, new) == ("failed", [])


@pytest.mark.long
def test_the_journal_needs_nothing_that_talks_to_a_cloud() -> None:
    ((kind, _, new),) = imported([("run.show", {"run": "nope"})], (*_TALKS, "alembic")).values()
    assert (kind, new) == ("refused", [])


def test_an_old_python_is_told_of_and_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOP / "tests" / "support" / "st2_standin")
    entry = runpy.run_path(str(ENTRY))
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    success, result = entry["WorkflowAction"](config={}).run("no.such_workflow")
    assert success is False
    assert "Python 3.10 or newer" in result["summary"]
    assert result["text"] == result["summary"]
