"""The dispatcher as StackStorm calls it: another process, with and without lib/ on the path."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
ENTRY = TOP / "actions" / "src" / "workflow_actions.py"
SUPPORT = TOP / "tests" / "support"
PASSWORD = "throwaway-s3cret"


def call(
    parameters: dict[str, Any],
    config: dict[str, Any] | None = None,
    path: tuple[Path, ...] = (),
    entry: Path = ENTRY,
) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    """Run the action in a process like StackStorm's; return what it returned and the process."""
    standin = [] if importlib.util.find_spec("st2common") else [SUPPORT / "st2_standin"]
    done = subprocess.run(
        [
            sys.executable,
            str(SUPPORT / "st2_action.py"),
            str(entry),
            json.dumps(config or {}),
            json.dumps(parameters),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, [*path, *standin])),
        },
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done


def config(**more: Any) -> dict[str, Any]:
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": PASSWORD}
    auth |= {"project_name": "p", "user_domain_id": "default", "project_domain_id": "default"}
    return {"clouds": [{"name": "dead", "auth": auth}], **more}


@pytest.mark.parametrize("path", [(), (TOP / "lib",)], ids=["no common libs", "common libs"])
def test_finds_lib_by_its_own_place(path: tuple[Path, ...]) -> None:
    answer, _ = call({"workflow": "server.list", "clouds": ["nope"]}, config(), path)
    assert answer["success"] is False
    assert answer["type"] == "bool"
    assert "no cloud 'nope'" in answer["result"]["summary"]
    assert set(answer["result"]) == {
        "schema", "run", "summary", "complete", "changed", "skipped", "failed", "left", "rows",
        "text",
    }  # fmt: skip


def test_run_list_succeeds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    tmp_path.chmod(0o2770)
    answer, _ = call({"workflow": "run.list", "limit": 5, "state": None}, config(state_url=url))
    assert answer["success"] is True
    assert answer["result"]["rows"] == []


def test_dead_cloud_is_an_answer_without_secrets() -> None:
    answer, done = call({"workflow": "hypervisor.list"}, config())
    assert answer["success"] is False
    assert "no connection" in answer["result"]["summary"]
    assert "auth_url" in answer["result"]["summary"], "it says what to look at"
    for text in (done.stdout, done.stderr):
        assert PASSWORD not in text
        assert "Traceback" not in text


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
    answer, done = call({"workflow": "broken.now", "name": "customer-x"}, config(), entry=script)
    assert answer["success"] is False
    number = answer["result"]["summary"].split()[2]
    assert number in done.stderr, "the log has the traceback under the same number"
    assert "KeyError" in done.stderr
    for secret in (PASSWORD, "customer-x"):
        assert secret not in done.stderr
        assert secret not in done.stdout


@pytest.mark.parametrize("name", ["nope.nope", "os.system", "run", "../x.y", "workflows.run"])
def test_nothing_but_a_workflow_is_imported_by_name(name: str) -> None:
    answer, _ = call({"workflow": name}, config())
    assert answer["success"] is False
    assert name in answer["result"]["summary"]


def test_dispatcher_is_a_few_dozen_lines_with_one_class() -> None:
    lines = ENTRY.read_text().splitlines()
    assert len(lines) < 48
    assert sum(line.startswith("class ") for line in lines) == 1


def test_reading_path_imports_nothing_heavy() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(TOP / 'lib')!r})\n"
        "from workflow_api.dispatch import dispatch\n"
        f"kind, result = dispatch('server.list', {{}}, {config()!r})\n"
        "assert kind == 'failed', result\n"
        "print([m for m in ('openstack', 'sqlalchemy', 'alembic', 'jinja2', 'yaml') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
