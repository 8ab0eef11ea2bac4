"""The checks of StackStorm Exchange's CI find what it would refuse, and nothing in this pack."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import exchange
from exchange import CHECKS, TOP, Check

NAMED = {check.name: check for check in CHECKS}
#: What reads files alone; the others run programs for minutes, `make exchange` has them all.
READING = ("metadata", "changes", "licence", "data files", "example")
COPIED = ("pack.yaml", "CHANGES.md", "LICENSE", "config.schema.yaml", "openstack_ops.yaml.example")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for name in COPIED:
        shutil.copy(TOP / name, tmp_path)
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("name", READING)
def test_this_pack_passes(name: str) -> None:
    assert list(NAMED[name].problems(TOP)) == []


def with_key(key: str, value: object) -> Callable[[Path], None]:
    def spoil(pack: Path) -> None:
        path = pack / "pack.yaml"
        data = yaml.safe_load(path.read_text())
        data.pop(key) if value is None else data.update({key: value})
        path.write_text(yaml.safe_dump(data))

    return spoil


def with_text(name: str, text: str) -> Callable[[Path], None]:
    return lambda pack: (pack / name).write_text(text) and None


DEFECTS = [
    ("metadata", with_key("name", "openstack-ops"), "name: 'openstack-ops'"),
    ("metadata", with_key("version", "1.0"), "version: '1.0'"),
    ("metadata", with_key("version", "01.0.0"), "version: '01.0.0'"),
    ("metadata", with_key("version", 2), "version: 2"),
    ("metadata", with_key("author", None), "'author' is a required property"),
    ("metadata", with_key("email", "nobody"), "email: 'nobody'"),
    ("metadata", with_key("python_versions", ["3.10"]), "'3.10'"),
    ("metadata", with_key("stackstorm_version", "3.9"), "stackstorm_version: '3.9'"),
    ("changes", with_key("version", "9.9.9"), "no section '9.9.9'"),
    ("licence", lambda pack: (pack / "LICENSE").unlink(), "Apache License"),
    ("licence", with_text("LICENSE", "Apache License, Version 1.1"), "Version 2.0"),
    ("data files", with_text("rule.yaml", "a: [1"), "rule.yaml"),
    ("data files", with_text("data.json", "{'a': 1}"), "data.json"),
    ("example", with_text("openstack_ops.yaml.example", "clouds: 5"), "clouds"),
    ("example", with_text("openstack_ops.yaml.example", "cloudz: []"), "cloudz"),
    ("compile", with_text("action.py", "def run(:\n"), "action.py"),
]


@pytest.mark.parametrize(
    ("name", "spoil", "says"), DEFECTS, ids=[f"{d[0]} {d[2]}" for d in DEFECTS]
)
def test_a_defect_is_found(name: str, spoil: Callable[[Path], None], says: str, pack: Path) -> None:
    assert list(NAMED[name].problems(pack)) == []
    spoil(pack)
    assert says in "\n".join(NAMED[name].problems(pack))


def test_what_is_hidden_or_built_is_no_part_of_the_pack(pack: Path) -> None:
    for folder in (".venv", "build", "docs/.hidden"):
        (pack / folder).mkdir(parents=True)
        (pack / folder / "broken.yaml").write_text("a: [1")
    assert list(NAMED["data files"].problems(pack)) == []


def test_a_program_that_fails_is_a_problem_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit('no such thing')")
    assert list(exchange.module("broken", path=(".",))(tmp_path)) == ["no such thing"]
    (tmp_path / "silent.py").write_text("raise SystemExit(3)")
    assert list(exchange.module("silent", path=(".",))(tmp_path)) == ["silent ended with 3"]
    (tmp_path / "fine.py").write_text("print('all well')")
    assert list(exchange.module("fine", path=(".",))(tmp_path)) == []


def test_a_python_that_does_not_start_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a version manager leaves it on PATH for a version that is not chosen.
    shim = tmp_path / exchange.OLDEST_PYTHON
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert exchange.oldest_python() == sys.executable


@pytest.mark.parametrize(("broken", "code"), [(True, 1), (False, 0)])
def test_the_exit_code_says_whether_anything_was_found(
    broken: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Check("first", "nothing wrong", lambda top: ["this is wrong"] if broken else [])
    monkeypatch.setattr(exchange, "CHECKS", (found, Check("last", "as well", lambda top: [])))
    monkeypatch.setattr(sys, "argv", ["exchange.py"])
    assert exchange.main() == code
    said = capsys.readouterr().out
    assert ("FAILED  first: nothing wrong\n        this is wrong" in said) is broken
    assert "passed  last: as well" in said, "a problem does not hide what comes after it"
